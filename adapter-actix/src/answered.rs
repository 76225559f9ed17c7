//! An error that has become a response.

use std::cell::{RefCell, RefMut};
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, ResponseError};

/// An error of a middleware further in, with the response that it made. Some errors make one only once, and whoever stands
/// outside may ask for it as often as they like, and in ways that leave response mappers out.
pub(crate) struct Answered {
    cause: Error,
    response: RefCell<HttpResponse>,
}

impl Answered {
    /// The same error, answered.
    pub(crate) fn by(cause: Error) -> Error {
        let response = RefCell::new(cause.error_response());
        Answered { cause, response }.into()
    }

    pub(crate) fn response(&self) -> RefMut<'_, HttpResponse> {
        self.response.borrow_mut()
    }
}

impl ResponseError for Answered {
    fn status_code(&self) -> StatusCode {
        self.response().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut kept = self.response();
        let status = kept.status();
        let answer = std::mem::replace(&mut *kept, HttpResponse::new(status));
        let (head, body) = answer.into_parts();
        let (now, later) = match body.try_into_bytes() {
            Ok(bytes) => (BoxBody::new(bytes.clone()), BoxBody::new(bytes)),
            Err(stream) => (stream, BoxBody::new(())), // which can be had once
        };
        *kept = HttpResponse::with_body(status, later);
        kept.headers_mut().clone_from(head.headers());
        head.set_body(now)
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}
