//! The smallest adapter: HTTP/1.1 by hand, one request a connection, and on demand one mistake.

use std::borrow::Cow;
use std::net::SocketAddr;

use anysession::{Error, Outcome, ResponseHeaders, Session, Sessions, Slot};
use anysession_testkit::probe::{self, Answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an adapter may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    ChangesKeptOn5xx,
    ChangesKeptOnPanic,
    SessionLoadedOnEveryRoute,
    OneCookieHeaderRead,
    CookieNamesDecoded,
    UnicodeSpacesTrimmed,
    CookieForUnknownIdRemoved,
    CookieSetTwice,
    SetCookieFolded,
    CookieNotSetOnErrors,
    CookieNotSetWithoutBody,
    VaryLeftOut,
    VaryDuplicated,
    CacheControlOverwritten,
    LoadErrorTakenForAnonymous,
    ErrorShown,
    SaveErrorIgnored,
    RemovalForgottenOnError,
    CookieLogged,
    NeverClosed,
}

/// Serves the probe, and blocks. It does not give a handler up whose client has gone.
pub(crate) fn serve(sessions: &Sessions, address: SocketAddr, flaw: Flaw) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(address)
            .await
            .expect("the address is free");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(connection(stream, sessions.clone(), flaw));
        }
    });
}

async fn connection(mut stream: TcpStream, sessions: Sessions, flaw: Flaw) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut lines);
    let mut response = Response::default();
    let Ok(httparse::Status::Complete(_)) = request.parse(&bytes) else {
        response.status = 400;
        return stream.write_all(&response.bytes(false)).await;
    };
    let cookies: Vec<Cow<'_, [u8]>> = (request.headers.iter())
        .filter(|line| line.name.eq_ignore_ascii_case("cookie"))
        .map(|line| misread(line.value, flaw))
        .take(match flaw {
            Flaw::OneCookieHeaderRead => 1,
            _ => usize::MAX,
        })
        .collect();
    let target = request.path.unwrap_or_default();
    respond(&mut response, &sessions, &cookies, target, flaw).await;
    let bytes = response.bytes(request.method == Some("HEAD"));
    stream.write_all(&bytes).await
}

async fn respond(
    response: &mut Response,
    sessions: &Sessions,
    cookies: &[Cow<'_, [u8]>],
    target: &str,
    flaw: Flaw,
) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path == "/none" && flaw != Flaw::SessionLoadedOnEveryRoute {
        response.body = "ok".to_owned();
        return;
    }
    let mut slot = sessions.slot();
    let claim = slot.open(cookies.iter().map(AsRef::as_ref));
    let session = match slot.load(claim).await {
        Ok(session) => session,
        Err(_) if flaw == Flaw::LoadErrorTakenForAnonymous => {
            slot = sessions.slot();
            let claim = slot.open(std::iter::empty());
            slot.load(claim)
                .await
                .expect("nothing is asked of the store")
        }
        Err(error) => return response.fail(&error, flaw),
    };
    let known = session.created().is_some();
    let outcome = handle(response, session, path, query, flaw).await;
    if flaw != Flaw::NeverClosed {
        close(response, &slot, outcome, flaw).await;
    }
    if flaw == Flaw::CookieForUnknownIdRemoved && !known && !cookies.is_empty() {
        let removal = "__Host-id=; Max-Age=0; Path=/; Secure".to_owned();
        response.headers.push(("set-cookie", removal));
    }
}

/// Runs the handler in a task, as a server does that survives its panics.
async fn handle(
    response: &mut Response,
    session: Session,
    path: &str,
    query: &str,
    flaw: Flaw,
) -> Outcome {
    let (path, query) = (path.to_owned(), query.to_owned());
    let handler = tokio::spawn(async move {
        match path.as_str() {
            "/none" => None,
            path => Some(probe::answer(&session, path, &query).await),
        }
    });
    let answer = handler.await;
    let panicked = answer.is_err();
    match answer {
        Ok(None) => response.body = "ok".to_owned(),
        Ok(Some(Answer {
            status,
            headers,
            body,
        })) => {
            (response.status, response.body) = (status, body);
            response.headers = headers;
        }
        Err(_panic) => response.status = 500,
    }
    match flaw {
        Flaw::ChangesKeptOn5xx => Outcome::Succeeded,
        Flaw::ChangesKeptOnPanic if panicked => Outcome::Succeeded,
        _ => Outcome::from_status(response.status),
    }
}

async fn close(response: &mut Response, slot: &Slot, outcome: Outcome, flaw: Flaw) {
    let headers = match slot.close(outcome).await {
        Ok(headers) => headers,
        Err(_) if flaw == Flaw::SaveErrorIgnored => ResponseHeaders::default(),
        Err(error) => {
            *response = Response {
                status: error.status(),
                ..Response::default()
            };
            match flaw {
                Flaw::RemovalForgottenOnError => ResponseHeaders::default(),
                _ => error.into_headers(),
            }
        }
    };
    for line in headers.into_lines() {
        let present = response
            .headers
            .iter()
            .filter(|(name, _)| *name == line.name);
        let wanted = line.is_wanted(present.map(|(_, value)| value.as_bytes()));
        let is_cookie = line.name == "set-cookie";
        let skipped = match flaw {
            Flaw::VaryLeftOut => line.name == "vary",
            Flaw::CookieNotSetOnErrors => is_cookie && response.status >= 400,
            Flaw::CookieNotSetWithoutBody => is_cookie && response.body.is_empty(),
            Flaw::VaryDuplicated if line.name == "vary" => false,
            Flaw::CacheControlOverwritten if line.name == "cache-control" => {
                response.headers.retain(|(name, _)| *name != line.name);
                false
            }
            _ => !wanted,
        };
        if flaw == Flaw::CookieLogged {
            tracing::trace!(value = %line.value, "header line");
        }
        if !skipped {
            let value = line.value.into_owned();
            if is_cookie && flaw == Flaw::CookieSetTwice {
                response.headers.push((line.name, value.clone()));
            }
            response.headers.push((line.name, value));
        }
    }
    if flaw == Flaw::SetCookieFolded {
        response.fold("set-cookie");
    }
}

fn misread(header: &[u8], flaw: Flaw) -> Cow<'_, [u8]> {
    match flaw {
        Flaw::CookieNamesDecoded => percent_encoding::percent_decode(header).collect(),
        Flaw::UnicodeSpacesTrimmed => match std::str::from_utf8(header) {
            Ok(text) => {
                let crumbs: Vec<_> = text.split(';').map(str::trim).collect();
                Cow::Owned(crumbs.join(";").into_bytes())
            }
            Err(_) => Cow::Borrowed(header),
        },
        _ => Cow::Borrowed(header),
    }
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Default for Response {
    fn default() -> Self {
        Response {
            status: 200,
            headers: Vec::new(),
            body: String::new(),
        }
    }
}

impl Response {
    fn fail(&mut self, error: &Error, flaw: Flaw) {
        self.status = error.status();
        if flaw == Flaw::ErrorShown {
            self.body = error.to_string();
        }
    }

    fn fold(&mut self, name: &'static str) {
        let (lines, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.headers)
            .into_iter()
            .partition(|line| line.0 == name);
        self.headers = others;
        let values: Vec<_> = lines.into_iter().map(|line| line.1).collect();
        if !values.is_empty() {
            self.headers.push((name, values.join(", ")));
        }
    }

    fn bytes(&self, of_head: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} \r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        if !of_head {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}
