//! The store: its verbs, each on one key.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use redis::{Cmd, Value};

use crate::error::Failure;
use crate::index;
use crate::link::{Link, Order};
use crate::names::Names;
use crate::options::{Durability, RedisOptions};
use crate::record::{self, Deadline};
use crate::scripts;
use crate::version::{Owner, Stamp, Versions};

/// Sessions in Redis, which any number of processes may share.
///
/// Clones share the connection. It is for use inside a tokio runtime.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    link: Link,
    /// For writes that wait for a replica, so that nothing else waits behind them.
    waiting: Option<Link>,
    names: Names,
    versions: Versions,
    options: RedisOptions,
}

/// Where a record is to be written.
enum Place {
    /// Where there is none.
    Free,
    /// Where there is none, or one that has expired.
    Over,
    /// In the place of one that is in this state.
    At(Stamp),
}

impl Inner {
    /// The way of a write that is to last, and how long it waits for a replica.
    fn durable(&self) -> (&Link, Option<Duration>) {
        match &self.waiting {
            Some(waiting) => (waiting, Some(self.options.timeout)),
            None => (&self.link, None),
        }
    }
}

impl RedisStore {
    pub(crate) fn new(link: Link, waiting: Option<Link>, options: RedisOptions) -> Self {
        RedisStore(Arc::new(Inner {
            link,
            waiting: waiting.filter(|_| options.durability == Durability::Replicated),
            names: Names::new(options.prefix.clone()),
            versions: Versions::default(),
            options,
        }))
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    /// The way of a write that is to last, and how long it waits for a replica.
    pub(crate) fn durable(&self) -> (&Link, Option<Duration>) {
        self.0.durable()
    }

    /// A server that wants a password, or cannot be read, is found out by this and not by the first visitor.
    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        let key = StoreKey::from_bytes(&[0; 32]).unwrap_or_else(|| unreachable!("32 bytes"));
        self.within_patience(pin!(self.get(&key))).await.map(drop)
    }

    /// What is one exchange with the server. On a connection of ours both its parts have limits: another timer for each
    /// verb would cost as much as all the rest of the store.
    pub(crate) async fn exchanged<T, Work>(
        &self,
        operation: &'static str,
        work: Pin<&mut Work>,
    ) -> Result<T, StoreError>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        let done = match &self.0.link {
            Link::Server(_) => work.await,
            Link::Manager(_) | Link::Cluster(_) => self.within_patience(work).await,
        };
        done.map_err(|failure| failure.during(operation))
    }

    /// The limit that holds whatever the client does, and however many exchanges there are.
    async fn within_patience<T, Work>(&self, work: Pin<&mut Work>) -> Result<T, Failure>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        if !is_in_runtime() {
            return Err(Failure::NoRuntime);
        }
        let options = &self.0.options;
        let limit = options.connect_timeout + options.longest_answer();
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or(Err(Failure::NoAnswer))
    }

    async fn get(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        let name = self.0.names.record(key);
        let mut command = Cmd::with_capacity(2, "GET".len() + name.len());
        command.arg("GET").arg(&name);
        match self.0.link.send(&name, &command).await? {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => {
                let stored = record::decode(bytes);
                if stored.is_none() {
                    tracing::warn!(
                        key = name,
                        "not a session record of this release: treated as no session, and left as it is"
                    );
                }
                Ok(stored)
            }
            _ => Err(Failure::Unexpected { command: "GET" }),
        }
    }

    async fn write(
        &self,
        key: &StoreKey,
        expect: &Expect,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        if let Expect::Version(version) = expect {
            return match Stamp::of(version) {
                Some(stamp) => self.put_if(key, &Place::At(stamp), entry, now).await,
                None => Ok(Write::Conflict),
            };
        }
        match self.put_if(key, &Place::Free, entry, now).await? {
            // No new id meets that. In a box: every write would carry its room.
            Write::Conflict => Box::pin(self.put_if(key, &Place::Over, entry, now)).await,
            done => Ok(done),
        }
    }

    async fn put_if(
        &self,
        key: &StoreKey,
        place: &Place,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let names = &self.0.names;
        let version = self.0.versions.draw(key, now);
        let before = match place {
            Place::At(stamp) => stamp.owner.as_ref(),
            Place::Free | Place::Over => None,
        };
        let owner = entry.user.as_deref().map(|user| {
            let anew = Owner::new(version, user.as_bytes());
            match before.filter(|owner| owner.digest == anew.digest) {
                Some(owner) => owner.clone(),
                None => anew,
            }
        });
        let stamp = Stamp { version, owner };
        let record = record::encode(&stamp, entry).ok_or_else(|| Failure::UserTooLong {
            size: entry.user.as_deref().map_or(0, str::len),
        })?;
        let deadline = Deadline::from(entry.deadline);
        let name = names.record(key);
        let put = match place {
            Place::Free => scripts::begin(name, &record, deadline),
            Place::Over => scripts::create(name, now, &record, deadline),
            Place::At(stamp) => scripts::replace(name, &stamp.version, now, &record, deadline),
        };
        let indexed = stamp.owner.as_ref().map(|owner| {
            // A new entry must not be seen before its record: who reads the index would take it for one too many. One
            // that is there already only gets its new deadline.
            let order = match before == Some(owner) {
                true => Order::Any,
                false => Order::Matters,
            };
            (index::add(names, key, owner, deadline, now), order)
        });
        let (link, wait) = self.0.durable();
        match link.run(put, indexed, wait).await? {
            true => Ok(Write::Done(stamp.into())),
            false => Ok(Write::Conflict),
        }
    }
}

fn is_in_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.exchanged("load", pin!(self.get(key))).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        self.exchanged("put", pin!(self.write(key, &expect, &entry, now)))
            .await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(stamp) = Stamp::of(version) else {
            return Ok(());
        };
        let Inner { link, names, .. } = &*self.0;
        let deadline = Deadline::from(deadline);
        let touch = scripts::touch(names.record(key), &stamp.version, now, deadline);
        let indexed = (stamp.owner.as_ref())
            .map(|owner| (index::add(names, key, owner, deadline, now), Order::Any));
        self.exchanged("touch", pin!(link.run(touch, indexed, None)))
            .await?;
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let Some(stamp) = Stamp::of(version) else {
            return Ok(Deletion::Conflict);
        };
        let (link, wait) = self.0.durable();
        let delete = scripts::delete(self.0.names.record(key), &stamp.version);
        let delete = pin!(link.run(delete, None, wait));
        match self.exchanged("delete", delete).await? {
            true => Ok(Deletion::Done),
            false => Ok(Deletion::Conflict),
        }
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let listing = index::list(&self.0.link, &self.0.names, user);
        let listed = self.within_patience(pin!(listing)).await;
        listed.map_err(|failure| failure.during("keys_of_user"))
    }

    /// Redis removes them itself.
    async fn delete_expired(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

/// Tells nothing about where it is: an address may hold a password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
