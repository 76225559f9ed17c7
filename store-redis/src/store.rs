//! The store: its verbs, each a script on one key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use redis::aio::ConnectionManager;
use redis::cluster::ClusterClientBuilder;
use redis::{Client, Value};

use crate::error::{Failure, OpenError, Secrets};
use crate::index;
use crate::link::{Link, Order};
use crate::names::Names;
use crate::options::{Durability, RedisOptions};
use crate::reconnecting::{Patience, Source};
use crate::record::{self, Deadline};
use crate::scripts;
use crate::sentinel::Sentinels;
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
    /// On the server of a client of the application. It makes connections of its own, which it replaces when they break.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses to talk.
    pub async fn from_client(client: Client, options: RedisOptions) -> Result<Self, OpenError> {
        Self::reconnecting(|| Source::Server(client.clone()), options).await
    }

    /// On a managed connection of the application, which it goes on sharing.
    ///
    /// How long it takes until it reconnects is the application's to configure; a verb is given up after both timeouts of
    /// the options all the same. With [`Durability::Replicated`] everybody on this connection waits for replicas.
    ///
    /// # Errors
    ///
    /// When the server refuses to talk.
    pub async fn from_manager(
        manager: ConnectionManager,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let link = Link::Manager(manager);
        Self::open(link.clone(), Some(link), options).await
    }

    /// On a Cluster, with the nodes, credentials and certificates of this builder, and the timeouts of the options.
    ///
    /// It takes no connection that is there already: the client's own sends a write again when its answer does not come,
    /// although it may have been carried out.
    ///
    /// # Errors
    ///
    /// When no node can be reached, or they refuse to talk.
    pub async fn from_cluster(
        builder: ClusterClientBuilder,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let within = options.connect_timeout;
        let client = builder
            .connection_timeout(within)
            .response_timeout(options.longest_answer())
            .overall_response_timeout(None)
            // Of what was never carried out: see `Node`.
            .retries(8)
            .min_retry_wait(10)
            .max_retry_wait(200)
            .build();
        let connecting = async {
            let client = client?;
            let link = Link::to_cluster(&client).await?;
            let waiting = match options.durability {
                Durability::Acknowledged => None,
                Durability::Replicated => Some(Link::to_cluster(&client).await?),
            };
            Ok((link, waiting))
        };
        let (link, waiting) = match tokio::time::timeout(within, connecting).await {
            Ok(Ok(links)) => links,
            Ok(Err(error)) => {
                return Err(Failure::connecting(&error, &Secrets::default()).into());
            }
            Err(_) => return Err(Failure::NotConnected { within }.into()),
        };
        Self::open(link, waiting, options).await
    }

    /// On whichever server the Sentinels call the master.
    pub(crate) async fn from_sentinels(
        sentinels: Sentinels,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        Self::reconnecting(|| Source::Sentinels(sentinels.clone()), options).await
    }

    async fn reconnecting(
        source: impl Fn() -> Source,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let patience = Patience {
            connect: options.connect_timeout,
            answer: options.timeout,
        };
        let link = Link::to(source(), patience);
        let waiting = Patience {
            answer: options.longest_answer(),
            ..patience
        };
        let waiting = Link::to(source(), waiting);
        Self::open(link, Some(waiting), options).await
    }

    async fn open(
        link: Link,
        waiting: Option<Link>,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let waiting = waiting.filter(|_| options.durability == Durability::Replicated);
        let store = RedisStore(Arc::new(Inner {
            link,
            waiting,
            names: Names::new(options.prefix.clone()),
            versions: Versions::default(),
            options,
        }));
        // A server that wants a password, or cannot be read, is found out now and not by the first visitor.
        let probe = StoreKey::from_bytes(&[0; 32]).unwrap_or_else(|| unreachable!("32 bytes"));
        match store.within_patience(store.get(&probe)).await {
            Ok(_) => Ok(store),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn bounded<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let done = self.within_patience(work).await;
        done.map_err(|failure| failure.during(operation))
    }

    /// The parts of a verb have limits of their own; this is the one that holds whatever the client does.
    async fn within_patience<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Failure::NoRuntime);
        }
        let options = &self.0.options;
        let limit = options.connect_timeout + options.longest_answer();
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or(Err(Failure::NoAnswer))
    }

    async fn get(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        let name = self.0.names.record(key);
        let mut command = redis::cmd("GET");
        command.arg(&name);
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
        let names = &self.0.names;
        let expected = match expect {
            Expect::Absent => None,
            Expect::Version(version) => match Stamp::of(version) {
                Some(stamp) => Some(stamp),
                None => return Ok(Write::Conflict),
            },
        };
        let version = self.0.versions.draw(key, now);
        let before = expected.as_ref().and_then(|stamp| stamp.owner.as_ref());
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
        let replaced = expected.as_ref().map(|stamp| &stamp.version);
        let put = scripts::put(names.record(key), replaced, now, &record, deadline);
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

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.bounded("load", self.get(key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        self.bounded("put", self.write(key, &expect, &entry, now))
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
        self.bounded("touch", link.run(touch, indexed, None))
            .await?;
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let Some(stamp) = Stamp::of(version) else {
            return Ok(Deletion::Conflict);
        };
        let (link, wait) = self.0.durable();
        let delete = scripts::delete(self.0.names.record(key), &stamp.version);
        match self.bounded("delete", link.run(delete, None, wait)).await? {
            true => Ok(Deletion::Done),
            false => Ok(Deletion::Conflict),
        }
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let listing = index::list(&self.0.link, &self.0.names, user);
        self.bounded("keys_of_user", listing).await
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
