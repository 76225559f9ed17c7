//! Server-side sessions for Poem 3.
//!
//! ```no_run
//! use anysession_poem::{Session, SessionError, SessionMiddleware, spawn_cleanup, anysession::{Config, Drivers, Sessions}};
//! use poem::{EndpointExt, Route, Server, get, handler, listener::TcpListener};
//!
//! #[handler]
//! async fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
//!     Ok(format!("You were here {visits} times."))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::connect(Config::from_env()?, &Drivers::default()).await?;
//!     let _expired = spawn_cleanup(&sessions, std::time::Duration::from_secs(60 * 60));
//!     let app = Route::new().at("/", get(visits)).with(SessionMiddleware::new(sessions));
//!     Ok(Server::new(TcpListener::bind("127.0.0.1:3000")).run(app).await?)
//! }
//! ```
//!
//! Whatever takes a [`Session`] as an argument loads it, a `poem-openapi` operation too; a route that does not costs
//! nothing. What the handler changes is stored before the response's headers are sent. A 5xx or 408 drops the changes.
//!
//! The middleware turns an error of the routes into its response, which then gets the cookie like any other. Put it outside
//! of every middleware that wants the session itself, and outside of `catch_error` and of
//! [`CatchPanic`](poem::middleware::CatchPanic).

mod extract;
mod middleware;

use std::time::Duration;

use anysession::Sessions;

pub use anysession;
pub use anysession::Cleanup;
pub use extract::{Session, SessionError};
pub use middleware::{SessionEndpoint, SessionMiddleware};

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
