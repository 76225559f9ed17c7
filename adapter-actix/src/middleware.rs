//! The middleware: a slot on the request, and the header lines on the response.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpResponse};
use anysession::{Attended, CloseError, Outcome, Respond, ResponseHeaders, Sessions, Unattended};

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
    type Future = Attended<S::Future, SessionMiddleware>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let guard = (self.sessions).guard_inside(request.extensions().get(), spawn);
        request.extensions_mut().insert(guard.slot());
        guard.attend(self.inner.call(request))
    }
}

impl<B> Respond<Result<ServiceResponse<B>, Error>> for SessionMiddleware {
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn outcome(result: &mut Result<ServiceResponse<B>, Error>) -> Outcome {
        let status = match result {
            Ok(response) => response.status(),
            // Of a middleware further in; a handler's is a response by now. It may give its response away only once.
            Err(error) => {
                let response = error.error_response();
                let status = response.status();
                answer_by(error, response);
                status
            }
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
            Err(mut error) => {
                let mut response = match failed {
                    None => error.error_response(),
                    Some(status) => HttpResponse::new(status),
                };
                append(response.headers_mut(), headers);
                answer_by(&mut error, response);
                Err(error)
            }
        }
    }
}

/// Makes this the response of the error, however it becomes one: what is added by a response mapper is lost where a
/// middleware outside of this one makes the response itself.
fn answer_by(error: &mut Error, response: HttpResponse) {
    let nothing = InternalError::new("", response.status()).into();
    let cause = std::mem::replace(error, nothing);
    *error = InternalError::from_response(cause, response).into();
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
