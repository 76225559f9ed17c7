//! Server-side sessions for Rocket 0.5.
//!
//! ```no_run
//! use anysession_rocket::{Session, SessionFairing, anysession::{Config, Drivers, Error}};
//! use rocket::{get, http::Status, launch, routes};
//!
//! #[get("/")]
//! fn visits(session: Session) -> Result<String, Status> {
//!     let visits = session.update("visits", |visits: &mut u64| *visits += 1).map_err(status)?;
//!     Ok(format!("You were here {visits} times."))
//! }
//!
//! fn status(error: Error) -> Status {
//!     Status::new(error.status())
//! }
//!
//! #[launch]
//! fn rocket() -> _ {
//!     let drivers = Drivers::default(); // add .with(anysession_fs::DRIVER) and others
//!     rocket::build().mount("/", routes![visits]).attach(SessionFairing::connect(Config::builder(), drivers))
//! }
//! ```
//!
//! Whatever takes a [`Session`] as a request guard loads it; a route that does not costs nothing. What the handler
//! changes is stored before the response's headers are sent. A 5xx drops the changes, and what counts is the response
//! that is sent: a catcher that turns a panic into a redirect says that all went well.
//!
//! An application that takes a [`Session`] and does not attach a [`SessionFairing`] does not launch. Attach it after
//! the fairings that use the session when they see the response: Rocket asks them in this order.
//!
//! # Configuration
//!
//! ```toml
//! # Rocket.toml
//! [default.session]
//! type = "filesystem"
//! lifetime = "12h"
//!
//! [debug.session.cookie]
//! secure = false
//! ```
//!
//! The keys are those of [`Config`](anysession::Config). Rocket merges them from its sources one by one:
//! `ROCKET_SESSION='{lifetime="1h"}'` leaves the type as it is. The `SESSION_*` variables win over all of them.
//!
//! # When the store cannot be asked
//!
//! The answer is 503 with an empty body, and nothing is changed. If that happens while the session is loaded, a catcher
//! that the application registers for 503, or its default one, gives another body.

mod fairing;
mod session;
mod settings;
mod visit;

pub use anysession;
pub use fairing::SessionFairing;
pub use session::{Session, SessionError};

/// For the log, where one line is to say it all.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
