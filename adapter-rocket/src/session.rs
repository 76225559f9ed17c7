//! The request guard.

use std::ops::Deref;

use anysession::Error;
use rocket::http::Status;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest, Request};
use rocket::response::{self, Responder};
use rocket::{Ignite, Rocket, Sentinel};

use crate::fairing::Attached;
use crate::visit;

/// The session of this request: take it as an argument of a handler. Fairings, catchers and other request guards ask
/// for it with `request.guard::<Session>().await`.
///
/// It is an [`anysession::Session`]; all of its methods are there. Rocket lets a handler take an `Option<Session>` as well, but
/// that is `None` also when the store cannot be asked: an outage would look like a visitor without a session.
#[derive(Clone, Debug)]
pub struct Session(anysession::Session);

impl Deref for Session {
    type Target = anysession::Session;

    fn deref(&self) -> &anysession::Session {
        &self.0
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Session {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, SessionError> {
        match load(request).await {
            Ok(session) => Outcome::Success(Session(session)),
            Err(error) => Outcome::Error((error.status(), error)),
        }
    }
}

async fn load(request: &Request<'_>) -> Result<anysession::Session, SessionError> {
    let attached = request.rocket().state();
    let Attached(sessions) = attached.ok_or_else(SessionError::fairing_missing)?;
    let slot = visit::of(request).slot(sessions);
    // Not from Rocket's cookie jar, which decodes what it reads.
    let mut lines = request.headers().get("cookie").peekable();
    let claim = if lines.peek().is_some() {
        slot.open(lines.map(str::as_bytes))
    } else {
        // Without such a line the jar is empty, but in a test: Rocket's local client fills only the jar.
        let jar: Vec<_> = (request.cookies().iter())
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect();
        slot.open(jar.iter().map(String::as_bytes))
    };
    slot.load(claim).await.map_err(|error| {
        visit::of(request).load_failed = true;
        SessionError::Load(error)
    })
}

impl Sentinel for Session {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let attached = rocket.state::<Attached>();
        attached.ok_or_else(SessionError::fairing_missing).is_err()
    }
}

/// There is no session to be had, or it could not do what was asked.
///
/// A handler may return it: `?` turns an [`anysession::Error`] into it. A catcher for its [`status`](Self::status) makes the
/// response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No [`SessionFairing`](crate::SessionFairing) is attached, and Rocket could not see at launch that one is needed.
    #[error(
        "a Session is asked for, but no SessionFairing is attached: \
         add .attach(SessionFairing::connect(Config::builder(), drivers))"
    )]
    FairingMissing,
    /// The store could not be asked.
    #[error("a session was not loaded")]
    Load(#[source] Error),
    /// What the session says.
    #[error(transparent)]
    Session(#[from] Error),
}

impl SessionError {
    fn fairing_missing() -> Self {
        tracing::error!("{}", SessionError::FairingMissing);
        SessionError::FairingMissing
    }

    /// How the request is answered.
    pub fn status(&self) -> Status {
        match self {
            SessionError::FairingMissing => Status::InternalServerError,
            SessionError::Load(error) | SessionError::Session(error) => Status::new(error.status()),
        }
    }
}

impl<'r> Responder<'r, 'static> for SessionError {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        if let SessionError::Session(error) = &self {
            error.tell();
        }
        Err(self.status())
    }
}
