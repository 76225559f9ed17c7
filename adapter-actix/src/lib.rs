//! Server-side sessions for actix-web 4.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, get};
//! use anysession_actix::{Session, SessionError, SessionMiddleware, spawn_cleanup, anysession::{Config, Drivers, Sessions}};
//!
//! #[get("/")]
//! async fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
//!     Ok(format!("You were here {visits} times."))
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::connect(Config::from_env()?, &Drivers::default()).await?;
//!     let _expired = spawn_cleanup(&sessions, std::time::Duration::from_secs(60 * 60));
//!     let app = move || App::new().service(visits).wrap(SessionMiddleware::new(sessions.clone()));
//!     Ok(HttpServer::new(app).bind("127.0.0.1:3000")?.run().await?)
//! }
//! ```
//!
//! Whatever takes a [`Session`] as an argument loads it; a route that does not costs nothing. What the handler changes
//! is stored before the response's headers are sent. A 5xx or 408 drops the changes, also as the `Err` of a handler: an
//! error counts by its response.
//!
//! The middleware goes around an `App`, a scope or a single resource. `wrap` it last, so that it is outside of every
//! middleware that wants the session itself; those, and guards, reach it through [`SessionExt`]. A middleware around it may
//! still put another response in the place of this one, and then the cookie is gone. To such a middleware an `Err` of
//! one further in is an error that has its response, with the cookie; what it was before cannot be had from it.
//!
//! Other sessions around the `App` than around a scope of it are two middlewares that know nothing of each other. Whatever
//! stands between them takes its session before it calls what is inside.

mod answered;
mod error;
mod extract;
mod middleware;

use std::time::Duration;

use anysession::Sessions;

pub use anysession;
pub use anysession::{Cleanup, Slot};
pub use error::SessionError;
pub use extract::{Loading, Session, SessionExt};
pub use middleware::{SessionMiddleware, SessionService};

/// Deletes expired sessions about every `period` (an hour is plenty) in a task of its own, until that is stopped or
/// dropped. Start it once in a process, not in each worker; see [`Sessions::keep_deleting_expired`].
///
/// # Panics
///
/// Outside of an actix or tokio runtime.
pub fn spawn_cleanup(sessions: &Sessions, period: Duration) -> Cleanup {
    let (cleanup, task) = sessions.cleanup(period, tokio::time::sleep);
    tokio::spawn(task);
    cleanup
}
