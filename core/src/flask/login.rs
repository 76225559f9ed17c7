//! What flask-login wants to know about a sign-in.

use std::fmt::Write as _;

use sha2::{Digest, Sha512};

/// What flask-login 0.6 keeps under `_id`, to recognise the client that has signed in: a hash of its address and its user
/// agent.
///
/// Set it when a user signs in here who goes on to Flask. Without it flask-login takes the session for one that is not
/// fresh, and with `session_protection = "strong"` it ends it. Both must be what flask-login sees: the address is the first
/// one of `X-Forwarded-For`, if there is this header, and the peer's otherwise.
///
/// ```
/// # use anysession::{Session, Error, flask};
/// # fn signed_in(session: &Session) -> Result<(), Error> {
/// session.log_in(42)?;
/// session.insert("_id", flask::login_id(Some("192.0.2.1"), Some("Mozilla/5.0")))?;
/// # Ok(()) }
/// ```
pub fn login_id(address: Option<&str>, user_agent: Option<&str>) -> String {
    let [address, user_agent] = [address, user_agent].map(bytes_of_python);
    let digest = Sha512::digest(format!("{address}|{user_agent}"));
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// flask-login hashes how Python prints these bytes.
fn bytes_of_python(text: Option<&str>) -> String {
    let Some(text) = text else {
        return "None".to_owned();
    };
    let quote = match text.contains('\'') && !text.contains('"') {
        true => '"',
        false => '\'',
    };
    let mut printed = format!("b{quote}");
    for byte in text.bytes() {
        match byte {
            b'\\' => printed.push_str("\\\\"),
            b'\t' => printed.push_str("\\t"),
            b'\n' => printed.push_str("\\n"),
            b'\r' => printed.push_str("\\r"),
            _ if char::from(byte) == quote => printed.extend(['\\', quote]),
            0x20..0x7f => printed.push(char::from(byte)),
            _ => {
                let _ = write!(printed, "\\x{byte:02x}");
            }
        }
    }
    printed.push(quote);
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hash_that_flask_login_makes() {
        // hashlib.sha512(f"{address}|{user_agent}".encode("utf8")).hexdigest(), where both are bytes
        let id = login_id(Some("127.0.0.1"), Some("curl/8"));
        assert_eq!(
            id,
            "e3b66b456272032cfccd37bff3478587d79e2c0f2719960c75c6a22aa25d6a0dc6a0b5e738c6d8b75e8533c3ae5d391ec6191d611561902ea5b09abda53a2371"
        );
        let id = login_id(None, Some("it's \\ \t \u{e9}"));
        assert_eq!(
            id,
            "454dd405e8b46f72002628a11576ab6a47dc7fba21b4553d4c7fada57fce6e68810ffa1e4bfc023c794822de768dc93090e5a67b8bb00c74448acf654b728095"
        );
    }

    #[test]
    fn bytes_are_printed_as_python_prints_them() {
        for (text, printed) in [
            ("a", "b'a'"),
            ("it's", "b\"it's\""),
            ("'\"", "b'\\'\"'"),
            ("\\\n\0\u{e9}", "b'\\\\\\n\\x00\\xc3\\xa9'"),
        ] {
            assert_eq!(bytes_of_python(Some(text)), printed);
        }
        assert_eq!(bytes_of_python(None), "None");
    }
}
