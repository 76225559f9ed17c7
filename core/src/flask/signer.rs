//! Signed cookies, as `SESSION_USE_SIGNER` makes them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Signs ids as itsdangerous' `Signer(secret, salt="flask-session", key_derivation="hmac")` does: HMAC-SHA1, which is not
/// broken by what is known about SHA-1. An id is random, so a signature adds little; it is here because Flask's cookies
/// have it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    key: [u8; 20],
}

impl Signer {
    pub(crate) fn new(secret: &str) -> Self {
        let key = mac(secret.as_bytes(), b"flask-session").finalize();
        Signer {
            key: key.into_bytes().into(),
        }
    }

    /// The id and its signature.
    pub(crate) fn sign(&self, id: &str) -> String {
        let signature = mac(&self.key, id.as_bytes()).finalize().into_bytes();
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The id, if its signature is right.
    pub(crate) fn unsign<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let dot = value.iter().rposition(|&byte| byte == b'.')?;
        let (id, signature) = (&value[..dot], &value[dot + 1..]);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        mac(&self.key, id).verify_slice(&signature).ok()?;
        Some(id)
    }
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("a key may have any length"))
        .chain_update(text)
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "BHNCb_xqk8uR0alPxoMJQAgAmjM4lST3fHfO1w-H0Rc";
    const SIGNED: &str = "BHNCb_xqk8uR0alPxoMJQAgAmjM4lST3fHfO1w-H0Rc.vLVniZftNgt4EfWL2fiBLnTNLO0";

    #[test]
    fn it_signs_as_flask_session_does() {
        let signer = Signer::new("s3cret");
        assert_eq!(signer.sign(ID), SIGNED);
        assert_eq!(signer.unsign(SIGNED.as_bytes()), Some(ID.as_bytes()));
    }

    #[test]
    fn what_is_not_signed_with_this_secret_is_no_id() {
        let signer = Signer::new("s3cret");
        assert_eq!(Signer::new("other").unsign(SIGNED.as_bytes()), None);
        for at in 0..SIGNED.len() {
            let mut forged = SIGNED.as_bytes().to_vec();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(signer.unsign(&forged), None, "byte {at}");
        }
        for value in ["", ".", ID, &format!("{ID}.")] {
            assert_eq!(signer.unsign(value.as_bytes()), None, "{value}");
        }
    }
}
