//! The tower layer: a slot on the request, and the header lines on the response.

use std::borrow::Cow;
use std::task::{Context, Poll};

use anysession::{Attended, CloseError, Outcome, Respond, ResponseHeaders, Sessions, Unattended};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

/// Gives every request its place for a session, and stores the session when the response is known.
#[derive(Clone, Debug)]
pub struct SessionLayer(Sessions);

impl SessionLayer {
    /// A layer for these sessions.
    pub fn new(sessions: Sessions) -> Self {
        SessionLayer(sessions)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            inner,
            sessions: self.0.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Attended<S::Future, SessionLayer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outer = request.extensions().get();
        let guard = self.sessions.guard_inside(outer, spawn);
        request.extensions_mut().insert(guard.slot());
        guard.attend(self.inner.call(request))
    }
}

impl<R: Default, E> Respond<Result<Response<R>, E>> for SessionLayer {
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
        result.map(|response| answer(response, closed))
    }
}

fn answer<R: Default>(
    mut response: Response<R>,
    closed: Result<ResponseHeaders, CloseError>,
) -> Response<R> {
    let headers = closed.unwrap_or_else(|error| {
        response = Response::default();
        *response.status_mut() = status(error.status());
        error.into_headers()
    });
    for line in headers.into_lines() {
        let name = HeaderName::from_static(line.name);
        let present = response.headers().get_all(&name);
        if line.is_wanted(present.iter().map(HeaderValue::as_bytes)) {
            let value = match line.value {
                Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
                Cow::Owned(value) => HeaderValue::try_from(value),
            };
            // The configuration accepts no cookie that is not a header's value.
            if let Ok(value) = value {
                response.headers_mut().append(name, value);
            }
        }
    }
    response
}

/// Finishes a request whose client has left. Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}

pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
