//! Server-side sessions for Rust web frameworks: one core, any framework, any store.
//!
//! This crate is the core. An application depends on it through an adapter (`anysession-axum`, …) and adds the stores that it
//! wants (`anysession-fs`, …); a store in memory is here.
//!
//! | I want to | look at |
//! | --- | --- |
//! | read and write a session in a handler | [`Session`], [`Key`] |
//! | sign users in and out, list and end their sessions | [`Session::log_in`], [`Session::destroy`], [`Session::sessions`] |
//! | configure | [`Config`], [`Preset`] |
//! | choose a store at run time | [`Drivers`] |
//! | share live sessions with a Flask application, or leave it | [`flask`] |
//! | write a store | [`Store`] |
//! | write an adapter | [`Sessions::guard`], [`Guard`], [`Respond`], [`Slot`] |
//!
//! # What is promised when requests overlap
//!
//! 1. **No lost update.** Changes are operations by key. They are written at the version that was loaded, and made again on the
//!    newest record if another request was faster. Two requests that set different keys keep both; [`Session::update`]
//!    never loses an increment; of two [`insert`](Session::insert)s of one key the later save wins.
//! 2. **A dead session stays dead.** Destroyed, expired or revoked: a request still in flight cannot bring it back, under
//!    its old id or a new one, and its late response carries no session cookie.
//! 3. **One live id.** After [`log_in`](Session::log_in) or [`regenerate_id`](Session::regenerate_id) the old id is dead for
//!    new requests at once, and requests that still carry it cannot overwrite the new cookie.
//! 4. **An id that the store does not know is never adopted.**
//! 5. **A failed request changes nothing**: a 5xx, a 408, an error without a response, a panic, a connection that is dropped
//!    before the commit. What counts is the response that is sent. Only [`destroy`](Session::destroy) is carried out all
//!    the same, and what [`save`](Session::save) has stored stays.
//! 6. **A store error is not "no session".** It is answered with 503, and nothing is written.
//!
//! What cannot be promised: two responses that each set a cookie may reach the browser in the other order. It then holds
//! the id of the older one, which is dead, and the visitor has to sign in again.
//!
//! # What it costs
//!
//! A request that does not take its session asks the store nothing. Reading is one round trip, writing one more; a new
//! session is one, a new id three. A read-only request writes nothing, except that it moves the deadline once in a tenth of
//! the lifetime.
//!
//! # What is told
//!
//! Everything that happens to a session is a `tracing` event with the target `anysession`: `created`, `regenerated`,
//! `destroyed`, `gone`, `changes dropped` and `moved from Flask's layout` at `INFO`; `unknown id`, `malformed id`, `expired`,
//! `replaced id` and `conflict` at `DEBUG`; `loaded` at `TRACE`; `corrupt record` and what failed without harm at `WARN`;
//! what was not loaded, not stored, or lost at `ERROR`. `session` is the beginning of the store key, by which one session
//! can be followed.
//! There is no way to make it print an id.

mod attended;
mod calendar;
mod causes;
mod changes;
mod cleanup;
mod clock;
mod close;
mod closing;
mod commit;
mod config;
mod cookie;
mod driver;
mod drivers;
mod error;
mod flash;
pub mod flask;
mod guard;
mod id;
mod key;
mod layout;
mod leaving;
mod lifecycle;
mod location;
mod memory;
#[cfg(test)]
mod model;
mod payload;
mod record;
mod reload;
mod response;
mod saving;
mod session;
mod sessions;
mod slot;
mod store;
mod turn;
mod users;
mod value;

pub use attended::{Attended, Respond};
pub use causes::with_causes;
pub use cleanup::Cleanup;
pub use clock::{Clock, SystemClock, Timestamp};
pub use close::{Close, CloseError};
pub use config::{Config, ConfigBuilder, ConfigError, Preset};
pub use cookie::{Cookie, CookiePrefix, SameSite};
pub use driver::{ConnectError, Connecting, Driver};
pub use drivers::Drivers;
pub use error::Error;
pub use flash::{Flash, Flashes};
pub use guard::{Guard, Spawn, Unattended};
pub use id::{OsRandom, Random, RandomError, StoreKey};
pub use key::{AsKey, Key, KeyName};
pub use lifecycle::Outcome;
pub use location::Location;
pub use memory::MemoryStore;
pub use response::{HeaderLine, ResponseHeaders};
pub use session::Session;
pub use sessions::Sessions;
pub use slot::{Claim, Slot};
pub use store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
pub use users::SessionInfo;
