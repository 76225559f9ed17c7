//! This library on actix-web.

use std::io;

use actix_web::{App, HttpServer, web};
use anysession_actix::{Session, SessionMiddleware};

use crate::{KEYS, WORKERS, another};

pub fn serve(url: &str) -> io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let sessions = crate::sessions(url).await?;
        let server = HttpServer::new(move || {
            App::new()
                .wrap(SessionMiddleware::new(sessions.clone()))
                .route("/ignore", web::get().to(async || "ok"))
                .route("/read", web::get().to(read))
                .route("/write", web::get().to(write))
                .route("/new", web::get().to(new))
                .route("/regenerate", web::get().to(regenerate))
        });
        let server = server.workers(WORKERS).bind(("127.0.0.1", 0))?;
        println!("http://{}", server.addrs()[0]);
        server.run().await
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
