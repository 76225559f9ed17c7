//! PostgreSQL.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, ServerError, certificates, find, free_port};

const PACKAGE: &str = "postgresql";
const CLIENT_PACKAGE: &str = "postgresql-client";
const USER: &str = "postgres";
const PASSWORD: &str = "open-sesame";

/// A PostgreSQL server on a port of 127.0.0.1 and on a socket, in a folder of its own, with one database and a superuser
/// who has a password.
#[derive(Debug)]
pub struct Postgres {
    program: Program,
    port: u16,
    settings: Vec<(String, String)>,
}

/// How a [`Postgres`] is to be started. By default it does not wait for its disk.
#[derive(Clone, Debug)]
pub struct PostgresSetup(Vec<(String, String)>);

impl PostgresSetup {
    /// What it answered is on the disk, as it is for a server that is not for tests.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("fsync", "on")
            .setting("synchronous_commit", "on")
    }

    /// It speaks TLS to those who want it, with a certificate for 127.0.0.1 from a CA made for it: [`Postgres::ca`].
    #[must_use]
    pub fn tls(self) -> Self {
        // Relative to the folder of the data.
        self.setting("ssl", "on")
            .setting("ssl_cert_file", "../server.crt")
            .setting("ssl_key_file", "../server.key")
    }

    /// Any line of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes a database and starts the server, which answers when this returns.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed or does not come up.
    pub fn start(self) -> Result<Postgres, ServerError> {
        let program = Program::new(find("postgres", PACKAGE)?, USER)?;
        let password = program.folder().join("password");
        std::fs::write(&password, PASSWORD)?;
        program.hand_over(&password)?;
        certificates::make(&program)?;
        let mut arguments: Vec<OsString> = ["-D", "data", "-U", USER, "-E", "UTF8"]
            .map(OsString::from)
            .into();
        arguments.extend(["--no-locale", "--no-sync", "--auth=scram-sha-256"].map(OsString::from));
        arguments.push("--pwfile=password".into());
        program.run(&find("initdb", PACKAGE)?, arguments)?;
        let mut postgres = Postgres {
            program,
            port: free_port()?,
            settings: self.0,
        };
        postgres.program.start(postgres.arguments())?;
        postgres.await_answer()?;
        Ok(postgres)
    }
}

impl Postgres {
    /// How a server is to be started.
    pub fn setup() -> PostgresSetup {
        PostgresSetup(Vec::new())
            .setting("fsync", "off")
            .setting("synchronous_commit", "off")
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL of its database, without options.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The same behind another address: that of a proxy.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://{USER}:{PASSWORD}@{address}/postgres")
    }

    /// The certificate of its CA.
    pub fn ca(&self) -> PathBuf {
        self.program.folder().join("ca.crt")
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.program.folder()
    }

    /// The process, to be killed, stopped or continued.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// What `pg_ctl restart -m immediate` does: every process of the server ends at once, as in a crash, and it starts
    /// again and recovers.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart_immediately(&mut self) -> Result<(), ServerError> {
        self.program.end("QUIT")?;
        self.restart()
    }

    /// Starts it again after it was killed, on the same port.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.program.restart()?;
        self.await_answer()
    }

    /// Runs statements and gives their rows: columns separated by `|`, one row a line.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or answers an error.
    pub fn query(&self, sql: &str) -> Result<String, ServerError> {
        query(self.port, sql)
    }

    fn await_answer(&mut self) -> Result<(), ServerError> {
        let port = self.port;
        self.program
            .await_answer(|| query(port, "SELECT 1").is_ok())
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-D".into(), "data".into()];
        let port = self.port.to_string();
        let folder = self.program.folder().display().to_string();
        let own = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &folder),
        ];
        let settings = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(settings) {
            arguments.push("-c".into());
            arguments.push(format!("{name}={value}").into());
        }
        arguments
    }
}

/// At once, but in good order: a server that is killed leaves a piece of shared memory behind.
impl Drop for Postgres {
    fn drop(&mut self) {
        // It may not run, and then there is nothing to end.
        let _ = self.program.end("QUIT");
    }
}

fn query(port: u16, sql: &str) -> Result<String, ServerError> {
    let output = Command::new(find("psql", CLIENT_PACKAGE)?)
        .env("PGPASSWORD", PASSWORD)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .args(["-h", "127.0.0.1", "-U", USER, "-d", "postgres"])
        .args(["-p", &port.to_string(), "-c", sql])
        .output()?;
    super::answer("postgres", sql, &output)
}
