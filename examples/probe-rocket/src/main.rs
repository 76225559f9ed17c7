//! Serves the probe on 127.0.0.1: `PORT` says where (0 or absent: a free port), `SESSION_*` how.
#![expect(clippy::print_stdout, reason = "says where the probe is")]

use std::error::Error;
use std::time::Duration;

use anysession_rocket::SessionFairing;
use rocket::fairing::AdHoc;

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    probe_setup::log();
    let sessions = SessionFairing::new(probe_setup::sessions().await?);
    let sessions = sessions.cleanup_every(Duration::from_secs(60));
    let app = probe_rocket::app(sessions, probe_setup::address()?);
    let tell = AdHoc::on_liftoff("Address", |rocket| {
        Box::pin(async {
            let config = rocket.config();
            println!("http://{}:{}", config.address, config.port);
        })
    });
    app.attach(tell).launch().await?;
    Ok(())
}
