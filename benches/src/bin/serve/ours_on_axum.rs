//! This library on axum.

use std::io;

use anysession_axum::{Session, SessionLayer};
use axum::Router;
use axum::routing::get;

use crate::{KEYS, another, runtime};

pub fn serve(url: &str) -> io::Result<()> {
    runtime()?.block_on(async {
        let sessions = crate::sessions(url).await?;
        let app = Router::new()
            .route("/ignore", get(async || "ok"))
            .route("/read", get(read))
            .route("/write", get(write))
            .route("/new", get(new))
            .route("/regenerate", get(regenerate))
            .layer(SessionLayer::new(sessions));
        crate::serve(app).await
    })
}

async fn read(session: Session) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    assert!(value.is_some(), "a new session holds it");
    "ok"
}

async fn write(session: Session) -> &'static str {
    let value = session.get("key3").expect("a string");
    session
        .insert("key3", another(value))
        .expect("there is room");
    "ok"
}

async fn regenerate(session: Session) -> &'static str {
    session.regenerate_id().expect("there is a session");
    "ok"
}

async fn new(session: Session) -> &'static str {
    for n in 0..KEYS {
        let inserted = session.insert(format!("key{n}"), format!("value{n}"));
        inserted.expect("there is room");
    }
    "ok"
}
