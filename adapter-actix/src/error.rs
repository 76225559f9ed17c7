//! Why there is no session, as a response.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use anysession::Error;

/// There is no session to be had, or it could not do what was asked.
///
/// A handler may return it: `?` turns an [`anysession::Error`] into it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No [`SessionMiddleware`](crate::SessionMiddleware) is around the route. The response, 500, says so.
    #[error(
        "this route takes a Session, but no SessionMiddleware is around it: \
        add .wrap(SessionMiddleware::new(sessions)) to the App or to the scope of the route"
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
    pub(crate) fn middleware_missing() -> Self {
        tracing::error!("{}", SessionError::MiddlewareMissing);
        SessionError::MiddlewareMissing
    }
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        match self {
            SessionError::MiddlewareMissing => StatusCode::INTERNAL_SERVER_ERROR,
            SessionError::Load(error) | SessionError::Session(error) => status(error.status()),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            SessionError::MiddlewareMissing => response.body(self.to_string()),
            SessionError::Load(_) => response.finish(),
            SessionError::Session(error) => {
                error.tell();
                response.finish()
            }
        }
    }
}

pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
