//! Server-side sessions for axum, and for every tower service over `http` 1.
//!
//! ```no_run
//! use anysession_axum::{Session, SessionError, SessionLayer, spawn_cleanup, anysession::{Config, Drivers, Sessions}};
//! use axum::{Router, routing::get};
//!
//! async fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
//!     Ok(format!("You were here {visits} times."))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::connect(Config::from_env()?, &Drivers::default()).await?;
//!     let _expired = spawn_cleanup(&sessions, std::time::Duration::from_secs(60 * 60));
//!     let app = Router::new().route("/", get(visits)).layer(SessionLayer::new(sessions));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//! ```
//!
//! Whatever takes a [`Session`] as an argument loads it; a route that does not costs nothing. What the handler changes
//! is stored before the response's headers are sent. A 5xx or 408 drops the changes.
//!
//! Put the layer outside of every layer that wants the session itself, and outside of one that turns panics into
//! responses. A layer around it may still put another response in the place of this one, and then the cookie is gone. One
//! that ends a handler that takes too long may stand on either side if it answers 5xx or 408, otherwise outside: what the
//! handler had done by then is dropped.

mod extract;
mod layer;

use std::time::Duration;

use anysession::Sessions;

pub use anysession;
pub use anysession::{Cleanup, Slot};
pub use extract::{Session, SessionError};
pub use layer::{SessionLayer, SessionService};

/// Deletes expired sessions about every `period` (an hour is plenty) in a task of its own, until that is stopped or
/// dropped. Start it once in a process; see [`Sessions::keep_deleting_expired`].
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn spawn_cleanup(sessions: &Sessions, period: Duration) -> Cleanup {
    let (cleanup, task) = sessions.cleanup(period, tokio::time::sleep);
    tokio::spawn(task);
    cleanup
}
