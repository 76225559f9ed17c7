//! What tests of whole programs are made of: a [`Server`] is a program of this workspace, running, and a [`Visitor`] is
//! somebody with a browser's cookie.

mod flask;
mod nginx;
mod server;
mod site;
mod stores;
mod storm;
mod visitor;

pub use flask::{Flask, Python};
pub use nginx::Nginx;
pub use server::Server;
pub use site::FlaskSite;
pub use stores::Stores;
pub use storm::{Report, Tally, storm};
pub use visitor::{Answer, USER_AGENT, Visitor};

/// The frameworks that have a `probe-*` each.
pub const FRAMEWORKS: [&str; 4] = ["axum", "actix", "rocket", "poem"];

/// What a test answers.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Returns an error unless both are equal.
#[macro_export]
macro_rules! same {
    ($actual:expr, $expected:expr, $($rule:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => if *actual != *expected {
                return Err(format!("{}: expected {expected:?}, got {actual:?}", format_args!($($rule)+)).into());
            }
        }
    };
}
