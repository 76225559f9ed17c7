//! Serves the probe on 127.0.0.1: `PORT` says where (0 or absent: a free port), `SESSION_*` how.
#![expect(clippy::print_stdout, reason = "says where the probe is")]

use std::error::Error;
use std::time::Duration;

use anysession_poem::spawn_cleanup;
use poem::Server;
use poem::listener::TcpAcceptor;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    probe_setup::log();
    let sessions = probe_setup::sessions().await?;
    let cleanup = spawn_cleanup(&sessions, Duration::from_secs(60));

    let listener = tokio::net::TcpListener::bind(probe_setup::address()?).await?;
    println!("http://{}", listener.local_addr()?);
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run_with_graceful_shutdown(probe_poem::app(sessions), stopped, None)
        .await?;
    cleanup.stop().await;
    Ok(())
}
