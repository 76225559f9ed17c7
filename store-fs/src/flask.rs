//! The sessions of a Flask application in files, as cachelib's `FileSystemCache` keeps them with its `JSONSerializer`.
//!
//! A file is called by the hash of the session's name, and holds its end, in seconds since 1970 as 32 bits in the order of
//! the machine, and then the value. The hash is MD5 up to cachelib 0.15 and SHA-256 from 0.16 on; a session stays under the
//! name under which it was found.
//!
//! What this store writes, it writes under a lock, and only over what it expects to find. Flask does not know that lock, so
//! the new file and the old one swap their names, and if it was not the expected one that came out, they swap them back.
//! Lock files and temporary files have the ending by which cachelib leaves them out.

mod file;
mod hash;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anysession::flask::{Flask, name_of, no_users};
use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;

use crate::driver::NAME;
use crate::error::{Failure, OpenError};
use crate::store::Durability;
use file::Files;
pub(crate) use hash::Hash;

/// Sessions in files as Flask-Session keeps them.
pub(crate) struct FlaskStore {
    files: Arc<Files>,
    prefix: String,
}

impl FlaskStore {
    /// `hash` is for new sessions; `None`: as the one that was met last, else SHA-256.
    pub(crate) fn open(
        path: &Path,
        flask: &Flask,
        hash: Option<Hash>,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        Ok(FlaskStore {
            files: Arc::new(Files::open(path, hash, durability)?),
            prefix: flask.key_prefix().to_owned(),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Files) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = Arc::clone(&self.files);
        crate::store::on_a_blocking_thread(operation, move || work(&files)).await
    }
}

#[async_trait]
impl Store for FlaskStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let name = name_of(&self.prefix, key);
        self.run("load", move |files| files.load(&name)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let name = name_of(&self.prefix, key);
        self.run("put", move |files| files.put(&name, &expect, &entry, now))
            .await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (name, version) = (name_of(&self.prefix, key), version.clone());
        self.run("touch", move |files| {
            files.touch(&name, &version, deadline, now)
        })
        .await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let (name, version) = (name_of(&self.prefix, key), version.clone());
        self.run("delete", move |files| files.delete(&name, &version))
            .await
    }

    async fn keys_of_user(&self, _: &str) -> Result<Vec<StoreKey>, StoreError> {
        Err(no_users(NAME))
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.run("delete_expired", move |files| {
            files.delete_expired(before, limit)
        })
        .await
    }
}

impl fmt::Debug for FlaskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskStore")
            .field("files", &self.files)
            .field("prefix", &self.prefix)
            .finish()
    }
}
