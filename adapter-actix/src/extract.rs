//! The extractor, and the session of a request that is not in a handler yet.

use std::cell::Ref;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::guard::GuardContext;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use anysession::Slot;

use crate::error::SessionError;

/// The session of this request: take it as an argument of a handler, or of a middleware made by `from_fn`.
///
/// It is an [`anysession::Session`]; all of its methods are there. actix-web lets a handler take an `Option<Session>` as well,
/// but that is `None` also when the store cannot be asked: an outage would look like a visitor without a session.
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
/// use actix_web::body::MessageBody;
/// use actix_web::dev::{ServiceRequest, ServiceResponse};
/// use actix_web::error::ErrorUnauthorized;
/// use actix_web::middleware::{Next, from_fn};
/// use actix_web::{Error, HttpResponse, guard, web};
/// use anysession_actix::SessionExt;
///
/// async fn only_users(
///     request: ServiceRequest,
///     next: Next<impl MessageBody>,
/// ) -> Result<ServiceResponse<impl MessageBody>, Error> {
///     match request.session().await?.user() {
///         Some(_) => next.call(request).await,
///         None => Err(ErrorUnauthorized("sign in first")),
///     }
/// }
///
/// // A guard cannot wait: a middleware around it has to load the session first.
/// let is_root = guard::fn_guard(|request| {
///     let user = request.loaded_session().and_then(|session| session.user());
///     user.as_deref() == Some("root")
/// });
/// let admin = web::resource("/admin").guard(is_root).to(HttpResponse::Ok);
/// let scope = web::scope("/internal").service(admin).wrap(from_fn(only_users));
/// # let _ = scope;
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
            let (slot, claim) = claimed.ok_or_else(SessionError::middleware_missing)?;
            slot.load(claim)
                .await
                .map(Session)
                .map_err(SessionError::Load)
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
