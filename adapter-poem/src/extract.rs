//! The extractor.

use std::ops::Deref;

use anysession::{Error, Slot};
use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response};

use crate::middleware::status;

/// The session of this request: take it as an argument of a handler. A middleware has it from
/// [`Session::from_request_without_body`](FromRequest::from_request_without_body).
///
/// It is an [`anysession::Session`]; all of its methods are there. Poem lets a handler take an `Option<Session>` as well, but
/// that is `None` also when the store cannot be asked: an outage would look like a visitor without a session.
#[derive(Clone, Debug)]
pub struct Session(anysession::Session);

impl Deref for Session {
    type Target = anysession::Session;

    fn deref(&self) -> &anysession::Session {
        &self.0
    }
}

impl<'a> FromRequest<'a> for Session {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let slot: &Slot = (request.data()).ok_or_else(SessionError::middleware_missing)?;
        let cookies = request.headers().get_all(header::COOKIE);
        let claim = slot.open(cookies.iter().map(HeaderValue::as_bytes));
        let session = slot.load(claim).await.map_err(SessionError::Load)?;
        Ok(Session(session))
    }
}

/// There is no session to be had, or it could not do what was asked.
///
/// A handler may return it: `?` turns an [`anysession::Error`] into it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No [`SessionMiddleware`](crate::SessionMiddleware) is around the route. The response, 500, says so.
    #[error(
        "this route takes a Session, but no SessionMiddleware is around it: \
        add .with(SessionMiddleware::new(sessions)) to the Route, after its routes"
    )]
    MiddlewareMissing,
    /// The store could not be asked. The response is a 503 with an empty body.
    #[error("a session was not loaded")]
    Load(#[source] Error),
    /// What the session says. The response has its [`status`](Error::status) and an empty body.
    #[error(transparent)]
    Session(#[from] Error),
}

impl SessionError {
    fn middleware_missing() -> Self {
        tracing::error!("{}", SessionError::MiddlewareMissing);
        SessionError::MiddlewareMissing
    }
}

impl ResponseError for SessionError {
    fn status(&self) -> StatusCode {
        match self {
            SessionError::MiddlewareMissing => StatusCode::INTERNAL_SERVER_ERROR,
            SessionError::Load(error) | SessionError::Session(error) => status(error.status()),
        }
    }

    fn as_response(&self) -> Response {
        let status = self.status();
        match self {
            SessionError::MiddlewareMissing => self.to_string().with_status(status).into_response(),
            SessionError::Load(_) => status.into_response(),
            SessionError::Session(error) => {
                error.tell();
                status.into_response()
            }
        }
    }
}
