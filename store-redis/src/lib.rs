//! Sessions in Redis: one server, Cluster or Sentinel.

mod address;
mod driver;
mod error;
mod index;
mod link;
mod names;
mod node;
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
