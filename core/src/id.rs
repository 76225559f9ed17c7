//! The cookie's secret, and the key under which a store knows it. This is the only file that asks for randomness.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// Length of an id in the cookie: 32 bytes in base64url without padding.
pub(crate) const ENCODED_LEN: usize = 43;

/// The secret that a visitor's cookie carries: 256 random bits (ASVS 5.0 7.2.3 asks for 128).
///
/// It reaches the cookie and nothing else: there is no `Display`, `Debug` prints no digit of it, and a store sees only
/// the [`StoreKey`] made from it.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct SessionId {
    ours: Padded,
    /// One of another length, made by Flask.
    other: Option<Arc<[u8]>>,
}

/// An id as SHA-256 reads it: its 43 bytes, then the bit and the first zeros of the padding (FIPS 180-4, 5.1.1). So it is
/// moved in whole pieces, which the processor need not wait for.
type Padded = [u8; 48];

fn padded(id: &[u8; ENCODED_LEN]) -> Padded {
    let mut padded = [0; _];
    padded[..ENCODED_LEN].copy_from_slice(id);
    padded[ENCODED_LEN] = 0x80;
    padded
}

/// A longer id does not fit into the column that Flask-Session keeps it in.
const LONGEST: usize = 255;

impl SessionId {
    /// Takes a new id from `random`.
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bits = [0; 32];
        random.fill(&mut bits)?;
        let mut ours = [0; ENCODED_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(bits, &mut ours);
        debug_assert!(matches!(written, Ok(ENCODED_LEN)));
        Ok(SessionId {
            ours: padded(&ours),
            other: None,
        })
    }

    /// Reads an id from a cookie's value. Only the length is judged here: what is not one of our ids hashes to a key
    /// that no store holds.
    pub(crate) fn from_cookie(value: &[u8]) -> Option<Self> {
        let ours = value.try_into().ok()?;
        Some(SessionId {
            ours: padded(ours),
            other: None,
        })
    }

    /// Reads an id that Flask may have made. Its length depends on Flask's configuration and version; it becomes part
    /// of a key, so it must consist of characters that need no escape anywhere.
    pub(crate) fn from_flask_cookie(value: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
        if value.is_empty() || value.len() > LONGEST || !value.iter().all(plain) {
            return None;
        }
        Self::from_cookie(value).or_else(|| {
            Some(SessionId {
                ours: [0; _],
                other: Some(value.into()),
            })
        })
    }

    /// The text that goes into the `Set-Cookie` header, and nowhere else.
    pub(crate) fn expose_to_cookie(&self) -> &str {
        // An id that is written to a cookie was made by `generate` or read as one of Flask's, so it is ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.other {
            None => &self.ours[..ENCODED_LEN],
            Some(other) => other,
        }
    }

    /// What the store key is made of.
    #[inline]
    pub(crate) fn digest(&self) -> [u8; 32] {
        match &self.other {
            None => digest_of_one_block(&self.ours),
            Some(other) => Sha256::digest(other).into(),
        }
    }
}

/// SHA-256 of one of our ids. It fits into one block, so there is nothing to buffer: padded here, it takes two thirds of
/// the time.
#[inline]
fn digest_of_one_block(id: &Padded) -> [u8; 32] {
    /// FIPS 180-4, 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    /// The end of the padding: how many bits there are.
    const END: [u8; 16] = (8 * ENCODED_LEN as u128).to_be_bytes();
    let mut block = [0; 64];
    block[..48].copy_from_slice(id);
    block[48..].copy_from_slice(&END);
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    let mut digest = [0; 32];
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// The name under which a store keeps a session: the SHA-256 of the cookie's id.
///
/// A store that leaks its keys does not leak sessions, and the time of a look-up tells nothing about an id.
/// `Display` and `Debug` print it in hexadecimal.
///
/// In the layout that is shared with Flask ([`Config::flask`](crate::Config::flask)) a session lies under its id itself,
/// since Flask looks for it there. Such a key is a secret too: it prints as the hash of the id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey {
    digest: [u8; 32],
    plain: Option<Arc<str>>,
}

impl StoreKey {
    pub(crate) fn from_digest(digest: [u8; 32]) -> Self {
        StoreKey {
            digest,
            plain: None,
        }
    }

    pub(crate) fn from_plain(id: &str) -> Self {
        StoreKey {
            digest: Sha256::digest(id.as_bytes()).into(),
            plain: Some(id.into()),
        }
    }

    /// Where it is said of a user that the sessions which still lie in Flask's layout are over.
    pub(crate) fn of_left_sessions(user: &str) -> Self {
        let digest = Sha256::new_with_prefix(b"anysession left sessions of ").chain_update(user);
        Self::from_digest(digest.finalize().into())
    }

    /// A key from the bytes that [`as_bytes`](Self::as_bytes) gave, as a store reads them back from its index;
    /// `None` if these cannot be a key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(StoreKey::from_digest)
    }

    /// The bytes to store it by. They are spread evenly, so any eight of them make a good hash.
    ///
    /// Of a [plain](Self::plain) key it is the id: only a store of Flask's layout meets one.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.plain {
            None => &self.digest,
            Some(id) => id.as_bytes(),
        }
    }

    /// The id, if the session lies under the id itself. Only a store of Flask's layout asks for it, and never prints it.
    pub fn plain(&self) -> Option<&str> {
        self.plain.as_deref()
    }

    /// The hash, by which a key may be known outside of its store.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// A name for one session that can stand in a page or a URL: it cannot be turned back into the key or the id.
    pub(crate) fn handle(&self) -> String {
        let digest = Sha256::new_with_prefix(b"anysession handle")
            .chain_update(self.digest)
            .finalize();
        URL_SAFE_NO_PAD.encode(&digest[..16])
    }

    /// The first digits, by which an operator can follow one session through the log.
    pub(crate) fn short(&self) -> ShortKey<'_> {
        ShortKey(self)
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(f, &self.digest)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({self})")
    }
}

pub(crate) struct ShortKey<'a>(&'a StoreKey);

impl fmt::Display for ShortKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(f, &self.0.digest[..6])
    }
}

fn write_digits(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A source of cryptographically secure random bytes.
///
/// [`OsRandom`] is the default. Bring another where a particular generator is prescribed (NIST SP 800-63B 5.1 asks for
/// an approved one), or in a test that makes it fail.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes`, all of it, or fails. It must never fall back on something weaker.
    fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError>;
}

/// A number from 0 to 1, to keep processes apart that would do the same at the same time.
pub(crate) fn jitter(random: &dyn Random) -> f64 {
    let mut bytes = [0; 32];
    match random.fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes([bytes[0], bytes[1]])) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

/// The random source failed, so no id was made.
#[derive(Debug, thiserror::Error)]
#[error("the random source failed; no session id was made")]
pub struct RandomError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl RandomError {
    /// Wraps the cause.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        RandomError(source.into())
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks for randomness"
    )]
    fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(RandomError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_43_characters_of_base64url() {
        let id = SessionId::generate(&OsRandom).unwrap();
        let text = id.expose_to_cookie();
        assert_eq!(text.len(), ENCODED_LEN);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_eq!(SessionId::from_cookie(text.as_bytes()), Some(id));
    }

    #[test]
    fn every_symbol_of_the_alphabet_is_as_likely() {
        let mut counts = [0u32; 256];
        let ids: u32 = 20_000;
        for _ in 0..ids {
            let id = SessionId::generate(&OsRandom).unwrap();
            // The last character carries only four of its six bits.
            id.as_bytes()[..42]
                .iter()
                .for_each(|&symbol| counts[usize::from(symbol)] += 1);
        }
        let expected = f64::from(ids * 42) / 64.0;
        let chi_square: f64 = counts
            .iter()
            .filter(|&&count| count > 0)
            .map(|&count| (f64::from(count) - expected).powi(2) / expected)
            .sum();
        assert_eq!(counts.iter().filter(|&&count| count > 0).count(), 64);
        // 63 degrees of freedom: beyond 140 less often than once in ten million runs.
        assert!(chi_square < 140.0, "chi square {chi_square}");
    }

    #[test]
    fn debug_of_an_id_shows_no_digit_of_it() {
        let id = SessionId::generate(&OsRandom).unwrap();
        assert_eq!(format!("{id:?}"), "SessionId(redacted)");
    }

    #[test]
    fn a_store_key_shares_no_text_with_its_id() {
        let id = SessionId::generate(&OsRandom).unwrap();
        let key = crate::layout::Layout::Native.store_key(&id);
        assert!(!key.to_string().contains(id.expose_to_cookie()));
        assert!(!key.handle().contains(&key.to_string()[..16]));
        assert_eq!(StoreKey::from_bytes(key.as_bytes()), Some(key));
        assert_eq!(StoreKey::from_bytes(&[0; 31]), None);
    }

    #[test]
    fn the_digest_of_an_id_is_its_sha_256() {
        for _ in 0..100 {
            let id = SessionId::generate(&OsRandom).unwrap();
            let expected: [u8; 32] = Sha256::digest(id.as_bytes()).into();
            assert_eq!(id.digest(), expected);
        }
    }

    #[test]
    fn a_random_source_that_fails_is_an_error() {
        #[derive(Debug)]
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8; 32]) -> Result<(), RandomError> {
                Err(RandomError::new("no entropy"))
            }
        }
        assert!(SessionId::generate(&Broken).is_err());
    }
}
