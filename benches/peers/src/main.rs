//! `anysession-bench-peers <library> <url>` serves a peer with its own store on a free port of 127.0.0.1, and prints where.
//! Its routes are those of `serve`, in the benches.

mod actix_session;
mod tower_sessions;

use std::io;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [library, url] if library == "tower-sessions" => tower_sessions::serve(url),
        [library, url] if library == "actix-session" => actix_session::serve(url),
        _ => Err(io::Error::other(
            "expected tower-sessions or actix-session, and a URL",
        )),
    }
}

/// How many threads answer requests, in every server.
const WORKERS: usize = 2;
/// How many strings a new session holds.
const KEYS: usize = 10;

/// Another string than this.
fn another(value: Option<String>) -> String {
    match value.as_deref() {
        Some("value3") => "eulav3".to_owned(),
        _ => "value3".to_owned(),
    }
}
