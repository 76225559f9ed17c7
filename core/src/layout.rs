//! How a session lies in a store: the name of its key and the frame of its payload.
//!
//! Both are decided here and nowhere else. [`native`] is the layout of this library; [`flask`] is the one of
//! Flask-Session, for an application that shares its live sessions with a Flask application.

mod flask;
mod json;
mod native;

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::flask::Format;
use crate::id::{SessionId, StoreKey};
use crate::payload::{Draft, EMPTY, Payload};
use crate::record::{Record, Tombstone};
use crate::store::Entry;

/// Which layout the sessions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Layout {
    Native,
    Flask(Format),
}

/// What an entry's payload turned out to be.
pub(crate) enum Decoded {
    Record(Record),
    Tombstone(Tombstone),
    /// Nothing, as Flask counts it.
    Nothing,
    /// What a log-out left that could not see where the session had gone.
    Destroyed,
}

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Unreadable {
    /// Not written by this library, or damaged, or written for another key.
    Corrupt,
    /// Written by a later version of this library.
    Newer(u8),
    /// Larger than the configuration allows.
    TooLarge,
    /// Pickled by an old Flask-Session. To read it is to run what is in it, so it is not read.
    Pickled,
}

impl Layout {
    /// Reads the id from a cookie's value.
    #[inline]
    pub(crate) fn read_id(self, value: &[u8]) -> Option<SessionId> {
        match self {
            Layout::Native => SessionId::from_cookie(value),
            Layout::Flask(_) => SessionId::from_flask_cookie(value),
        }
    }

    /// The key under which the store knows an id.
    #[inline]
    pub(crate) fn store_key(self, id: &SessionId) -> StoreKey {
        match self {
            Layout::Native => StoreKey::from_digest(id.digest()),
            Layout::Flask(_) => StoreKey::from_plain(id.expose_to_cookie()),
        }
    }

    /// Where the tombstone of a session lies. `None`: in the place of the session.
    #[inline]
    pub(crate) fn grave(self, key: &StoreKey) -> Option<StoreKey> {
        match self {
            Layout::Native => None,
            Layout::Flask(_) => flask::grave(key),
        }
    }

    /// How values are encoded.
    #[inline]
    pub(crate) fn format(self) -> Format {
        match self {
            Layout::Native => Format::MessagePack,
            Layout::Flask(format) => format,
        }
    }

    /// The data of a session that begins.
    pub(crate) fn new_data(self, permanent: bool) -> Payload {
        match self {
            Layout::Native => Payload::empty(),
            Layout::Flask(format) => flask::new_data(format, permanent),
        }
    }

    /// What is left of the data when it is cleared.
    pub(crate) fn cleared(self, data: &Payload) -> Cow<'static, Payload> {
        match self {
            Layout::Native => Cow::Borrowed(&EMPTY),
            Layout::Flask(_) => Cow::Owned(flask::cleared(data)),
        }
    }

    /// Whether a session that has only these keys needs no place in the store.
    pub(crate) fn is_nothing<'k>(self, mut keys: impl Iterator<Item = &'k str>) -> bool {
        match self {
            Layout::Native => keys.next().is_none(),
            Layout::Flask(_) => keys.all(|key| key == flask::PERMANENT),
        }
    }

    /// Whether a session whose data has become this ends.
    pub(crate) fn ends_with(self, data: &Payload) -> bool {
        match self {
            Layout::Native => false,
            Layout::Flask(_) => flask::is_nothing(data),
        }
    }

    /// Encodes a record around its data, in the buffer that the data lies in already; the record gets the data
    /// if it is to be kept.
    #[inline]
    pub(crate) fn seal(
        self,
        key: &StoreKey,
        record: &mut Record,
        data: Draft,
        deadline: Timestamp,
        keep: bool,
    ) -> Entry {
        match self {
            Layout::Native => native::seal(key, record, data, deadline, keep),
            Layout::Flask(format) => flask::seal(format, record, data, deadline),
        }
    }

    /// A record as it is stored.
    #[cfg(test)]
    pub(crate) fn encode(self, key: &StoreKey, record: &Record, deadline: Timestamp) -> Entry {
        let unchanged = record.data.edited(std::iter::empty());
        self.seal(key, &mut record.clone(), unchanged, deadline, true)
    }

    pub(crate) fn encode_tombstone(
        self,
        key: &StoreKey,
        tombstone: &Tombstone,
        deadline: Timestamp,
    ) -> Entry {
        match self {
            Layout::Native => native::encode_tombstone(key, tombstone, deadline),
            Layout::Flask(_) => flask::encode_tombstone(tombstone, deadline),
        }
    }

    #[inline]
    pub(crate) fn decode(
        self,
        key: &StoreKey,
        entry: Entry,
        size_limit: usize,
    ) -> Result<Decoded, Unreadable> {
        match self {
            Layout::Native => native::decode(key, entry, size_limit),
            Layout::Flask(format) => flask::decode(format, entry, size_limit),
        }
    }
}

/// A session of Flask's as it is stored in the native layout, with the times of a `new` record.
pub(crate) fn moved(
    format: Format,
    key: &StoreKey,
    record: Record,
    new: Record,
    deadline: Timestamp,
) -> Result<Entry, Error> {
    let data = flask::without_settings(format, &record.data)?;
    let mut record = Record {
        permanent: record.permanent,
        user: record.user,
        ..new
    };
    let deadline = deadline.min(record.ends);
    Ok(native::seal(key, &mut record, data, deadline, true))
}

/// What a log-out leaves in the native layout while sessions are still moved there.
pub(crate) fn ended(key: &StoreKey, now: Timestamp, deadline: Timestamp) -> Entry {
    native::encode_ended(key, now, deadline)
}

/// What a log-out leaves that finds its session gone and does not see where: whoever was about to say where it went is
/// told by this that it has ended. Only where a tombstone is not in the session's own place.
pub(crate) fn destroyed(deadline: Timestamp) -> Entry {
    flask::encode_destroyed(deadline)
}
