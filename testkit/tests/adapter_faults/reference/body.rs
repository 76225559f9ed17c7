//! The body of a request.

use std::borrow::Cow;
use std::io;

use httparse::{Header, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Flaw;

/// Reads a body of which this is there already. Gives its text, and the `Cookie` lines of its trailer that an adapter
/// takes for header lines by mistake.
pub(super) async fn read(
    stream: &mut TcpStream,
    headers: &[Header<'_>],
    mut bytes: Vec<u8>,
    flaw: Flaw,
) -> io::Result<(String, Vec<Cow<'static, [u8]>>)> {
    if value(headers, "expect").is_some() {
        let vary = match flaw {
            Flaw::InterimResponseVaries => "vary: cookie\r\n",
            _ => "",
        };
        let interim = format!("HTTP/1.1 100 \r\n{vary}\r\n");
        stream.write_all(interim.as_bytes()).await?;
    }
    if value(headers, "transfer-encoding").is_none() {
        let length = value(headers, "content-length").unwrap_or_default();
        let length = length.parse().map_err(io::Error::other)?;
        while bytes.len() < length {
            more(stream, &mut bytes).await?;
        }
        return Ok((text(&bytes), Vec::new()));
    }
    let mut body = String::new();
    loop {
        let size = httparse::parse_chunk_size(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        match size {
            Status::Complete((at, 0)) if bytes.ends_with(b"\r\n\r\n") => {
                return Ok((body, cookies(&bytes[at..], flaw)));
            }
            Status::Complete((at, size)) if size > 0 && bytes.len() >= at + size as usize + 2 => {
                let end = at + size as usize;
                body.push_str(&text(&bytes[at..end]));
                bytes.drain(..end + 2);
            }
            _ => more(stream, &mut bytes).await?,
        }
    }
}

fn cookies(trailer: &[u8], flaw: Flaw) -> Vec<Cow<'static, [u8]>> {
    let mut lines = [httparse::EMPTY_HEADER; 8];
    match httparse::parse_headers(trailer, &mut lines) {
        Ok(Status::Complete((_, lines))) if flaw == Flaw::TrailerReadAsHeader => {
            let cookie = lines.iter().filter(|line| line.name == "Cookie");
            cookie.map(|line| Cow::Owned(line.value.to_vec())).collect()
        }
        _ => Vec::new(),
    }
}

fn value(headers: &[Header<'_>], name: &str) -> Option<String> {
    let line = headers
        .iter()
        .find(|line| line.name.eq_ignore_ascii_case(name))?;
    Some(text(line.value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
