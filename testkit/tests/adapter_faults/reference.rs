//! The smallest adapter: HTTP/1.1 by hand, one request a connection, and on demand one mistake.

mod body;
mod flaw;
mod http2;
mod live;
mod response;

use std::borrow::Cow;
use std::net::SocketAddr;

use anysession::{Guard, Outcome, ResponseHeaders, Session, Sessions, Unattended};
use anysession_testkit::probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) use flaw::Flaw;
use live::Live;
use response::Response;

/// Serves the probe, and blocks. It gives a handler up whose client has gone.
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
    if flaw != Flaw::Http2Unknown && http2::is_spoken(&stream).await? {
        http2::connection(stream, sessions, flaw).await;
        return Ok(());
    }
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut lines);
    let Ok(httparse::Status::Complete(length)) = request.parse(&bytes) else {
        return stream.write_all(&Response::of(400).bytes(false)).await;
    };
    let mut cookies: Vec<Cow<'_, [u8]>> = (request.headers.iter())
        .filter(|line| line.name.eq_ignore_ascii_case("cookie"))
        .map(|line| flaw::misread(line.value, flaw))
        .take(flaw.cookie_headers())
        .collect();
    let method = request.method.unwrap_or_default();
    let mut target = Cow::Borrowed(request.path.unwrap_or_default());
    if method == "POST" && target.starts_with("/body/") {
        let begun = bytes[length..].to_vec();
        let (body, trailing) = body::read(&mut stream, request.headers, begun, flaw).await?;
        target = format!("{target}/{body}").into();
        cookies.extend(trailing);
    }
    let begun = tokio::select! {
        begun = respond(&sessions, method, &cookies, &target, flaw) => begun,
        () = left(&stream), if flaw != Flaw::HandlerGoesOn => return Ok(()),
    };
    if begun.panicked && flaw == Flaw::ConnectionClosedOnPanic {
        return Ok(());
    }
    let Some(live) = begun.live else {
        let bytes = begun.response.bytes(method == "HEAD");
        return stream.write_all(&bytes).await;
    };
    stream
        .write_all(&begun.response.open_head(live.how()))
        .await?;
    let at_its_end = flaw == Flaw::StreamCommittedAtItsEnd;
    match begun.open {
        Some(guard) if at_its_end => {
            live.go_on(&mut stream).await?;
            let _too_late = guard.close(Outcome::Succeeded).await;
            return Ok(());
        }
        Some(guard) => drop(guard.close(Outcome::Succeeded).await),
        None => {}
    }
    live.go_on(&mut stream).await
}

/// Waits until the client has gone away.
async fn left(stream: &TcpStream) {
    if stream.peek(&mut [0]).await.is_ok_and(|length| length > 0) {
        // It says something instead.
        std::future::pending::<()>().await;
    }
}

/// A response as far as it is known.
#[derive(Default)]
struct Begun {
    response: Response,
    /// What goes on behind its head.
    live: Option<Live>,
    /// Of a request that should have been closed by now.
    open: Option<Guard>,
    panicked: bool,
}

impl Begun {
    fn live(response: Response, live: Live) -> Self {
        Begun {
            live: Some(live),
            ..response.into()
        }
    }

    fn outcome(&self, flaw: Flaw) -> Outcome {
        match flaw {
            Flaw::ChangesKeptOn5xx => Outcome::Succeeded,
            Flaw::ChangesKeptOnPanic if self.panicked => Outcome::Succeeded,
            _ => Outcome::from_status(self.response.status),
        }
    }
}

impl From<Response> for Begun {
    fn from(response: Response) -> Self {
        Begun {
            response,
            ..Begun::default()
        }
    }
}

async fn respond(
    sessions: &Sessions,
    method: &str,
    cookies: &[Cow<'_, [u8]>],
    target: &str,
    flaw: Flaw,
) -> Begun {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let known_method = ["GET", "HEAD"].contains(&method) || path.starts_with("/body/");
    if flaw != Flaw::SessionLoadedOnEveryRoute {
        if !known_method {
            return Response::of(405).into();
        }
        if path == "/none" {
            return ok().into();
        }
    }
    let guard = sessions.guard(match flaw {
        Flaw::NothingSpawned => drop,
        _ => spawn,
    });
    let slot = guard.slot();
    let claim = slot.open(cookies.iter().map(AsRef::as_ref));
    let session = match slot.load(claim).await {
        Ok(session) => session,
        Err(_) if flaw == Flaw::LoadErrorTakenForAnonymous => anonymous(sessions).await,
        Err(error) => return Response::failed(&error, flaw).into(),
    };
    if !known_method {
        return Response::of(405).into();
    }
    let _ends = (flaw == Flaw::SessionEndsWithItsClient).then(|| EndsWhenDropped(session.clone()));
    let known = session.created().is_some();
    let mut begun = handle(sessions, &session, path, query, flaw).await;
    let outcome = begun.outcome(flaw);
    let is_stream = matches!(begun.live, Some(Live::Stream(_)));
    match flaw {
        Flaw::NeverClosed => std::mem::forget(guard),
        Flaw::NotClosedOnFailure if outcome == Outcome::Failed => std::mem::forget(guard),
        Flaw::CommittedAfterTheHeaders if begun.live.is_some() => begun.open = Some(guard),
        Flaw::StreamCommittedAtItsEnd if is_stream => begun.open = Some(guard),
        _ => close(&mut begun, guard, outcome, flaw).await,
    }
    if flaw == Flaw::StreamBuffered
        && is_stream
        && let Some(live) = begun.live.take()
    {
        begun.response.body = live.collect().await;
    }
    if flaw == Flaw::CookieForUnknownIdRemoved && !known && !cookies.is_empty() {
        let removal = "__Host-id=; Max-Age=0; Path=/; Secure".to_owned();
        begun.response.headers.push(("set-cookie", removal));
    }
    begun
}

/// After the close this does nothing.
struct EndsWhenDropped(Session);

impl Drop for EndsWhenDropped {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

fn ok() -> Response {
    Response {
        body: "ok".to_owned(),
        ..Response::default()
    }
}

/// Runs the handler in a task, as a server does that survives its panics. Dropped, it gives the handler up.
async fn handle(
    sessions: &Sessions,
    session: &Session,
    path: &str,
    query: &str,
    flaw: Flaw,
) -> Begun {
    let mut handler = JoinSet::new();
    let (sessions, path, query) = (sessions.clone(), path.to_owned(), query.to_owned());
    let of_handler = session.clone();
    handler.spawn(async move {
        let session = of_handler;
        match path.split('/').nth(1) {
            Some("none") => ok().into(),
            Some("stream" | "events") => {
                let mut chunks = probe::stream(&session, &path, &query);
                if flaw == Flaw::AnotherSessionAfterTheHeaders {
                    chunks = probe::stream(&anonymous(&sessions).await, &path, &query);
                }
                let mut response = Response::default();
                let kind = chunks.content_type().to_owned();
                response.headers.push(("content-type", kind));
                Begun::live(response, Live::Stream(chunks))
            }
            Some("socket") => {
                let mut conversation = probe::socket(&session, &path);
                if flaw == Flaw::AnotherSessionAfterTheHeaders {
                    conversation = probe::socket(&anonymous(&sessions).await, &path);
                }
                Begun::live(Response::of(101), Live::Socket(conversation))
            }
            Some("error") => {
                probe::answer(&session, &path, &query).await;
                let status = path.rsplit('/').next().unwrap_or_default();
                Response::of(status.parse().unwrap_or(400)).into()
            }
            _ => {
                let answer = probe::answer(&session, &path, &query).await;
                Response {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                }
                .into()
            }
        }
    });
    match handler.join_next().await {
        Some(Ok(begun)) => begun,
        _panicked => {
            if flaw == Flaw::PanicEndsTheSession {
                session.destroy();
            }
            Begun {
                panicked: true,
                ..Response::of(500).into()
            }
        }
    }
}

async fn anonymous(sessions: &Sessions) -> Session {
    let slot = sessions.slot();
    let claim = slot.open(std::iter::empty());
    slot.load(claim)
        .await
        .expect("nothing is asked of the store")
}

async fn close(begun: &mut Begun, guard: Guard, outcome: Outcome, flaw: Flaw) {
    let closed = match flaw {
        Flaw::LogOutGivenUpWithItsClient => {
            let slot = guard.slot();
            std::mem::forget(guard);
            slot.close(outcome).await
        }
        _ => guard.close(outcome).await,
    };
    let headers = match closed {
        Ok(headers) => headers,
        Err(_) if flaw == Flaw::SaveErrorIgnored => ResponseHeaders::default(),
        Err(error) => {
            *begun = Response::of(error.status()).into();
            match flaw {
                Flaw::RemovalForgottenOnError => ResponseHeaders::default(),
                _ => error.into_headers(),
            }
        }
    };
    begun.response.append(headers, flaw);
}

/// Finishes a request whose client has left. Without a runtime the process is ending.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}
