//! As much of a WebSocket client (RFC 6455) as it takes to exchange short texts.

use tokio::io::AsyncWriteExt;

use super::http::{Connection, Response, Wire};
use crate::suite::{Failure, ensure};

/// An open socket.
pub(crate) struct WebSocket {
    /// The 101.
    pub(crate) response: Response,
    wire: Wire,
}

/// A frame that is whole, and of one of these kinds.
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;

/// What follows the kind: a client's frames are masked, a server's are not.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// A frame of this length says its length in two more bytes.
const LONG: u8 = 126;

/// The answer to the key of the RFC's example, which is the one that is sent.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl WebSocket {
    pub(crate) async fn open(connection: Connection) -> Result<Self, Failure> {
        let (response, wire) = connection.head().await?;
        ensure!(
            response.status == 101,
            "a WebSocket is opened by a 101, but: {response:?}"
        );
        ensure!(
            response.line("sec-websocket-accept").as_deref() == Some(ACCEPT),
            "a 101 answers the key, but: {response:?}"
        );
        Ok(WebSocket { response, wire })
    }

    /// Sends a text, and gives the reply.
    pub(crate) async fn ask(&mut self, text: &str) -> Result<String, Failure> {
        self.tell(text).await?;
        self.reply().await
    }

    /// Sends a text.
    pub(crate) async fn tell(&mut self, text: &str) -> Result<(), Failure> {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        ensure!(length < LONG, "the trial's own message is too long: {text}");
        let mut frame = vec![TEXT, MASKED | length];
        frame.extend_from_slice(&MASK);
        let mask = MASK.iter().cycle();
        frame.extend(text.bytes().zip(mask).map(|(byte, mask)| byte ^ mask));
        let sent = self.wire.stream.write_all(&frame).await;
        sent.map_err(|error| Failure::new(format!("the socket takes no message: {error}")))
    }

    /// Waits for a text.
    pub(crate) async fn reply(&mut self) -> Result<String, Failure> {
        loop {
            while let Some((kind, at, end)) = frame(&self.wire.unread) {
                let text = String::from_utf8_lossy(&self.wire.unread[at..end]).into_owned();
                self.wire.unread.drain(..end);
                match kind {
                    TEXT => return Ok(text),
                    PING => {}
                    kind => return Err(Failure::new(format!("a text is replied, not {kind:#x}"))),
                }
            }
            ensure!(
                self.wire.fill().await?,
                "every message has a reply, but the socket was closed"
            );
        }
    }
}

/// The kind of the first frame, and where its content lies, if all of it is there.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&kind, &length) = (bytes.first()?, bytes.get(1)?);
    let (at, length) = match length {
        LONG => {
            let long = [*bytes.get(2)?, *bytes.get(3)?];
            (4, usize::from(u16::from_be_bytes(long)))
        }
        length => (2, usize::from(length)),
    };
    (bytes.len() >= at + length).then_some((kind, at, at + length))
}
