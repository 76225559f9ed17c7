//! Sessions as an application and an adapter see them, on a store in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod guards;
mod lifetimes;
mod reload;
mod saving;
mod signing_in;
mod site;
mod values;
