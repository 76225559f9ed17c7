//! Versions: which they are, and that none comes twice.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use anysession::{StoreKey, Timestamp, Version};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::record::VERSION_LEN;

const DIGEST_LEN: usize = 16;

/// What a [`Version`] of this store says: the state of the record, and where its user's index has it.
///
/// The user does not change while the version stays. So whoever names a version can say which index entry belongs to it,
/// and a touch reaches record and index in one round trip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) version: [u8; VERSION_LEN],
    pub(crate) owner: Option<Owner>,
}

/// Whose a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The version with which this user took the record over. It stands in the user's index beside the key, so an entry
    /// that is left from an earlier record of the same key is another one.
    pub(crate) mark: [u8; VERSION_LEN],
    /// Of the user: the name of its index.
    pub(crate) digest: [u8; DIGEST_LEN],
}

impl Owner {
    pub(crate) fn new(mark: [u8; VERSION_LEN], user: &[u8]) -> Self {
        let digest = digest(user);
        Owner { mark, digest }
    }
}

/// The name of a user's index.
pub(crate) fn digest(user: &[u8]) -> [u8; DIGEST_LEN] {
    let digest: [u8; 32] = Sha256::digest(user).into();
    std::array::from_fn(|position| digest[position])
}

impl From<Stamp> for Version {
    fn from(stamp: Stamp) -> Self {
        let bytes = match &stamp.owner {
            None => Bytes::copy_from_slice(&stamp.version),
            Some(owner) => [&stamp.version[..], &owner.mark, &owner.digest]
                .concat()
                .into(),
        };
        Version::from_bytes(bytes)
    }
}

impl Stamp {
    /// What a version says, `None` if it is not one of this store: then no record has it.
    pub(crate) fn of(version: &Version) -> Option<Self> {
        let (version, rest) = version.as_bytes()?.split_first_chunk()?;
        let owner = match rest.split_first_chunk() {
            None if rest.is_empty() => None,
            None => return None,
            Some((mark, digest)) => Some(Owner {
                mark: *mark,
                digest: digest.try_into().ok()?,
            }),
        };
        Some(Stamp {
            version: *version,
            owner,
        })
    }
}

/// Where versions come from: 64 bits that nobody else draws.
///
/// They are not counted up from the record's last version. After a failover a record can be an older one again, and a
/// count that starts from it would give the same number to another state.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// Random keys, of this store alone. A version is no secret; it must only differ.
    hasher: RandomState,
    drawn: AtomicU64,
}

impl Versions {
    pub(crate) fn draw(&self, key: &StoreKey, now: Timestamp) -> [u8; VERSION_LEN] {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        self.hasher.hash_one((number, key, now)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_tells_what_it_was_made_of() {
        let version = [7; VERSION_LEN];
        let owned = Stamp {
            version,
            owner: Some(Owner::new([1; VERSION_LEN], b"ada")),
        };
        let nobodys = Stamp {
            version,
            owner: None,
        };
        for stamp in [owned, nobodys] {
            assert_eq!(Stamp::of(&stamp.clone().into()), Some(stamp));
        }
    }

    #[test]
    fn a_foreign_version_is_no_version_of_a_record() {
        for bytes in [&b""[..], b"1234567", b"123456789", &[0; 31], &[0; 33]] {
            let version = Version::from_bytes(Bytes::from_static(bytes));
            assert_eq!(Stamp::of(&version), None, "{bytes:?}");
        }
        assert_eq!(Stamp::of(&Version::from(1)), None);
    }

    #[test]
    fn no_version_is_drawn_twice() {
        let key = StoreKey::from_bytes(&[1; 32]).unwrap();
        let now = Timestamp::from_millis(0);
        let stores = [Versions::default(), Versions::default()];
        let drawn: std::collections::HashSet<_> = (0..10_000)
            .map(|number| stores[number % 2].draw(&key, now))
            .collect();
        assert_eq!(drawn.len(), 10_000);
    }
}
