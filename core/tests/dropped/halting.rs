//! A store that answers nothing at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anysession::{
    Deletion, Entry, Expect, MemoryStore, Store, StoreError, StoreKey, Stored, Timestamp, Version,
    Write,
};
use async_trait::async_trait;

/// A store whose every verb is pending once before and once after it is carried out.
#[derive(Debug)]
pub(crate) struct Halting(pub(crate) MemoryStore);

impl Halting {
    async fn call<T>(&self, verb: impl Future<Output = T>) -> T {
        Halt(false).await;
        let answer = verb.await;
        Halt(false).await;
        answer
    }
}

/// Is pending once.
struct Halt(bool);

impl Future for Halt {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[async_trait]
impl Store for Halting {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.call(self.0.load(key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        self.call(self.0.put(key, expect, entry, now)).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(self.0.touch(key, version, deadline, now)).await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        self.call(self.0.delete(key, version)).await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        self.call(self.0.keys_of_user(user)).await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.call(self.0.delete_expired(before, limit)).await
    }
}
