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
    pub async fn of(
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, SessionRejection> {
        let slot: &Slot = extensions.get().ok_or(SessionRejection::LayerMissing)?;
        let cookies = headers.get_all(header::COOKIE);
        let claim = slot.open(cookies.iter().map(HeaderValue::as_bytes));
        slot.load(claim)
            .await
            .map(Session)
            .map_err(SessionRejection::Load)
    }
}

impl Deref for Session {
    type Target = anysession::Session;

    fn deref(&self) -> &anysession::Session {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Session::of(&parts.headers, &parts.extensions).await
    }
}

/// There is no session to be had, not even an anonymous one.
#[derive(Debug)]
pub enum SessionRejection {
    /// No [`SessionLayer`](crate::SessionLayer) is around the route. The response, 500, says so.
    LayerMissing,
    /// The store could not be asked. The response is a 503 with an empty body.
    Load(Error),
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            SessionRejection::LayerMissing => {
                let message = "this route takes a Session, but no SessionLayer is around it: \
                    add .layer(SessionLayer::new(sessions)) to the Router, after its routes";
                tracing::error!("{message}");
                (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
            }
            SessionRejection::Load(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a session was not loaded"
                );
                status(error.status()).into_response()
            }
        }
    }
}
