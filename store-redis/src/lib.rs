//! Sessions of [`anysession`] in Redis, or in a server that speaks its language, such as Valkey: in one server, behind
//! Sentinels, or in a Cluster. It needs Redis 6.2 or later.
//!
//! ```no_run
//! use anysession::{Location, Store};
//! use anysession_redis::{RedisOptions, RedisStore};
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! // By configuration, where the application lists `anysession_redis::DRIVER` among its drivers: SESSION_TYPE=redis,
//! // SESSION_URL=redis://:password@cache:6379/0?prefix=shop:
//! let location = Location::parse("redis://:password@cache:6379/0?prefix=shop:");
//! let store = (anysession_redis::DRIVER.connect)(location).await?;
//! // Or in code, on a client that the application has.
//! let client = redis::Client::open("redis://cache/0")?;
//! let store = RedisStore::from_client(client, RedisOptions::default().with_prefix("shop:")).await?;
//! # Ok(()) }
//! ```
//!
//! # Where
//!
//! | URL | opens |
//! | --- | --- |
//! | `redis://user:password@host:6379/0` | one server, and its database 0; user, password, port and database may be left away |
//! | `rediss://…` | the same through TLS |
//! | `unix:///run/redis/redis.sock`, `redis+unix://…` | a Unix socket, with `user:password@` before the path if need be |
//! | `redis-cluster://host1,host2:7000`, `rediss-cluster://…` | a Cluster, of which some nodes are named |
//! | `redis-sentinel://host1,host2:26379/service/0`, `rediss-sentinel://…` | the master of a service, which Sentinels name; user and password are the master's |
//!
//! In a user or a password, `:`, `/`, `?`, `#`, `@`, `,`, `[`, `]` and `%` are percent-encoded.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `prefix` | `anysession:` | what all keys begin with: one for each application that shares a server |
//! | `timeout` | `2s` | how long a command may take: `500ms`, `2s`, `1m` or whole seconds, up to an hour |
//! | `connect_timeout` | `1s` | how long it may take to find the server and sign in |
//! | `durability` | `acknowledged` | or `replicated`: [`Durability`] |
//! | `database` | `0` | of a Unix socket, whose URL has no other place for it |
//! | `ca` | those of the system | a file in PEM: the authorities whose certificates are trusted |
//! | `cert`, `key` | none | files in PEM: the certificate that the server asks for, and its key |
//! | `sentinel_user`, `sentinel_password` | none | for the Sentinels themselves |
//!
//! # What is stored
//!
//! | key | type | holds | removed by Redis |
//! | --- | --- | --- | --- |
//! | `anysession:session:` and 64 digits | string | a header of 21 bytes, with a user 8 more and the user, and then the payload | five minutes after the deadline |
//! | `anysession:user:` and 32 digits | sorted set | the keys of a user's sessions, by deadline | five minutes after the last deadline |
//!
//! The digits are hashes, so no name depends on what a visitor or a user is called. A session of 300 bytes takes about
//! 590 bytes of memory in all (Redis 7.0), the index of a user 250, and some 70 for each further session in it. Nothing
//! looks through keys (`KEYS`, `SCAN`), listens to events or asks for the server's time, so other things may be in the same
//! database.
//!
//! To a server, or to the master behind Sentinels, a store keeps one connection for each tokio runtime that uses it, which all
//! tasks of that runtime share: one in all under axum, Poem and Rocket, one a worker under actix-web, whose workers have
//! runtimes of their own. With `replicated` there is a second one, for writes that wait.
//!
//! # What it promises
//!
//! - **One round trip a verb.** Reading is a `GET`, creating a `SET` with `NX`; replacing, touching and deleting are one script
//!   each, on one key. The index of a user follows in the same packet. Three exceptions: in a Cluster a session that gets its
//!   user, as at a log-in, takes two, because the index is on another node and must not be ahead; creating takes two where
//!   the key is taken, which no new id meets; and listing a user's sessions takes two, or three if some of them are gone.
//! - **The record and the application's clock decide.** The time by which a session has ended is handed in. The clock of the
//!   server only frees memory, five minutes late, so one that is off by less changes no answer.
//! - **An outage costs bounded time.** A verb ends within `connect_timeout` and `timeout` together (twice the `timeout` with
//!   `replicated`), however many wait; a write to a server that has forgotten the script, or to a key that is taken, may
//!   take both twice. The first one after the outage connects again.
//! - **Nothing is sent twice.** A command whose answer did not come may have been carried out: it is an error, and so is
//!   the next one on a connection that broke. A command is sent again if the server said that it did not run it: because it
//!   did not know the script, or because the key is on another node. A connection that did not answer in time is given
//!   up, with all answers that it still owes.
//! - **A full server loses nothing** under the policy `noeviction`: a write that finds no room is
//!   [an error that says so](anysession::StoreError::is_full). Other policies end sessions before their time.
//!
//! # Cluster and Sentinel
//!
//! Every command concerns one key, so that any number of nodes will do, and slots may move while sessions are in use.
//! Only masters are asked, since a replica may not have heard of a log-out yet. Behind Sentinels the master is asked for
//! whenever there is no connection, and whenever the one that is there turns out to be a replica.
//!
//! Replication is asynchronous: a failover may undo what the old master had answered just before, and so bring a session
//! back that was ended, or an id that was replaced. [`Durability::Replicated`] is for those who cannot accept that. Then the
//! error of a write says that it may be undone; it is not said of reads, which may see a write that no replica has yet.
//!
//! # In Flask's layout
//!
//! With `SESSION_LAYOUT=flask` a session is the bare value of Flask-Session's under `SESSION_KEY_PREFIX` and the id, with the
//! expiry of the key, and nothing else; the option `prefix` means nothing then. Each verb is one command on one key; what it
//! replaces, a script compares itself. Beside it, `anysession:replaced:` and 64 digits tells for an hour where a session went whose id
//! this library replaced. Before Redis 7 the expiry is reckoned by the server's clock, and is off by as much.

mod address;
mod certificates;
mod driver;
mod error;
mod flask;
mod index;
mod link;
mod names;
mod node;
mod open;
mod options;
mod reconnecting;
mod record;
mod scripts;
mod sentinel;
mod store;
mod version;

pub use driver::DRIVER;
pub use error::OpenError;
pub use options::{Durability, RedisOptions};
pub use store::RedisStore;
