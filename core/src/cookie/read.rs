//! Finding the session's cookie among the bytes of the `Cookie` headers.
//!
//! No framework's cookie jar does this: they decode percent signs in names, trim Unicode spaces or strip quotes, and so
//! read `__%48ost-id` as `__Host-id` (CVE-2020-8184 and CVE-2020-7070 are this mistake).

use super::Cookie;

impl Cookie {
    /// The values of every cookie of this name, in the order of the headers.
    ///
    /// The rules are those of RFC 6265bis: there may be several headers (HTTP/2 splits them), `;` alone separates
    /// cookies, the first `=` separates name and value, space and tab around both are dropped. Names are compared byte
    /// by byte; nothing is decoded and quotes belong to the value. A cookie without `=` or without a name is nobody's.
    ///
    /// A header may repeat the name as often as it likes, and no order can be relied on: the caller decides how many
    /// values it looks up. Takes time linear in the headers' length, and no memory.
    pub(crate) fn values<'h>(
        &self,
        headers: impl Iterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = &'h [u8]> {
        let name = self.name.as_bytes();
        headers
            .flat_map(|header| Crumbs(Some(header)))
            .filter_map(move |crumb| value_of(name, crumb))
    }
}

/// The pieces of a header between semicolons.
struct Crumbs<'h>(Option<&'h [u8]>);

impl<'h> Iterator for Crumbs<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.0?;
        let (crumb, rest) = match memchr::memchr(b';', rest) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        self.0 = rest;
        Some(crumb)
    }
}

/// The value of a crumb that has this name. The name is a token, so it holds no `=`: the one that follows it is the first.
fn value_of<'h>(name: &[u8], crumb: &'h [u8]) -> Option<&'h [u8]> {
    let behind_name = trim_start(crumb).strip_prefix(name)?;
    let value = trim_start(behind_name).strip_prefix(b"=")?;
    Some(trim_end(trim_start(value)))
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Naming;
    use crate::cookie::Settings;

    fn cookie() -> Cookie {
        Cookie::new(&Settings::default(), Naming::Dotted).unwrap()
    }

    fn values(headers: &[&[u8]]) -> Vec<Vec<u8>> {
        let cookie = cookie();
        cookie
            .values(headers.iter().copied())
            .map(<[u8]>::to_vec)
            .collect()
    }

    #[test]
    fn a_header_is_read_as_rfc_6265bis_says() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            // What the cookie jars of axum-extra, tower-cookies, poem, actix-web and rocket get wrong.
            (b"__%48ost-id=evil", &[]),
            (b"__Host-id=good; __%48ost-id=evil", &[b"good"]),
            ("\u{2000}__Host-id=evil".as_bytes(), &[]),
            ("\u{a0}__Host-id=evil".as_bytes(), &[]),
            (b"=__Host-id=evil", &[]),
            (b"__Host-id=good; __Host-id=evil", &[b"good", b"evil"]),
            (b"a=\xff; __Host-id=good", &[b"good"]),
            ("a=é; __Host-id=good".as_bytes(), &[b"good"]),
            (b"__Host-id=\"good\"", &[b"\"good\""]),
            (b"foo; __Host-id=good", &[b"good"]),
            // Names are exact.
            (b"__host-id=evil", &[]),
            (b"__Host-id2=evil; x__Host-id=evil; __Host-i=evil", &[]),
            (b"\x0b__Host-id=evil", &[]),
            (
                b"\x0c__Host-id=evil; \r__Host-id=evil; \n__Host-id=evil",
                &[],
            ),
            (b"__Host-id\0=evil", &[]),
            // Separators and white space.
            (b"a=\"x; __Host-id=1; y\"", &[b"1"]),
            (b"a=1,__Host-id=evil", &[]),
            (b"$Version=1; __Host-id=1; $Path=/", &[b"1"]),
            (b"a=1;__Host-id=1;b=2", &[b"1"]),
            (b"\t __Host-id \t= \t1 2\t ;", &[b"1 2"]),
            (b"__Host-id=\xc2\xa01", &[b"\xc2\xa01"]),
            (b"__Host-id=1=2=", &[b"1=2="]),
            (b"__Host-id", &[]),
            (b"__Host-id=", &[b""]),
            (b"__Host-id==", &[b"="]),
            (b"=", &[]),
            (b"", &[]),
            (b";;; ;", &[]),
        ];
        for (header, expected) in cases {
            assert_eq!(
                values(&[header]),
                *expected,
                "{}",
                String::from_utf8_lossy(header)
            );
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let headers: [&[u8]; 4] = [b"a=1", b"__Host-id=1; b=2", b"", b"__Host-id=2"];
        assert_eq!(values(&headers), [b"1", b"2"]);
        // A name does not continue in the next header.
        assert_eq!(
            values(&[b"__Host-", b"id=1", b"__Host-id", b"=1"]),
            [[0; 0]; 0]
        );
    }

    #[test]
    fn a_flood_of_cookies_is_read_to_its_end() {
        let crumbs = "a=b; ".repeat(10_000) + "__Host-id=good";
        assert_eq!(values(&[crumbs.as_bytes()]), [b"good"]);

        let long = "x".repeat(64 * 1024) + "; __Host-id=good";
        assert_eq!(values(&[long.as_bytes()]), [b"good"]);

        let spaces = " ".repeat(64 * 1024) + "__Host-id" + &" \t".repeat(32 * 1024) + "=good";
        assert_eq!(values(&[spaces.as_bytes()]), [b"good"]);

        let duplicates = "__Host-id=evil; ".repeat(1_000);
        assert_eq!(values(&[duplicates.as_bytes()]).len(), 1_000);
        let cookie = cookie();
        let bounded = cookie
            .values(std::iter::once(duplicates.as_bytes()))
            .take(4);
        assert_eq!(bounded.count(), 4);
    }

    /// The rules again, written for clarity: split, find the first `=`, trim, compare.
    fn reference(headers: &[Vec<u8>]) -> Vec<Vec<u8>> {
        fn trim(bytes: &[u8]) -> Vec<u8> {
            let white = |byte: &&u8| **byte == 0x20 || **byte == 0x09;
            let front = bytes.iter().take_while(white).count();
            let back = bytes.iter().rev().take_while(white).count();
            let end = bytes.len().saturating_sub(back).max(front);
            bytes[front..end].to_vec()
        }
        let mut found = Vec::new();
        for crumb in headers
            .iter()
            .flat_map(|header| header.split(|&b| b == b';'))
        {
            if let Some(equals) = crumb.iter().position(|&b| b == b'=')
                && trim(&crumb[..equals]) == b"__Host-id"
            {
                found.push(trim(&crumb[equals + 1..]));
            }
        }
        found
    }

    /// Bytes that are likely to meet the rules: pieces of our name, separators, white space, and anything.
    fn header() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"__Host-id".to_vec()),
            Just(b"__Host-id=".to_vec()),
            Just(b"__Host".to_vec()),
            Just(b"=".to_vec()),
            Just(b";".to_vec()),
            Just(b" ".to_vec()),
            Just(b"\t".to_vec()),
            Just(b"\xe2\x80\x80".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_as_the_reference_reads_them(
            headers in proptest::collection::vec(header(), 0..4)
        ) {
            let slices: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(values(&slices), reference(&headers));
        }
    }
}
