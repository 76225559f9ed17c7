//! Server-side sessions.

mod changes;
mod cleanup;
mod clock;
mod closing;
mod commit;
mod config;
mod cookie;
mod driver;
mod drivers;
mod error;
mod flash;
mod id;
mod key;
mod layout;
mod lifecycle;
mod memory;
#[cfg(test)]
mod model;
mod payload;
mod record;
mod saving;
mod session;
mod sessions;
mod slot;
mod store;
mod users;
mod value;

pub use clock::{Clock, SystemClock, Timestamp};
pub use config::{Config, ConfigBuilder, ConfigError, Preset};
pub use cookie::{Cookie, CookiePrefix, SameSite};
pub use driver::{ConnectError, Connecting, Driver, Location};
pub use drivers::Drivers;
pub use error::Error;
pub use flash::{Flash, Flashes};
pub use id::{OsRandom, Random, RandomError, StoreKey};
pub use key::{AsKey, Key, KeyName};
pub use lifecycle::Outcome;
pub use memory::MemoryStore;
pub use session::Session;
pub use sessions::Sessions;
pub use slot::{Claim, Close, CloseError, HeaderLine, ResponseHeaders, Slot};
pub use store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
pub use users::SessionInfo;
