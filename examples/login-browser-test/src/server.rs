//! The example, running.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// The program of a login example.
#[derive(Clone, Copy)]
pub(crate) struct Example(pub(crate) &'static str);

impl Example {
    /// Starts it on a free port.
    pub(crate) async fn start(self) -> Result<Server> {
        Server::listen(self, TempDir::new()?, "0").await
    }
}

/// A running example, in a folder of its own. It is killed when this is dropped.
pub(crate) struct Server {
    example: Example,
    process: Child,
    folder: TempDir,
    /// Without a slash at its end.
    pub(crate) address: String,
}

impl Server {
    /// Kills it as `kill -9` does, and starts it anew in its folder and on its port.
    pub(crate) async fn kill_and_restart(mut self) -> Result<Self> {
        self.process.kill().await?;
        let (_, port) = self.address.rsplit_once(':').ok_or("no port")?;
        Server::listen(self.example, self.folder, port).await
    }

    async fn listen(example: Example, folder: TempDir, port: &str) -> Result<Self> {
        let mut process = Command::new(example.0)
            .current_dir(folder.path())
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
                // The rest of what it says must find a reader too.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Server {
                    example,
                    process,
                    folder,
                    address,
                });
            }
        }
        Err(format!("{} ended without saying where it listens", example.0).into())
    }
}
