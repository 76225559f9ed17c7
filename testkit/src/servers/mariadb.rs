//! MariaDB.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, ServerError, certificates, find, free_port};

const PACKAGE: &str = "mariadb-server";
const CLIENT_PACKAGE: &str = "mariadb-client";
const SYSTEM_USER: &str = "mysql";
const USER: &str = "app";
const PASSWORD: &str = "open-sesame";

/// A MariaDB server on a port of 127.0.0.1 and on a socket, in a folder of its own, with one database `app` and a user
/// who may do everything in it and has a password.
#[derive(Debug)]
pub struct MariaDb {
    program: Program,
    port: u16,
}

/// How a [`MariaDb`] is to be started. By default it does not wait for its disk.
#[derive(Clone, Debug)]
pub struct MariaDbSetup(Vec<(String, String)>);

impl MariaDbSetup {
    /// What it answered is on the disk, as it is for a server that is not for tests.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("innodb-flush-log-at-trx-commit", "1")
    }

    /// It speaks TLS to those who want it, with a certificate for 127.0.0.1 from a CA made for it: [`MariaDb::ca`].
    #[must_use]
    pub fn tls(self) -> Self {
        // Relative to the folder of the data.
        self.setting("ssl-ca", "../ca.crt")
            .setting("ssl-cert", "../server.crt")
            .setting("ssl-key", "../server.key")
    }

    /// Any option of `mariadbd`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes a database and starts the server, which answers when this returns.
    ///
    /// # Errors
    ///
    /// When MariaDB is not installed or does not come up.
    pub fn start(self) -> Result<MariaDb, ServerError> {
        let program = Program::new(find("mariadbd", PACKAGE)?, SYSTEM_USER)?;
        certificates::make(&program)?;
        let install = [
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=8M",
            &data_folder(&program),
        ];
        program.run(&find("mariadb-install-db", PACKAGE)?, install)?;
        let mut server = MariaDb {
            program,
            port: free_port()?,
        };
        server.program.start(server.arguments(&self.0))?;
        server.await_answer()?;
        server.query(&format!(
            "CREATE DATABASE {USER}; CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; \
             GRANT ALL ON {USER}.* TO {USER}@'%';"
        ))?;
        Ok(server)
    }
}

impl MariaDb {
    /// How a server is to be started.
    pub fn setup() -> MariaDbSetup {
        MariaDbSetup(Vec::new()).setting("innodb-flush-log-at-trx-commit", "0")
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
        format!("mysql://{USER}:{PASSWORD}@{address}/{USER}")
    }

    /// The certificate of its CA.
    pub fn ca(&self) -> PathBuf {
        self.program.folder().join("ca.crt")
    }

    /// The process, to be killed, stopped or continued.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
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

    /// Runs statements as the server's root and gives their rows: columns separated by tabs, one row a line.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or answers an error.
    pub fn query(&self, sql: &str) -> Result<String, ServerError> {
        query(&self.socket(), sql)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.program.folder().join("mariadb.sock")
    }

    fn await_answer(&mut self) -> Result<(), ServerError> {
        let socket = self.socket();
        self.program
            .await_answer(|| query(&socket, "SELECT 1").is_ok())
    }

    fn arguments(&self, settings: &[(String, String)]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            "--no-defaults",
            &data_folder(&self.program),
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-log-file-size=8M",
            "--pid-file=mariadb.pid",
        ]
        .map(OsString::from)
        .into();
        arguments.push(format!("--port={}", self.port).into());
        arguments.push(format!("--socket={}", self.socket().display()).into());
        arguments.extend(
            settings
                .iter()
                .map(|(name, value)| format!("--{name}={value}").into()),
        );
        arguments
    }
}

/// In full, because a path is taken to begin where MariaDB is installed.
fn data_folder(program: &Program) -> String {
    format!("--datadir={}", program.folder().join("data").display())
}

fn query(socket: &Path, sql: &str) -> Result<String, ServerError> {
    let output = Command::new(find("mariadb", CLIENT_PACKAGE)?)
        .args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--user=root",
        ])
        .arg(format!("--socket={}", socket.display()))
        .args(["--execute", sql])
        .output()?;
    super::answer("mariadbd", sql, &output)
}
