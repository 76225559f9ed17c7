//! What one would write without a library: the id in the cookie is the key, and the record is a map of strings in JSON.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use anysession_benches::by_hand::{self, Client, Key};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{KEYS, another, runtime};

type Session = BTreeMap<String, String>;
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
    let record = client.read(&key(&headers)).await;
    let session: Session = serde_json::from_slice(&record.payload).expect("it was written here");
    assert!(session.contains_key("key3"), "a new session holds it");
    "ok"
}

async fn write(State(client): Shared, headers: HeaderMap) -> &'static str {
    let key = key(&headers);
    let record = client.read(&key).await;
    let mut session: Session =
        serde_json::from_slice(&record.payload).expect("it was written here");
    let value = another(session.remove("key3"));
    session.insert("key3".to_owned(), value);
    let payload = serde_json::to_vec(&session).expect("it is a map of strings");
    client.write(&key, record.version, &payload).await;
    "ok"
}

async fn new(State(client): Shared) -> Response {
    let mut key = Key::default();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is what one writes without the library"
    )]
    getrandom::fill(&mut key).expect("the system has some");
    let session: Session = (0..KEYS)
        .map(|n| (format!("key{n}"), format!("value{n}")))
        .collect();
    let payload = serde_json::to_vec(&session).expect("it is a map of strings");
    client.create(&key, &payload).await;
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
