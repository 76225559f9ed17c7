//! The store: its verbs, carried from async code to blocking threads.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;

use crate::driver::NAME;
use crate::error::{Failure, OpenError};
use crate::verbs::Files;

/// Sessions in the files of one directory, which any number of processes may share.
///
/// Clones share the open directory. Its verbs run on the blocking threads of the tokio runtime that calls them.
#[derive(Clone)]
pub struct FsStore(Arc<Files>);

/// What a loss of power may take. A process that is killed loses nothing that was answered, in either case, and nobody
/// ever reads half a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// What was answered is on the disk: a session is there after a loss of power, and one that was deleted stays
    /// deleted. A new deadline alone may be lost.
    #[default]
    Full,
    /// The operating system writes when it likes. A loss of power may take the sessions, and bring back the deletions,
    /// of the last half minute or so; a file that it damages is seen by its checksum and counts as no session. A session
    /// from that time that is left may be missing among those of its user until it is written again.
    Relaxed,
}

impl FsStore {
    /// Opens a directory with [`Durability::Full`]; makes it if only its last folder is missing.
    ///
    /// It is refused unless it belongs to the user of this process and nobody else may enter it, and unless it is empty
    /// or a session store already. This is the one call that blocks the thread that makes it.
    ///
    /// ```
    /// use anysession::{Entry, Expect, Store, StoreKey, Timestamp};
    /// use anysession_fs::FsStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("sessions");
    /// let store = FsStore::open(path)?;
    /// let key = StoreKey::from_bytes(&[7; 32]).ok_or("not a key")?;
    /// let now = Timestamp::from_millis(1_000);
    /// let entry = Entry { payload: "data".into(), deadline: Timestamp::from_millis(9_000), user: None };
    /// let _done = store.put(&key, Expect::Absent, entry.clone(), now).await?;
    /// assert_eq!(store.load(&key).await?.map(|stored| stored.entry), Some(entry));
    /// # Ok(()) }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, Durability::Full)
    }

    /// Opens a directory like [`open`](Self::open), with a choice of durability. Processes that share a directory may
    /// choose differently: each promises what it wrote itself.
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> Result<Self, OpenError> {
        Ok(FsStore(Arc::new(Files::open(path.as_ref(), durability)?)))
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Files) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = Arc::clone(&self.0);
        on_a_blocking_thread(operation, move || work(&files)).await
    }
}

pub(crate) async fn on_a_blocking_thread<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|error| StoreError::new(NAME, operation, Failure::NoRuntime(error)))?;
    let span = tracing::Span::current();
    runtime
        .spawn_blocking(move || span.in_scope(work))
        .await
        .unwrap_or_else(|error| Err(Failure::NoAnswer(error)))
        .map_err(|failure| match failure.is_full() {
            true => StoreError::full(NAME, operation, failure),
            false => StoreError::new(NAME, operation, failure),
        })
}

#[async_trait]
impl Store for FsStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = key.clone();
        self.run("load", move |files| files.load(&key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let key = key.clone();
        self.run("put", move |files| files.put(&key, &expect, &entry, now))
            .await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, version) = (key.clone(), version.clone());
        self.run("touch", move |files| {
            files.touch(&key, &version, deadline, now)
        })
        .await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let (key, version) = (key.clone(), version.clone());
        self.run("delete", move |files| files.delete(&key, &version))
            .await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let user = user.to_owned();
        self.run("keys_of_user", move |files| files.keys_of_user(&user))
            .await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.run("delete_expired", move |files| {
            files.delete_expired(before, limit)
        })
        .await
    }
}

impl fmt::Debug for FsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsStore")
            .field("path", &self.0.path())
            .field("durability", &self.0.durability)
            .finish()
    }
}
