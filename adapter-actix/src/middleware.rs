//! The middleware: a slot on the request, and the header lines on the response.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpResponse};
use anysession::{Attended, CloseError, Outcome, Respond, ResponseHeaders, Sessions, Unattended};
use futures_util::future::{MapErr, TryFutureExt};

use crate::answered::Answered;
use crate::error::status;

/// Gives every request its place for a session, and stores the session when the response is known.
#[derive(Clone, Debug)]
pub struct SessionMiddleware(Sessions);

impl SessionMiddleware {
    /// A middleware for these sessions.
    pub fn new(sessions: Sessions) -> Self {
        SessionMiddleware(sessions)
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<SessionService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService {
            inner,
            sessions: self.0.clone(),
        }))
    }
}

/// The service that [`SessionMiddleware`] makes.
#[derive(Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Attended<MapErr<S::Future, fn(Error) -> Error>, SessionMiddleware>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let guard = (self.sessions).guard_inside(request.extensions().get(), spawn);
        request.extensions_mut().insert(guard.slot());
        // An error of a middleware further in; a handler's is a response by now.
        guard.attend(self.inner.call(request).map_err(Answered::by))
    }
}

impl<B> Respond<Result<ServiceResponse<B>, Error>> for SessionMiddleware {
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn outcome(result: &Result<ServiceResponse<B>, Error>) -> Outcome {
        let status = match result {
            Ok(response) => response.status(),
            Err(answered) => answered.as_response_error().status_code(),
        };
        Outcome::from_status(status.as_u16())
    }

    fn finish(
        result: Result<ServiceResponse<B>, Error>,
        closed: Result<ResponseHeaders, CloseError>,
    ) -> Self::Output {
        // The status of the empty response that takes its place, if the session could not be stored.
        let (failed, headers) = match closed {
            Ok(headers) => (None, headers),
            Err(error) => (Some(status(error.status())), error.into_headers()),
        };
        match result {
            Ok(response) => {
                let mut response = match failed {
                    None => response.map_into_left_body(),
                    Some(status) => response
                        .into_response(HttpResponse::new(status))
                        .map_into_right_body(),
                };
                append(response.headers_mut(), headers);
                Ok(response)
            }
            Err(error) => {
                if let Some(answered) = error.as_error::<Answered>() {
                    let mut response = answered.response();
                    if let Some(status) = failed {
                        *response = HttpResponse::new(status);
                    }
                    append(response.headers_mut(), headers);
                }
                Err(error)
            }
        }
    }
}

fn append(headers: &mut HeaderMap, of_session: ResponseHeaders) {
    for line in of_session.into_lines() {
        let name = HeaderName::from_static(line.name);
        if line.is_wanted(headers.get_all(&name).map(HeaderValue::as_bytes)) {
            let value = match line.value {
                Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
                Cow::Owned(value) => HeaderValue::try_from(value),
            };
            // The configuration accepts no cookie that is not a header's value.
            if let Ok(value) = value {
                headers.append(name, value);
            }
        }
    }
}

/// Finishes a request whose client has left. Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}
