//! The example, running.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// A running login-axum. It is killed when this is dropped.
pub(crate) struct Server {
    process: Child,
    /// Without a slash at its end.
    pub(crate) address: String,
}

impl Server {
    /// Starts it in this folder, on a free port.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        Server::listen(folder, "0").await
    }

    /// Kills it as `kill -9` does, and starts it anew in this folder and on the same port.
    pub(crate) async fn kill_and_restart(mut self, folder: &Path) -> Result<Self> {
        self.process.kill().await?;
        let (_, port) = self.address.rsplit_once(':').ok_or("no port")?;
        Server::listen(folder, port).await
    }

    async fn listen(folder: &Path, port: &str) -> Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_login-axum"))
            .current_dir(folder)
            .env_clear()
            .env("PORT", port)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix("Open ") {
                let address = address.to_owned();
                // What it goes on to say must find a reader.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Server { process, address });
            }
        }
        Err("login-axum ended without saying where it listens".into())
    }
}
