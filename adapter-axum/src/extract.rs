//! The extractor.

use std::ops::Deref;

use anysession::{Error, Slot};
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};

use crate::layer::status;

/// The session of this request: take it as an argument of a handler, or of a middleware made by `from_fn`.
///
/// It is an [`anysession::Session`]; all of its methods are there.
#[derive(Clone, Debug)]
pub struct Session(anysession::Session);

impl Session {
    /// The session of a request, for a middleware that has no extractors.
    ///
    /// # Errors
    ///
    /// When the layer is missing or the store cannot be asked.
    pub async fn of(headers: &HeaderMap, extensions: &Extensions) -> Result<Self, SessionError> {
        let slot: &Slot = extensions.get().ok_or_else(SessionError::layer_missing)?;
        let cookies = headers.get_all(header::COOKIE);
        let claim = slot.open(cookies.iter().map(HeaderValue::as_bytes));
        slot.load(claim)
            .await
            .map(Session)
            .map_err(SessionError::Load)
    }
}

impl Deref for Session {
    type Target = anysession::Session;

    fn deref(&self) -> &anysession::Session {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionError> {
        Session::of(&parts.headers, &parts.extensions).await
    }
}

/// There is no session to be had, or it could not do what was asked.
///
/// A handler may return it: `?` turns an [`anysession::Error`] into it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No [`SessionLayer`](crate::SessionLayer) is around the route. The response, 500, says so.
    #[error(
        "this route takes a Session, but no SessionLayer is around it: \
        add .layer(SessionLayer::new(sessions)) to the Router, after its routes"
    )]
    LayerMissing,
    /// The store could not be asked. The response is a 503 with an empty body.
    #[error("a session was not loaded")]
    Load(#[source] Error),
    /// What the session says. The response has its [`status`](Error::status) and an empty body.
    #[error(transparent)]
    Session(#[from] Error),
}

impl SessionError {
    fn layer_missing() -> Self {
        tracing::error!("{}", SessionError::LayerMissing);
        SessionError::LayerMissing
    }

    /// How the request is answered.
    pub fn status(&self) -> StatusCode {
        match self {
            SessionError::LayerMissing => StatusCode::INTERNAL_SERVER_ERROR,
            SessionError::Load(error) | SessionError::Session(error) => status(error.status()),
        }
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let status = self.status();
        match self {
            SessionError::LayerMissing => (status, self.to_string()).into_response(),
            SessionError::Load(_) => status.into_response(),
            SessionError::Session(error) => {
                error.tell();
                status.into_response()
            }
        }
    }
}
