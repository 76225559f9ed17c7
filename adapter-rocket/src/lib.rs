//! Server-side sessions for Rocket 0.5.
//!
//! ```no_run
//! use anysession_rocket::{Session, SessionError, SessionFairing, anysession::{Config, Drivers}};
//! use rocket::{get, launch, routes};
//!
//! #[get("/")]
//! fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
//!     Ok(format!("You were here {visits} times."))
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
//! changes is stored before the response's headers are sent. A 5xx or 408 drops the changes, and what counts is the response
//! that is sent: a catcher that turns a panic into a redirect says that all went well.
//!
//! An application that takes a [`Session`] and does not attach a [`SessionFairing`] does not launch. Fairings may use the
//! session both when they see the request and when they see the response, wherever they are attached. Too late comes only
//! one that is attached while Rocket ignites, by a fairing that was attached after this one.
//!
//! Of a request that Rocket cannot read at all, such as one of a method that it does not know, no fairing hears: what a
//! catcher changes in the session there is dropped, and a log-out sets no cookie.
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
//! that the application registers for 503, or its default one, gives another body. If it could not be stored, header lines
//! that do not tell of the body stay, since other fairings have seen the response by then.

mod fairing;
mod session;
mod settings;
mod visit;

pub use anysession;
pub use fairing::SessionFairing;
pub use session::{Session, SessionError};
