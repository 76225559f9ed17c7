//! A program of this workspace, running.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A running probe or example. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// What it was started with, to start it again.
    variables: Vec<(String, String)>,
    program: PathBuf,
    /// `http://127.0.0.1:port`, without a slash at its end.
    pub address: String,
}

impl Server {
    /// Starts a program on a free port with these variables and no others.
    ///
    /// # Errors
    ///
    /// When it was not built, or ends without saying where it listens; then with what it said instead.
    pub fn start<K: Into<String>, V: Into<String>>(
        program: &str,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let variables: Vec<_> = variables.collect();
        Server::run(built(program)?, variables, "0")
    }

    /// Kills it as `kill -9` does, and starts it anew on its port.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    pub fn kill_and_restart(&mut self) -> Result {
        self.child.kill()?;
        self.child.wait()?;
        let port = self
            .address
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        let variables = std::mem::take(&mut self.variables);
        *self = Server::run(self.program.clone(), variables, &port)?;
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn run(program: PathBuf, variables: Vec<(String, String)>, port: &str) -> Result<Self> {
        let mut child = Command::new(&program)
            .env_clear()
            .env("PORT", port)
            .env("RUST_LOG", "warn")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut said = Vec::new();
        while let Some(line) = lines.next().transpose()? {
            if let Some(at) = line.find("http://127.0.0.1:") {
                let address = line[at..].trim().to_owned();
                // The rest of what it says must find a reader too.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Server {
                    child,
                    variables,
                    program,
                    address,
                });
            }
            said.push(line);
        }
        let status = child.wait()?;
        Err(format!(
            "{} ended with {status} without saying where it listens: {}",
            program.display(),
            said.join("\n")
        )
        .into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo puts the programs of this workspace: above the folder of the test that is running.
fn built(program: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folders = test
        .ancestors()
        .skip(1)
        .filter(|folder| folder.file_name() != Some(OsStr::new("deps")));
    let program_in = |folder: &Path| Some(folder.join(program)).filter(|path| path.exists());
    let found = folders.take(2).find_map(program_in);
    found.ok_or_else(|| {
        format!("{program} was not built: run `cargo build --workspace` first").into()
    })
}
