//! Serves the probe on 127.0.0.1: `PORT` says where (0 or absent: a free port), `SESSION_*` how.
#![expect(clippy::print_stdout, reason = "says where the probe is")]

use std::error::Error;
use std::time::Duration;

use actix_web::HttpServer;
use anysession_actix::spawn_cleanup;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    probe_setup::log();
    let sessions = probe_setup::sessions().await?;
    let cleanup = spawn_cleanup(&sessions, Duration::from_secs(60));

    let server = HttpServer::new(move || probe_actix::app(sessions.clone()))
        .bind_auto_h2c(probe_setup::address()?)?;
    for address in server.addrs() {
        println!("http://{address}");
    }
    server.run().await?;
    cleanup.stop().await;
    Ok(())
}
