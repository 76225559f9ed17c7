//! Responses that go on when their headers have left.

use std::io;

use anysession_testkit::probe::{Chunks, Conversation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::left;

/// What is sent behind the head.
pub(super) enum Live {
    Stream(Chunks),
    Socket(Conversation),
}

impl Live {
    /// What the head says of it (RFC 9112, 7.1; RFC 6455, 4.2.2).
    pub(super) fn how(&self) -> &'static str {
        match self {
            Live::Stream(_) => "connection: close\r\ntransfer-encoding: chunked",
            // The answer to the key of the RFC's example, which the suite's client sends.
            Live::Socket(_) => {
                "connection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            }
        }
    }

    /// Goes on until the end, or until the client has left.
    pub(super) async fn go_on(self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Live::Stream(chunks) => send(chunks, stream).await,
            Live::Socket(conversation) => converse(&conversation, stream).await,
        }
    }

    /// The whole body at once.
    pub(super) async fn collect(self) -> String {
        let mut body = String::new();
        if let Live::Stream(mut chunks) = self {
            while let Some(chunk) = chunks.next().await {
                body.push_str(&chunk);
            }
        }
        body
    }
}

async fn send(mut chunks: Chunks, stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk.unwrap_or_default(),
            () = left(stream) => return Ok(()),
        };
        let framed = format!("{:x}\r\n{chunk}\r\n", chunk.len());
        stream.write_all(framed.as_bytes()).await?;
        if chunk.is_empty() {
            return Ok(());
        }
    }
}

/// Short texts only (RFC 6455, 5.2), which is all that the suite sends.
async fn converse(conversation: &Conversation, stream: &mut TcpStream) -> io::Result<()> {
    const TEXT: u8 = 0x81;
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head).await?;
        let [TEXT, length, mask @ ..] = head else {
            return Ok(());
        };
        let mut text = vec![0; usize::from(length & 0x7f)];
        stream.read_exact(&mut text).await?;
        let mask = mask.iter().cycle();
        text.iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        let reply = tokio::select! {
            reply = async { conversation.reply(&String::from_utf8_lossy(&text)).await } => reply,
            () = left(stream) => return Ok(()),
        };
        let length = u16::try_from(reply.len()).unwrap_or_default().to_be_bytes();
        let frame = [&[TEXT, 126][..], &length, reply.as_bytes()].concat();
        stream.write_all(&frame).await?;
    }
}
