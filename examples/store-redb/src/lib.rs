//! Sessions in one redb file, which several processes may share: the example of CONTRIBUTING.md, "Write a store".
//!
//! Every write waits for its turn and for the disk. After an I/O error redb refuses to go on until it is opened anew.

mod driver;
mod verbs;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use redb::backends::FileBackend;
use redb::{Builder, ConcurrencyMode, Database};

pub use driver::DRIVER;

/// Sessions in a redb file. Its verbs run on the blocking threads of the tokio runtime that calls them.
#[derive(Debug)]
pub struct RedbStore(Arc<Database>);

impl RedbStore {
    /// Opens the file, which only its owner may read; makes it if there is none. Blocks the thread.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no redb database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, redb::Error> {
        let mut options = File::options();
        options.read(true).write(true).create(true).mode(0o600);
        let database = Builder::new()
            .set_concurrency_mode(ConcurrencyMode::MultiWriter)
            .set_cache_size(16 << 20)
            .create_with_backend(FileBackend::new(options.open(path)?)?)?;
        verbs::make_tables(&database)?;
        Ok(RedbStore(Arc::new(database)))
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        verb: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.0);
        let result = tokio::task::spawn_blocking(move || verb(&database)).await;
        match result {
            Ok(done) => done.map_err(|error| StoreError::new(driver::NAME, operation, error)),
            Err(error) => Err(StoreError::new(driver::NAME, operation, error)),
        }
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = *key;
        self.run("load", move |db| verbs::load(db, &key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let key = *key;
        self.run("put", move |db| verbs::put(db, &key, &expect, entry, now))
            .await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, version) = (*key, version.clone());
        let verb = move |db: &Database| verbs::touch(db, &key, &version, deadline, now);
        self.run("touch", verb).await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let (key, version) = (*key, version.clone());
        self.run("delete", move |db| verbs::delete(db, &key, &version))
            .await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let user = user.to_owned();
        self.run("keys_of_user", move |db| verbs::keys_of_user(db, &user))
            .await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let verb = move |db: &Database| verbs::delete_expired(db, before, limit);
        self.run("delete_expired", verb).await
    }
}
