//! A response whose body comes piece by piece.

use super::http::{Connection, Response, Wire};
use crate::suite::{Failure, ensure};

/// A response that goes on.
pub(crate) struct Streaming {
    /// Its head.
    pub(crate) response: Response,
    wire: Wire,
    /// The end of a piece.
    end: &'static str,
    /// Of the body, without its chunks' framing.
    unread: Vec<u8>,
}

impl Streaming {
    pub(crate) async fn begin(connection: Connection) -> Result<Self, Failure> {
        let (response, wire) = connection.head().await?;
        ensure!(
            response.line("transfer-encoding").as_deref() == Some("chunked"),
            "a body that is made while it is sent is chunked, but: {response:?}"
        );
        let kind = response.line("content-type").unwrap_or_default();
        Ok(Streaming {
            end: match kind.starts_with("text/event-stream") {
                true => "\n\n",
                false => "\n",
            },
            response,
            wire,
            unread: Vec::new(),
        })
    }

    /// What the probe says next. `None` if the body has ended, or was cut off.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            let text = String::from_utf8_lossy(&self.unread);
            if let Some((said, rest)) = text.split_once(self.end) {
                let said = said.strip_prefix("data: ").unwrap_or(said).to_owned();
                self.unread = rest.as_bytes().to_vec();
                return Ok(Some(said));
            }
            if !self.take_chunk().await? {
                return Ok(None);
            }
        }
    }

    /// `false` if there is none.
    async fn take_chunk(&mut self) -> Result<bool, Failure> {
        loop {
            let raw = &mut self.wire.unread;
            match httparse::parse_chunk_size(raw) {
                Ok(httparse::Status::Complete((_, 0))) => return Ok(false),
                Ok(httparse::Status::Complete((at, size)))
                    if raw.len() >= at + size as usize + 2 =>
                {
                    let end = at + size as usize;
                    self.unread.extend_from_slice(&raw[at..end]);
                    raw.drain(..end + 2);
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) => return Err(Failure::new(format!("this is no chunk: {error}"))),
            }
            if !self.wire.fill().await? {
                return Ok(false);
            }
        }
    }
}
