//! Sessions for plain hyper 1: the example of CONTRIBUTING.md, "Write an adapter".

use std::time::Duration;

use anysession::{
    Attended, Cleanup, CloseError, Outcome, Respond, ResponseHeaders, Session, Sessions, Slot,
    Unattended,
};
use hyper::header::{COOKIE, HeaderName, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};

/// A service around another one: gives every request its place for a session, and stores the session when the response
/// is known.
#[derive(Clone, Debug)]
pub struct WithSessions<S> {
    inner: S,
    sessions: Sessions,
}

impl<S> WithSessions<S> {
    /// Puts these sessions around a service.
    pub fn new(sessions: Sessions, inner: S) -> Self {
        WithSessions { inner, sessions }
    }
}

impl<S, B, R> Service<Request<B>> for WithSessions<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Attended<S::Future, Answer>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        let guard = (self.sessions).guard_inside(request.extensions().get(), spawn);
        request.extensions_mut().insert(guard.slot());
        guard.attend(self.inner.call(request))
    }
}

/// The session of a request to a [`WithSessions`].
///
/// # Errors
///
/// The status to answer with, and an empty body: 500 without [`WithSessions`], 503 if the store cannot be asked.
pub async fn session<B>(request: &Request<B>) -> Result<Session, StatusCode> {
    let Some(slot) = request.extensions().get::<Slot>() else {
        tracing::error!(
            "a session is asked for, but no WithSessions is around the service: \
             serve WithSessions::new(sessions, service)"
        );
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let cookies = request.headers().get_all(COOKIE).iter();
    let claim = slot.open(cookies.map(HeaderValue::as_bytes));
    slot.load(claim)
        .await
        .map_err(|error| status(error.status()))
}

/// Deletes expired sessions about every `period` in a task of its own, until that is stopped or dropped.
pub fn spawn_cleanup(sessions: &Sessions, period: Duration) -> Cleanup {
    let (cleanup, task) = sessions.cleanup(period, tokio::time::sleep);
    tokio::spawn(task);
    cleanup
}

/// What becomes of a response.
#[derive(Debug)]
pub enum Answer {}

impl<R: Default, E> Respond<Result<Response<R>, E>> for Answer {
    type Output = Result<Response<R>, E>;

    fn outcome(result: &Result<Response<R>, E>) -> Outcome {
        match result {
            Ok(response) => Outcome::from_status(response.status().as_u16()),
            Err(_) => Outcome::Failed,
        }
    }

    fn finish(
        result: Result<Response<R>, E>,
        closed: Result<ResponseHeaders, CloseError>,
    ) -> Result<Response<R>, E> {
        let mut response = result?;
        let headers = closed.unwrap_or_else(|error| {
            response = Response::default();
            *response.status_mut() = status(error.status());
            error.into_headers()
        });
        for line in headers.into_lines() {
            let name = HeaderName::from_static(line.name);
            let present = response.headers().get_all(&name).iter();
            if line.is_wanted(present.map(HeaderValue::as_bytes)) {
                let value = HeaderValue::try_from(line.value.as_ref()).ok();
                let line = value.map(|value| (name, value));
                response.headers_mut().extend(line);
            }
        }
        Ok(response)
    }
}

/// Finishes a request whose client has left. Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
