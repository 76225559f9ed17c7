//! The sessions of a Flask application in Redis: the bare value under the prefix and the id, which expires with its key.
//!
//! A version is the value itself, so that whoever writes beside this store need not know of it. What no cookie may
//! reach lies under a name of another kind, and holds a tombstone.

mod scripts;

use std::fmt;
use std::pin::pin;

use anysession::flask::{Flask, name_of, no_users};
use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;

use crate::driver::NAME;
use crate::error::Failure;
use crate::store::RedisStore;

/// Sessions in Redis as Flask-Session keeps them.
pub(crate) struct FlaskStore {
    /// The way there.
    redis: RedisStore,
    prefix: String,
}

impl FlaskStore {
    pub(crate) fn new(redis: RedisStore, flask: &Flask) -> Self {
        FlaskStore {
            redis,
            prefix: flask.key_prefix().to_owned(),
        }
    }

    async fn write(
        &self,
        key: &StoreKey,
        expect: &Expect,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let name = name_of(&self.prefix, key);
        let (link, wait) = self.redis.durable();
        match expect {
            Expect::Version(version) => match version.as_bytes() {
                Some(expected) => {
                    let replace = scripts::replace(name, expected, now, entry);
                    link.run(replace, None, wait).await
                }
                None => Ok(false),
            },
            Expect::Absent => {
                let begin = scripts::begin(name.clone(), entry);
                if link.run(begin, None, wait).await? {
                    return Ok(true);
                }
                // No new id meets that. In a box: every write would carry its room.
                let create = scripts::create(name, now, entry);
                Box::pin(link.run(create, None, wait)).await
            }
        }
    }

    async fn get(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        let answer = self
            .redis
            .link()
            .ask(&scripts::load(name_of(&self.prefix, key)))
            .await?;
        let Value::Array(answer) = answer else {
            return Err(Failure::Unexpected { command: "EVALSHA" });
        };
        let (payload, deadline) = match <[Value; 2]>::try_from(answer) {
            Ok([Value::Nil, _]) => return Ok(None),
            Ok([Value::BulkString(payload), Value::Int(deadline)]) => (payload, deadline),
            _ => return Err(Failure::Unexpected { command: "EVALSHA" }),
        };
        let payload = Bytes::from(payload);
        let deadline = u64::try_from(deadline).map_or(Timestamp::MAX, Timestamp::from_millis);
        Ok(Some(Stored {
            version: Version::from_bytes(payload.clone()),
            entry: Entry {
                payload,
                deadline,
                user: None,
            },
        }))
    }
}

#[async_trait]
impl Store for FlaskStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.redis.exchanged("load", pin!(self.get(key))).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let writing = pin!(self.write(key, &expect, &entry, now));
        match self.redis.exchanged("put", writing).await? {
            true => Ok(Write::Done(Version::from_bytes(entry.payload.clone()))),
            false => Ok(Write::Conflict),
        }
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(bytes) = version.as_bytes() else {
            return Ok(());
        };
        let touch = scripts::touch(name_of(&self.prefix, key), bytes, now, deadline);
        let touch = pin!(self.redis.link().run(touch, None, None));
        self.redis.exchanged("touch", touch).await.map(drop)
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let Some(bytes) = version.as_bytes() else {
            return Ok(Deletion::Conflict);
        };
        let delete = scripts::delete(name_of(&self.prefix, key), bytes);
        let (link, wait) = self.redis.durable();
        let delete = pin!(link.run(delete, None, wait));
        match self.redis.exchanged("delete", delete).await? {
            true => Ok(Deletion::Done),
            false => Ok(Deletion::Conflict),
        }
    }

    async fn keys_of_user(&self, _: &str) -> Result<Vec<StoreKey>, StoreError> {
        Err(no_users(NAME))
    }

    /// Redis removes them itself.
    async fn delete_expired(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

/// Tells nothing about where it is: an address may hold a password.
impl fmt::Debug for FlaskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskStore")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
