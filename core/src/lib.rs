//! Server-side sessions.

mod changes;
mod clock;
mod commit;
mod driver;
mod error;
mod id;
mod layout;
mod lifecycle;
mod payload;
mod record;
mod store;

pub use clock::{Clock, SystemClock, Timestamp};
pub use driver::{ConnectError, Connecting, Driver, Location};
pub use error::Error;
pub use id::{OsRandom, Random, RandomError, StoreKey};
pub use lifecycle::Outcome;
pub use store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
