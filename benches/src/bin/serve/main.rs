//! `serve <library> <url>` serves four routes on a free port of 127.0.0.1 and prints where. The library is `anysession-axum`,
//! `anysession-actix`, or `by-hand`: a handler of axum with the backend's own client.
//!
//! `/ignore` takes no session, `/read` reads a key of ten, `/write` reads and writes it, `/new` makes a session of ten keys, and
//! `/regenerate`, which nothing by hand has, gives it another id.

mod by_hand;
mod ours_on_actix;
mod ours_on_axum;

use std::io;

use anysession::{Config, Drivers, Sessions};
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [library, url] if library == "anysession-axum" => ours_on_axum::serve(url),
        [library, url] if library == "anysession-actix" => ours_on_actix::serve(url),
        [library, url] if library == "by-hand" => by_hand::serve(url),
        _ => Err(io::Error::other("expected a library and a URL")),
    }
}

/// How many threads answer requests, in every server.
const WORKERS: usize = 2;
/// How many strings a new session holds.
const KEYS: usize = 10;

async fn sessions(url: &str) -> io::Result<Sessions> {
    let drivers = Drivers::default()
        .with(anysession_fs::DRIVER)
        .with(anysession_redis::DRIVER)
        .with(anysession_sql::SQLITE)
        .with(anysession_sql::POSTGRES)
        .with(anysession_sql::MYSQL);
    let config = Config::from_pairs([("url", url), ("cookie.secure", "false")]);
    let config = config.map_err(io::Error::other)?;
    Sessions::connect(config, &drivers)
        .await
        .map_err(io::Error::other)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
}

async fn serve(app: Router) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

/// Another string than this.
fn another(value: Option<String>) -> String {
    match value.as_deref() {
        Some("value3") => "eulav3".to_owned(),
        _ => "value3".to_owned(),
    }
}
