//! What one would write without a library: the id in the cookie is the key, and the record goes back with one byte changed.

use std::io;
use std::sync::Arc;

use anysession_benches::by_hand::{self, Client, Key};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::runtime;

/// As long as a session of ten short strings.
const PAYLOAD: [u8; 150] = [7; 150];

type Shared = State<Arc<dyn Client>>;

pub fn serve(url: &str) -> io::Result<()> {
    runtime()?.block_on(async {
        let client = by_hand::open(url).await.map_err(io::Error::other)?;
        let app = Router::new()
            .route("/ignore", get(async || "ok"))
            .route("/read", get(read))
            .route("/write", get(write))
            .route("/new", get(new))
            .with_state(client);
        crate::serve(app).await
    })
}

async fn read(State(client): Shared, headers: HeaderMap) -> &'static str {
    client.read(&key(&headers)).await;
    "ok"
}

async fn write(State(client): Shared, headers: HeaderMap) -> &'static str {
    let key = key(&headers);
    let mut record = client.read(&key).await;
    record.payload[0] ^= 1;
    client.write(&key, record.version, &record.payload).await;
    "ok"
}

async fn new(State(client): Shared) -> Response {
    let mut key = Key::default();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is what one writes without the library"
    )]
    getrandom::fill(&mut key).expect("the system has some");
    client.create(&key, &PAYLOAD).await;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let cookie = format!("id={digits}; HttpOnly; SameSite=Lax; Path=/");
    ([(header::SET_COOKIE, cookie)], "ok").into_response()
}

fn key(headers: &HeaderMap) -> Key {
    let cookies = headers[header::COOKIE].to_str().expect("ASCII");
    let mut cookies = cookies
        .split("; ")
        .filter_map(|cookie| cookie.strip_prefix("id="));
    let digits = cookies.next().expect("the client sends one");
    let mut key = Key::default();
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    }
    key
}
