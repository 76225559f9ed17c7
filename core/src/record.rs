//! What an entry of a store says, decoded.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::StoreKey;
use crate::layout::{Decoded, Unreadable};
use crate::lifecycle::Policy;
use crate::payload::Payload;
use crate::store::{Stored, Version};

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Record {
    /// 1970 if the layout does not say it.
    pub(crate) created: Timestamp,
    /// When the data was last written. The session was seen then, or later.
    pub(crate) written: Timestamp,
    /// The hard end, counted from the creation or the last log-in.
    pub(crate) ends: Timestamp,
    /// Overrides the configured lifetime.
    pub(crate) lifetime: Option<Duration>,
    /// Overrides the configured kind of cookie.
    pub(crate) permanent: Option<bool>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) signed_in: Option<Timestamp>,
    pub(crate) data: Payload,
}

/// What is left under an id that was replaced: requests with the old id find it instead of nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Tombstone {
    pub(crate) successor: StoreKey,
    pub(crate) replaced: Timestamp,
    /// The user whom it replaced.
    pub(crate) user: Option<Arc<str>>,
}

/// A record, and where and in which state it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Live {
    pub(crate) key: StoreKey,
    pub(crate) version: Version,
    pub(crate) deadline: Timestamp,
    pub(crate) record: Record,
}

/// What there is under a key, judged at a point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Found {
    /// No session, and why.
    Nothing(Absence),
    Live(Live),
    Replaced(Tombstone),
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Absence {
    /// The request carried no cookie of ours.
    NoCookie,
    /// It carried one that cannot be an id.
    Malformed,
    /// The store knows nothing of the id.
    Unknown,
    Expired,
    /// It was destroyed while its id was being replaced.
    Destroyed,
    /// The request had a session, and it ended meanwhile.
    Ended,
    /// The entry cannot be read. It is neither overwritten nor deleted.
    Unreadable(Unreadable),
}

impl Default for Found {
    fn default() -> Self {
        Found::Nothing(Absence::NoCookie)
    }
}

impl Record {
    /// When the session was begun, `None` if the layout does not say it.
    pub(crate) fn begun_at(&self) -> Option<Timestamp> {
        Some(self.created).filter(|created| *created > Timestamp::from_millis(0))
    }
}

impl Found {
    /// The key of a session.
    pub(crate) fn key(&self) -> Option<StoreKey> {
        match self {
            Found::Live(live) => Some(live.key.clone()),
            Found::Nothing(_) | Found::Replaced(_) => None,
        }
    }

    /// Judges what a store answered. The store's own opinion about deadlines is not asked.
    #[inline]
    pub(crate) fn judge(
        policy: &Policy,
        key: StoreKey,
        stored: Option<Stored>,
        now: Timestamp,
    ) -> Found {
        let Some(Stored { entry, version }) = stored else {
            return Found::Nothing(Absence::Unknown);
        };
        if entry.deadline <= now {
            return Found::Nothing(Absence::Expired);
        }
        let deadline = entry.deadline;
        match policy.layout.decode(&key, entry, policy.size_limit) {
            Ok(Decoded::Record(record)) => {
                let ends = policy.hard_end(&record);
                if ends <= now {
                    return Found::Nothing(Absence::Expired);
                }
                Found::Live(Live {
                    key,
                    version,
                    deadline: deadline.min(ends),
                    record: Record { ends, ..record },
                })
            }
            Ok(Decoded::Tombstone(tombstone)) => Found::Replaced(tombstone),
            Ok(Decoded::Nothing) => Found::Nothing(Absence::Unknown),
            Ok(Decoded::Destroyed) => Found::Nothing(Absence::Destroyed),
            Err(why) => Found::Nothing(Absence::Unreadable(why)),
        }
    }
}
