//! Server-side sessions.

mod clock;
mod driver;
mod id;
mod store;

pub use clock::{Clock, SystemClock, Timestamp};
pub use driver::{ConnectError, Connecting, Driver, Location};
pub use id::{OsRandom, Random, RandomError, StoreKey};
pub use store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
