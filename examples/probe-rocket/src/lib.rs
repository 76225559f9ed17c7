//! The probe on Rocket; its routes are those of [`anysession_testkit::probe`].
#![expect(
    clippy::needless_pass_by_value,
    reason = "Rocket hands guards over by value"
)]

use std::io::Cursor;
use std::net::SocketAddr;

use anysession_rocket::anysession::Sessions;
use anysession_rocket::{Session, SessionFairing};
use anysession_testkit::{Suite, probe};
use rocket::config::Shutdown;
use rocket::futures::{SinkExt, StreamExt};
use rocket::http::uri::Origin;
use rocket::http::{ContentType, Status};
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};
use rocket::{Build, Config, Request, Response, Rocket, get, post, routes};
use rocket_ws::{Channel, Message, WebSocket};
use tracing_log::LogTracer;
use tracing_log::log::LevelFilter;

/// The probe on this address.
pub fn app(sessions: SessionFairing, address: SocketAddr) -> Rocket<Build> {
    let config = Config {
        address: address.ip(),
        port: address.port(),
        ..Config::release_default()
    };
    // What Rocket says goes where everything else goes, instead of to standard output.
    let _taken = LogTracer::init_with_filter(LevelFilter::Info);
    rocket::custom(config)
        .mount(
            "/",
            routes![none, stream, events, socket, error, upload, answer],
        )
        .attach(sessions)
}

/// Serves the probe with these sessions on this address, and blocks: what the adapter suite asks for.
///
/// # Panics
///
/// If the address cannot be had.
pub fn serve(sessions: Sessions, address: SocketAddr) {
    // The suite counts what is deleted, and stops with the process.
    let sessions = SessionFairing::new(sessions).cleanup_every(None);
    let shutdown = Shutdown {
        ctrlc: false,
        ..Shutdown::default()
    };
    let app = app(sessions, address);
    let figment = app.figment().clone().merge((Config::SHUTDOWN, shutdown));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    if let Err(error) = runtime.block_on(app.configure(figment).launch()) {
        panic!("the probe cannot be served on {address}: {error}");
    }
}

/// The suite for the ways that Rocket goes. It runs each handler in a task of its own, and hands on no header line that is
/// not UTF-8.
pub fn declare(suite: Suite) -> Suite {
    suite
        .declares("a_panic_is_answered_with_500")
        .declares("a_handler_goes_on_when_its_client_leaves")
        .declares("a_handler_goes_on_when_its_client_leaves_over_http_2")
        .declares("a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped")
}

#[get("/none")]
fn none() -> &'static str {
    "ok"
}

#[get("/<_..>")]
async fn answer(session: Session, uri: &Origin<'_>) -> Answer {
    Answer(probe::answer(&session, uri.path().as_str(), query(uri)).await)
}

/// Answers with an error of Rocket's own.
#[get("/error/<_>/<_>/<status>")]
async fn error(session: Session, uri: &Origin<'_>, status: u16) -> Status {
    probe::answer(&session, uri.path().as_str(), query(uri)).await;
    Status::new(status)
}

#[post("/body/<_>", data = "<body>")]
async fn upload(session: Session, uri: &Origin<'_>, body: String) -> Answer {
    Answer(probe::answer(&session, &format!("{}/{body}", uri.path()), "").await)
}

#[get("/stream/<_..>")]
fn stream(session: Session, uri: &Origin<'_>) -> (ContentType, ByteStream![String]) {
    (ContentType::Plain, chunks(&session, uri))
}

#[get("/events/<_..>")]
fn events(session: Session, uri: &Origin<'_>) -> (ContentType, ByteStream![String]) {
    (ContentType::EventStream, chunks(&session, uri))
}

fn chunks(session: &Session, uri: &Origin<'_>) -> ByteStream![String] {
    let mut chunks = probe::stream(session, uri.path().as_str(), query(uri));
    ByteStream! {
        while let Some(chunk) = chunks.next().await {
            yield chunk;
        }
    }
}

#[get("/socket/<_..>")]
fn socket(session: Session, uri: &Origin<'_>, socket: WebSocket) -> Channel<'static> {
    let conversation = probe::socket(&session, uri.path().as_str());
    socket.channel(move |mut socket| {
        Box::pin(async move {
            while let Some(message) = socket.next().await {
                if let Message::Text(text) = message? {
                    socket.send(conversation.reply(&text).await.into()).await?;
                }
            }
            Ok(())
        })
    })
}

fn query<'u>(uri: &'u Origin<'_>) -> &'u str {
    uri.query().map_or("", |query| query.as_str())
}

struct Answer(probe::Answer);

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let Answer(answer) = self;
        let mut response = Response::build();
        response.status(Status::new(answer.status));
        for (name, value) in answer.headers {
            response.raw_header_adjoin(name, value);
        }
        response.sized_body(answer.body.len(), Cursor::new(answer.body));
        response.ok()
    }
}
