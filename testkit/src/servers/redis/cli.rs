//! `redis-cli`, which comes with the server.

use std::path::PathBuf;
use std::process::Command;

use super::super::{ServerError, find};

#[derive(Clone, Debug)]
pub(super) struct Cli {
    path: PathBuf,
    port: u16,
    password: Option<String>,
    ca: Option<PathBuf>,
}

impl Cli {
    pub(super) fn new(
        port: u16,
        password: Option<String>,
        ca: Option<PathBuf>,
    ) -> Result<Self, ServerError> {
        Ok(Cli {
            path: find("redis-cli", "redis-tools")?,
            port,
            password,
            ca,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Result<String, ServerError> {
        let mut client = Command::new(&self.path);
        // With -e the exit status tells an error from an answer.
        client.args(["-e", "-p", &self.port.to_string()]);
        if let Some(password) = &self.password {
            client.args(["--no-auth-warning", "-a", password]);
        }
        if let Some(ca) = &self.ca {
            client.args(["--tls", "--cacert"]).arg(ca);
        }
        let output = client.args(arguments).output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .trim_end()
            .to_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(ServerError::Down {
                program: format!("redis-server, asked for {}", arguments.join(" ")),
                log: said,
            }),
        }
    }
}
