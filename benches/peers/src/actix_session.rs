//! actix-session with its Redis store.

use std::io;

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::{App, HttpServer, web};

use crate::{KEYS, WORKERS, another};

pub fn serve(url: &str) -> io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let store = RedisSessionStore::new(url)
            .await
            .map_err(io::Error::other)?;
        let key = Key::generate();
        let server = HttpServer::new(move || {
            let sessions = SessionMiddleware::builder(store.clone(), key.clone())
                .cookie_secure(false)
                .build();
            App::new()
                .wrap(sessions)
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

async fn read(session: Session) -> actix_web::Result<&'static str> {
    session
        .get::<String>("key3")?
        .expect("a new session holds it");
    Ok("ok")
}

async fn write(session: Session) -> actix_web::Result<&'static str> {
    let value = session.get("key3")?;
    session.insert("key3", another(value))?;
    Ok("ok")
}

async fn regenerate(session: Session) -> &'static str {
    session.renew();
    "ok"
}

async fn new(session: Session) -> actix_web::Result<&'static str> {
    for n in 0..KEYS {
        session.insert(format!("key{n}"), format!("value{n}"))?;
    }
    Ok("ok")
}
