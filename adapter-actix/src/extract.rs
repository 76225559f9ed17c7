//! The extractor, and the session of a request that is not in a handler yet.

use std::cell::Ref;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::guard::GuardContext;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use anysession::{Error, Slot};

use crate::middleware::status;

/// The session of this request: take it as an argument of a handler, or of a middleware made by `from_fn`.
///
/// It is an [`anysession::Session`]; all of its methods are there.
#[derive(Clone, Debug)]
pub struct Session(anysession::Session);

impl Deref for Session {
    type Target = anysession::Session;

    fn deref(&self) -> &anysession::Session {
        &self.0
    }
}

/// A session on its way from the store. It borrows nothing of the request.
pub type Loading = Pin<Box<dyn Future<Output = Result<Session, SessionError>>>>;

impl FromRequest for Session {
    type Error = SessionError;
    type Future = Loading;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Loading {
        request.session()
    }
}

/// The session of a request, where there are no extractors.
///
/// ```
/// use actix_web::{Error, HttpResponse, guard, web};
/// use actix_web::body::MessageBody;
/// use actix_web::dev::{ServiceRequest, ServiceResponse};
/// use actix_web::middleware::Next;
/// use anysession_actix::SessionExt;
///
/// async fn count(
///     request: ServiceRequest,
///     next: Next<impl MessageBody>,
/// ) -> Result<ServiceResponse<impl MessageBody>, Error> {
///     let session = request.session().await?;
///     session.update("seen", |seen: &mut u64| *seen += 1).map_err(anysession_actix::SessionError::from)?;
///     next.call(request).await
/// }
///
/// // A guard cannot wait: a middleware like the one above has to load the session for it.
/// let signed_in = guard::fn_guard(|request| {
///     request.loaded_session().is_some_and(|session| session.user().is_some())
/// });
/// # let _ = web::resource("/account").guard(signed_in).wrap(actix_web::middleware::from_fn(count)).to(HttpResponse::Ok);
/// ```
pub trait SessionExt {
    /// Loads the session; later calls, and the extractor, get the same one.
    ///
    /// The future answers an error when the middleware is missing or the store cannot be asked.
    fn session(&self) -> Loading {
        let (headers, extensions) = self.parts();
        let claimed = extensions.get::<Slot>().map(|slot| {
            let cookies = headers.get_all(header::COOKIE);
            (slot.clone(), slot.open(cookies.map(HeaderValue::as_bytes)))
        });
        Box::pin(async move {
            let Some((slot, claim)) = claimed else {
                tracing::error!("{MIDDLEWARE_MISSING}");
                return Err(SessionError::MiddlewareMissing);
            };
            let session = slot.load(claim).await.inspect_err(|error| {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "a session was not loaded"
                );
            })?;
            Ok(Session(session))
        })
    }

    /// The session, if it was loaded already.
    fn loaded_session(&self) -> Option<Session> {
        self.parts().1.get::<Slot>()?.loaded().map(Session)
    }

    /// The request's headers, and what others have put on it.
    #[doc(hidden)]
    fn parts(&self) -> (&HeaderMap, Ref<'_, Extensions>);
}

impl SessionExt for HttpRequest {
    fn parts(&self) -> (&HeaderMap, Ref<'_, Extensions>) {
        (self.headers(), self.extensions())
    }
}

impl SessionExt for ServiceRequest {
    fn parts(&self) -> (&HeaderMap, Ref<'_, Extensions>) {
        (self.headers(), self.extensions())
    }
}

impl SessionExt for GuardContext<'_> {
    fn parts(&self) -> (&HeaderMap, Ref<'_, Extensions>) {
        (self.head().headers(), self.req_data())
    }
}

const MIDDLEWARE_MISSING: &str = "this route takes a Session, but no SessionMiddleware is around it: \
    add .wrap(SessionMiddleware::new(sessions)) to the App or to the scope of the route";

/// There is no session to be had, or it could not do what was asked.
///
/// A handler may return it: `?` turns an [`anysession::Error`] into it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No [`SessionMiddleware`](crate::SessionMiddleware) is around the route. The response, 500, says so.
    #[error("{MIDDLEWARE_MISSING}")]
    MiddlewareMissing,
    /// What the session or its store says. The response has its [`status`](Error::status) and an empty body.
    #[error(transparent)]
    Session(#[from] Error),
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        match self {
            SessionError::MiddlewareMissing => StatusCode::INTERNAL_SERVER_ERROR,
            SessionError::Session(error) => status(error.status()),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            SessionError::MiddlewareMissing => response.body(MIDDLEWARE_MISSING),
            SessionError::Session(_) => response.finish(),
        }
    }
}
