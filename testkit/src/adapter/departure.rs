//! How a client goes away in the middle of a request.

use std::time::Duration;

use super::browser::Browser;
use super::ensure_eq;
use super::http::{COOKIE, Connection};
use super::multiplexed::{Multiplexed, Stream};
use crate::suite::Failure;

/// What a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// Its connection of HTTP/1.
    Http1,
    /// The stream of its request, of an HTTP/2 connection that stays.
    Stream,
    /// Its HTTP/2 connection, with all streams.
    Http2,
}

pub(super) const OVER_HTTP_2: [Departure; 2] = [Departure::Stream, Departure::Http2];

/// For a server to hear of a client that has gone, on a machine that is busy.
pub(super) const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// A client that will go away.
pub(super) enum Leaving {
    Http1(Connection),
    Stream(Multiplexed, Stream),
    Http2(Multiplexed, Stream),
}

impl Leaving {
    /// Requests a page.
    pub(super) async fn begin(
        browser: &Browser,
        departure: Departure,
        page: &str,
    ) -> Result<Self, Failure> {
        if departure == Departure::Http1 {
            return Ok(Leaving::Http1(browser.connect(page).await?));
        }
        let cookie = browser.id().map(|id| format!("{COOKIE}={id}"));
        let crumbs: Vec<&str> = cookie.as_deref().into_iter().collect();
        let connection = browser.multiplexed().await?;
        let stream = connection.request(page, &crumbs).await?;
        Ok(match departure {
            Departure::Stream => Leaving::Stream(connection, stream),
            _ => Leaving::Http2(connection, stream),
        })
    }

    /// Goes.
    pub(super) fn go(self) -> Left {
        match self {
            Leaving::Http1(connection) => drop(connection),
            Leaving::Http2(connection, stream) => drop((connection, stream)),
            Leaving::Stream(connection, stream) => {
                stream.reset();
                return Left(Some(connection));
            }
        }
        Left(None)
    }
}

/// What stays when a client has gone: the connection of which it reset a stream.
#[must_use = "dropped, it breaks off"]
pub(super) struct Left(Option<Multiplexed>);

impl Left {
    /// A stream that was reset is the end of no other one.
    pub(super) async fn serves_others(self) -> Result<(), Failure> {
        if let Some(connection) = self.0 {
            let stream = connection.request("/get/k", &[]).await?;
            let (_, text) = stream.answer().await?;
            ensure_eq!(text, "-", "another stream of the same connection");
        }
        Ok(())
    }
}
