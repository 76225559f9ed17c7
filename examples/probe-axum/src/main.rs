//! Serves the probe on 127.0.0.1: `PORT` says where (0 or absent: a free port), `SESSION_*` how.
#![expect(clippy::print_stdout, reason = "says where the probe is")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use anysession_axum::anysession::{Config, Drivers, Sessions};
use anysession_axum::spawn_cleanup;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let drivers = Drivers::default().with(anysession_fs::DRIVER);
    let sessions = Sessions::connect(Config::from_env()?, &drivers).await?;
    let cleanup = spawn_cleanup(&sessions, Duration::from_secs(60));

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port()?)).await?;
    println!("http://{}", listener.local_addr()?);
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, probe_axum::app(sessions))
        .with_graceful_shutdown(stopped)
        .await?;
    cleanup.stop().await;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a test program listens is no configuration of a session"
)]
fn port() -> Result<u16, Box<dyn Error>> {
    match std::env::var("PORT") {
        Ok(port) => Ok(port.parse()?),
        Err(_) => Ok(0),
    }
}
