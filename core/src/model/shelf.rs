//! The store of the model: small, deterministic, and by the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::StoreKey;
use crate::layout::{Decoded, Layout};
use crate::store::{Deletion, Entry, Expect, Stored, Version, Write};

use super::Broken;
use super::log::log_of;

pub(super) type User = Option<Arc<str>>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shelf {
    kept: BTreeMap<StoreKey, Kept>,
    /// Which keys name a user.
    pub(super) index: BTreeSet<(Arc<str>, StoreKey)>,
    broken: Option<Broken>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Kept {
    payload: bytes::Bytes,
    deadline: Timestamp,
    user: User,
    version: u64,
    gist: Gist,
}

/// What an entry says, as far as the model cares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Gist {
    /// The operations that were applied to it, in their order.
    Record {
        user: User,
        log: Vec<u8>,
    },
    Tombstone {
        successor: StoreKey,
        user: User,
    },
}

impl Shelf {
    pub(super) fn new(broken: Option<Broken>) -> Self {
        Shelf {
            broken,
            ..Shelf::default()
        }
    }

    pub(super) fn load(&self, key: &StoreKey) -> Option<Stored> {
        self.kept.get(key).map(|kept| Stored {
            entry: Entry {
                payload: kept.payload.clone(),
                deadline: kept.deadline,
                user: kept.user.clone(),
            },
            version: Version::from(kept.version),
        })
    }

    /// Writes the entry. The index is written separately, so that it may lag.
    pub(super) fn put(
        &mut self,
        key: StoreKey,
        expect: &Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Write {
        let gist = gist(&key, &entry);
        let there = self.kept.get(&key);
        let alive =
            there.filter(|kept| kept.deadline > now || self.broken == Some(Broken::ExpiredIsGone));
        let tombstone = matches!(gist, Gist::Tombstone { .. });
        let unconditional = self.broken == Some(Broken::PutAtTheVersion)
            || tombstone && self.broken == Some(Broken::TombstoneAtTheVersion);
        let fits = match (expect, alive) {
            (Expect::Absent, None) => true,
            (Expect::Version(version), Some(kept)) => *version == Version::from(kept.version),
            _ => false,
        };
        if !fits && !unconditional {
            return Write::Conflict;
        }
        let version = there.map_or(1, |kept| kept.version + 1);
        let Entry {
            payload,
            deadline,
            user,
        } = entry;
        self.kept.insert(
            key,
            Kept {
                payload,
                deadline,
                user,
                version,
                gist,
            },
        );
        Write::Done(Version::from(version))
    }

    pub(super) fn touch(
        &mut self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) {
        let revives = self.broken == Some(Broken::ExpiredIsGone);
        if let Some(kept) = self.kept.get_mut(key)
            && *version == Version::from(kept.version)
            && (kept.deadline > now || revives)
        {
            kept.deadline = kept.deadline.max(deadline);
        }
    }

    pub(super) fn delete(&mut self, key: &StoreKey, version: &Version) -> Deletion {
        let unconditional = self.broken == Some(Broken::DeleteAtTheVersion);
        match self.kept.get(key) {
            Some(kept) if unconditional || *version == Version::from(kept.version) => {
                self.kept.remove(key);
                Deletion::Done
            }
            _ => Deletion::Conflict,
        }
    }

    pub(super) fn keys_of_user(&self, user: &str) -> Vec<StoreKey> {
        let keys = self.index.iter().filter(|(of, _)| **of == *user);
        keys.map(|(_, key)| key.clone()).collect()
    }

    /// What lies under a key and has not expired.
    pub(super) fn gist(&self, key: &StoreKey, now: Timestamp) -> Option<&Gist> {
        let kept = self.kept.get(key)?;
        (kept.deadline > now).then_some(&kept.gist)
    }

    /// The live records: key, user, and operations.
    pub(super) fn records(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&StoreKey, &User, &[u8])> {
        self.kept
            .iter()
            .filter_map(move |(key, kept)| match &kept.gist {
                Gist::Record { user, log } if kept.deadline > now => Some((key, user, &log[..])),
                _ => None,
            })
    }
}

pub(super) fn gist(key: &StoreKey, entry: &Entry) -> Gist {
    match Layout::Native.decode(key, entry.clone(), 1 << 16) {
        Ok(Decoded::Record(record)) => Gist::Record {
            log: log_of(&record.data),
            user: record.user,
        },
        Ok(Decoded::Tombstone(tombstone)) => Gist::Tombstone {
            successor: tombstone.successor,
            user: tombstone.user,
        },
        Ok(Decoded::Nothing | Decoded::Destroyed) => panic!("no entry of this layout says that"),
        Err(why) => panic!("an entry was written that cannot be read: {why:?}"),
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?}, version {}, until {:?}",
            self.gist, self.version, self.deadline
        )
    }
}
