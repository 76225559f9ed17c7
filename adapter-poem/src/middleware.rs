//! The middleware: a slot on the request, and the header lines on the response.

use std::borrow::Cow;
use std::future::Future;

use anysession::{CloseError, Outcome, Respond, ResponseHeaders, Sessions, Unattended};
use futures_util::FutureExt as _;
use poem::http::{HeaderName, HeaderValue, StatusCode};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

/// Gives every request its place for a session, and stores the session when the response is known.
#[derive(Clone, Debug)]
pub struct SessionMiddleware(Sessions);

impl SessionMiddleware {
    /// A middleware for these sessions.
    pub fn new(sessions: Sessions) -> Self {
        SessionMiddleware(sessions)
    }
}

impl<E: Endpoint> Middleware<E> for SessionMiddleware {
    type Output = SessionEndpoint<E>;

    fn transform(&self, inner: E) -> SessionEndpoint<E> {
        SessionEndpoint {
            inner,
            sessions: self.0.clone(),
        }
    }
}

/// The endpoint that [`SessionMiddleware`] makes. It has a response for every request and never an error.
#[derive(Clone, Debug)]
pub struct SessionEndpoint<E> {
    inner: E,
    sessions: Sessions,
}

impl<E: Endpoint> Endpoint for SessionEndpoint<E> {
    type Output = Response;

    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response>> + Send {
        let guard = self.sessions.guard_inside(request.data(), spawn);
        request.set_data(guard.slot());
        // What `get_response` answers; its future would hold the request twice.
        let responding = self.inner.call(request).map(|result| match result {
            Ok(output) => output.into_response(),
            Err(error) => error.into_response(),
        });
        guard.attend::<_, SessionMiddleware>(responding)
    }
}

impl Respond<Response> for SessionMiddleware {
    type Output = Result<Response>;

    fn outcome(response: &Response) -> Outcome {
        Outcome::from_status(response.status().as_u16())
    }

    fn finish(
        mut response: Response,
        closed: Result<ResponseHeaders, CloseError>,
    ) -> Result<Response> {
        let headers = closed.unwrap_or_else(|error| {
            response = status(error.status()).into();
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
        Ok(response)
    }
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
