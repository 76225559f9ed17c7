//! What the probes of all frameworks set up alike: every driver linked, events on standard error, and where to listen.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use anysession::{Config, Drivers, Sessions};

/// Sessions as the `SESSION_*` variables say, on whichever store they name.
///
/// # Errors
///
/// When the configuration is wrong or the store cannot be opened.
pub async fn sessions() -> Result<Sessions, Box<dyn Error + Send + Sync>> {
    let drivers = Drivers::default()
        .with(anysession_fs::DRIVER)
        .with(anysession_redis::DRIVER)
        .with(anysession_sql::SQLITE)
        .with(anysession_sql::POSTGRES)
        .with(anysession_sql::MYSQL);
    Ok(Sessions::connect(Config::from_env()?, &drivers).await?)
}

/// Events go to standard error, as `RUST_LOG` wishes.
pub fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
}

/// 127.0.0.1 and the port in the variable `PORT`; 0, or none: a free one.
///
/// # Errors
///
/// When `PORT` is no port.
#[expect(
    clippy::disallowed_methods,
    reason = "where a test program listens is no configuration of a session"
)]
pub fn address() -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
    let port = match std::env::var("PORT") {
        Ok(port) => port
            .parse()
            .map_err(|_| format!("PORT={port:?}: expected a number up to 65535"))?,
        Err(_) => 0,
    };
    Ok((Ipv4Addr::LOCALHOST, port).into())
}
