//! The suites that every anysession store and adapter passes, ours or anyone's.
//!
//! A store crate proves that it keeps the contract of [`anysession::Store`] with this file, `tests/suite.rs`
//! (and `[[test]] name = "suite"`, `harness = false` in its `Cargo.toml`):
//!
//! ```no_run
//! use std::{process::ExitCode, sync::Arc};
//!
//! use anysession::Store;
//! use anysession_testkit::{ReferenceStore, run, store_suite};
//!
//! fn main() -> ExitCode {
//!     run([store_suite("reference", || async {
//!         Arc::new(ReferenceStore::new()) as Arc<dyn Store> // your store here
//!     })])
//! }
//! ```
//!
//! `cargo test` then runs one trial per rule of the contract, named in its words, and takes the usual filters:
//! `cargo test --test suite -- touch`.
//!
//! An adapter serves the [probe], one small application with the same routes on every framework, and passes the
//! [`adapter_suite`] in the same way: cookies, overlapping requests, log-ins, outages, hostile headers, all over real
//! HTTP.
//!
//! A backend that is not there is [said to be absent](Suite::absent), which counts as ignored and never as passed.
//!
//! Beside the suites there is what tests of a session engine need: a [clock that a test sets](TestClock), a
//! [store that fails as told](FaultyStore), and the contract as the [simplest store that keeps it](ReferenceStore).

mod adapter;
mod clock;
mod costs;
mod faulty;
mod gate;
mod ports;
pub mod probe;
mod reference;
#[cfg(feature = "servers")]
pub mod servers;
mod store;
mod storm;
mod suite;

pub use adapter::{adapter_suite, adapter_suite_on};
pub use clock::TestClock;
pub use costs::RequestCosts;
pub use faulty::{Call, Counts, Fault, FaultyStore, Verb};
pub use gate::{Gate, Stopped};
pub use reference::ReferenceStore;
pub use store::{LAST_EXACT_DEADLINE, flask_store_suite, store_suite};
pub use storm::{Keeps, Report, Storm};
pub use suite::{Failure, Outcome, Suite, run};
