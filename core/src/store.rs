//! What a store must do.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Timestamp;
use crate::id::StoreKey;

/// A place that keeps sessions: bytes in, bytes out, under conditions.
///
/// A store does not know what a session is. It keeps an [`Entry`] under a [`StoreKey`] and changes it only under the
/// condition that the caller states, in one atomic step a call. All the promises of this library about requests that
/// overlap stand on these rules; `anysession-testkit` checks each of them, under the name in brackets.
///
/// **Writing**
/// - There is no unconditional write: [`put`](Self::put) either creates (and answers [`Write::Conflict`] if the key is
///   taken) or replaces exactly the version that the caller read (`create_is_refused_if_the_key_is_taken`,
///   `update_is_refused_at_another_version`).
/// - A key that was deleted stays deleted: `put` with a version answers `Conflict`
///   (`update_never_brings_a_deleted_key_back`).
/// - An entry whose deadline is at or before `now` counts as absent in `put` and `touch`: nothing revives it, and its
///   key can be created anew (`nothing_revives_an_expired_entry`).
/// - Every `put` that is done gives the entry a version that it never had before; `touch` does not change the version
///   (`every_write_makes_a_new_version`, `touch_keeps_the_version`).
/// - Of several writers that name the same version exactly one is done (`one_of_many_writers_wins`).
/// - What is done is visible to every later `load`, from any process that shares the store.
///
/// **Failing**
/// - A verb whose outcome is unknown (time-out, lost connection) returns an error. The store never sends it again by
///   itself: it may have been carried out.
/// - Bytes that this store did not write are an error or absent, never a panic; what they mean is not judged here.
///
/// **Time** is always handed in and never asked for, so that every process and the store itself agree on it.
///
/// **Users.** An entry may name a user. The index behind [`keys_of_user`](Self::keys_of_user) may hold keys too many
/// (whoever reads it loads the entry, and the entry decides), but never too few: a key is added before `put`
/// answers, and it is pruned only when its entry is absent.
///
/// There are no default methods: a store that wraps another one forwards all six.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The entry under `key`, with its version, or `None`. An entry whose deadline has passed may still be returned:
    /// the caller judges it.
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError>;

    /// Writes `entry` under `key` if what is there is what `expect` says; otherwise changes nothing and answers
    /// [`Write::Conflict`]. Payload, deadline and user are all replaced.
    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError>;

    /// Moves the deadline of the entry at exactly this version to `deadline`, if that is later than the one it has. It
    /// never creates, never changes the version, never shortens, and has no effect when the version moved on.
    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Deletes the entry if it is at exactly this version; otherwise, also if there is none, answers
    /// [`Deletion::Conflict`].
    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError>;

    /// Keys of entries that name this user, in no particular order; some of them may be gone or belong to nobody.
    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError>;

    /// Deletes entries whose deadline is at or before `before`, at most `limit` of them, each under the condition that
    /// it is still expired at that moment, and says how many; fewer than `limit` means that none are left. A store that
    /// expires entries by itself answers 0.
    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}

/// What a store keeps under one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Opaque to the store. The core's has no spare capacity, so a store in memory may keep it as it is.
    pub payload: Bytes,
    /// From this time on the entry counts as absent.
    pub deadline: Timestamp,
    /// Whose entry it is, for [`Store::keys_of_user`].
    pub user: Option<Arc<str>>,
}

/// Prints no byte of the payload: sessions hold what logs should not.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("deadline", &self.deadline)
            .field("user", &self.user)
            .finish()
    }
}

/// An entry as it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What is there.
    pub entry: Entry,
    /// Its version, to be named when it is written or deleted.
    pub version: Version,
}

/// Which state of an entry this is. Opaque outside the store that made it: a store may count its writes
/// ([`Version::from`] a `u64`) or keep or hash the bytes themselves ([`Version::from_bytes`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(VersionRepr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum VersionRepr {
    Number(u64),
    Bytes(Bytes),
}

impl Version {
    /// A version that is known by its bytes.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Version(VersionRepr::Bytes(bytes))
    }

    /// The number that this version was made from, `None` if it was made from bytes.
    pub fn as_number(&self) -> Option<u64> {
        match self.0 {
            VersionRepr::Number(number) => Some(number),
            VersionRepr::Bytes(_) => None,
        }
    }

    /// The bytes that this version was made from, `None` if it was made from a number.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            VersionRepr::Number(_) => None,
            VersionRepr::Bytes(bytes) => Some(bytes),
        }
    }
}

impl From<u64> for Version {
    fn from(number: u64) -> Self {
        Version(VersionRepr::Number(number))
    }
}

/// A version made of bytes may be the session itself, so only its length is printed.
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            VersionRepr::Number(number) => write!(f, "Version({number})"),
            VersionRepr::Bytes(bytes) => write!(f, "Version({} bytes)", bytes.len()),
        }
    }
}

/// What a [`Store::put`] requires of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no entry, or only one whose deadline has passed.
    Absent,
    /// The entry is there, alive, and at this version.
    Version(Version),
}

/// What became of a [`Store::put`].
#[must_use = "a conflict means that nothing was written"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Written; the entry now has this version.
    Done(Version),
    /// Nothing was written: the key was not as expected.
    Conflict,
}

/// What became of a [`Store::delete`].
#[must_use = "a conflict means that nothing was deleted"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Deleted.
    Done,
    /// Nothing was deleted: the key is absent or at another version.
    Conflict,
}

/// A verb of a store failed. If it was a writing verb, it may have been carried out all the same, unless the error
/// [is that the store is full](Self::is_full).
#[derive(Debug, thiserror::Error)]
#[error("{store} store: {operation} failed")]
pub struct StoreError {
    store: &'static str,
    operation: &'static str,
    full: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// An error of the store called `store` while it did `operation`.
    pub fn new(
        store: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        StoreError {
            store,
            operation,
            full: false,
            source: source.into(),
        }
    }

    /// The store has no room: nothing was written, and what it holds is untouched.
    pub fn full(
        store: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        StoreError {
            full: true,
            ..Self::new(store, operation, source)
        }
    }

    /// Which kind of store failed, for example `filesystem`.
    pub fn store(&self) -> &'static str {
        self.store
    }

    /// Which verb failed, for example `load`.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether it failed because the store has no room. Nothing was written then.
    pub fn is_full(&self) -> bool {
        self.full
    }
}
