//! Redis: one server, a Cluster, or Sentinels with what they watch.

mod cli;
mod cluster;
mod monitor;
mod sentinels;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{Program, ServerError, certificates, find, free_port};
use cli::Cli;

pub use cluster::RedisCluster;
pub use monitor::Monitor;
pub use sentinels::RedisSentinels;

const PACKAGE: &str = "redis-server";
const USER: &str = "redis";

/// A Redis server on a port of 127.0.0.1, in a folder of its own.
#[derive(Debug)]
pub struct Redis {
    program: Program,
    cli: Cli,
    setup: RedisSetup,
}

/// How a [`Redis`] is to be started. By default it persists nothing, has no password, and speaks plain TCP.
#[derive(Clone, Debug, Default)]
pub struct RedisSetup {
    password: Option<String>,
    unix_socket: bool,
    tls: bool,
    settings: Vec<(String, String)>,
}

impl RedisSetup {
    /// Every write is on the disk before it is answered, so that a killed server has lost nothing.
    #[must_use]
    pub fn append_only(self) -> Self {
        self.setting("appendonly", "yes")
            .setting("appendfsync", "always")
    }

    /// Clients, and replicas, must say this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.setting("requirepass", password)
            .setting("masterauth", password)
    }

    /// It listens on a Unix socket too: [`Redis::socket`].
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// It speaks TLS only, with a certificate for 127.0.0.1 from a CA made for it: [`Redis::ca`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// It replicates another server.
    #[must_use]
    pub fn replica_of(self, master: &Redis) -> Self {
        let master = format!("{} {}", Ipv4Addr::LOCALHOST, master.port());
        self.setting("replicaof", &master)
    }

    /// Any other line of `redis.conf`. The value is one argument or several, as there.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// When Redis is not installed or does not come up.
    pub fn start(self) -> Result<Redis, ServerError> {
        const ATTEMPTS: usize = 3;
        for _ in 1..ATTEMPTS {
            // Somebody else may take the port that was free a moment ago.
            match Redis::start_on(free_port()?, self.clone()) {
                Err(ServerError::Down { .. }) => {}
                other => return other,
            }
        }
        Redis::start_on(free_port()?, self)
    }
}

impl Redis {
    /// How a server is to be started.
    pub fn setup() -> RedisSetup {
        RedisSetup::default()
    }

    fn start_on(port: u16, setup: RedisSetup) -> Result<Self, ServerError> {
        let program = Program::new(find("redis-server", PACKAGE)?, USER)?;
        let ca = setup.tls.then(|| program.folder().join("ca.crt"));
        let cli = Cli::new(port, setup.password.clone(), ca)?;
        let mut redis = Redis {
            program,
            cli,
            setup,
        };
        if redis.setup.tls {
            certificates::make(&redis.program)?;
        }
        redis.program.start(redis.arguments(port))?;
        redis.await_answer()?;
        Ok(redis)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.cli.port()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Its Unix socket, if it was asked for.
    pub fn socket(&self) -> PathBuf {
        self.program.folder().join("redis.sock")
    }

    /// The certificate of its CA, if TLS was asked for.
    pub fn ca(&self) -> PathBuf {
        self.program.folder().join("ca.crt")
    }

    /// The URL of its database 0, without options.
    pub fn url(&self) -> String {
        let scheme = if self.setup.tls { "rediss" } else { "redis" };
        let password = match &self.setup.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        format!("{scheme}://{password}{}/0", self.address())
    }

    /// The process, to be killed, stopped or continued.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Starts it again after it was killed, on the same port and with what it had persisted.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.program.restart()?;
        self.await_answer()
    }

    /// Sends a command and gives its answer as `redis-cli` prints it.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or answers an error.
    pub fn command(&self, arguments: &[&str]) -> Result<String, ServerError> {
        self.cli.command(arguments)
    }

    /// Sends a command until its answer is as expected.
    ///
    /// # Errors
    ///
    /// When it is not within a minute, or the server ends.
    pub fn await_that(
        &mut self,
        arguments: &[&str],
        expected: impl Fn(&str) -> bool,
    ) -> Result<(), ServerError> {
        let cli = &self.cli;
        self.program
            .await_answer(|| cli.command(arguments).is_ok_and(|answer| expected(&answer)))
    }

    fn await_answer(&mut self) -> Result<(), ServerError> {
        self.await_that(&["PING"], |answer| answer == "PONG")
    }

    fn arguments(&self, port: u16) -> Vec<OsString> {
        let folder = self.program.folder();
        let port = port.to_string();
        let mut arguments: Vec<OsString> = Vec::new();
        let mut set = |name: &str, values: &[&str]| {
            arguments.push(format!("--{name}").into());
            arguments.extend(values.iter().map(OsString::from));
        };
        set("bind", &["127.0.0.1"]);
        set("save", &[""]);
        // Through a file: that begins at once, and what is written after it is passed on at once. Otherwise a replica that
        // is online gets nothing before it has sent its first acknowledgement, up to a second later.
        set("repl-diskless-sync", &["no"]);
        if self.setup.tls {
            let file = |name: &str| folder.join(name).display().to_string();
            set("port", &["0"]);
            set("tls-port", &[&port]);
            set("tls-cert-file", &[&file("server.crt")]);
            set("tls-key-file", &[&file("server.key")]);
            set("tls-ca-cert-file", &[&file("ca.crt")]);
            set("tls-auth-clients", &["no"]);
        } else {
            set("port", &[&port]);
        }
        if self.setup.unix_socket {
            set("unixsocket", &[&self.socket().display().to_string()]);
            set("unixsocketperm", &["777"]);
        }
        for (name, value) in &self.setup.settings {
            let values: Vec<&str> = match value.as_str() {
                "" => vec![""],
                value => value.split(' ').collect(),
            };
            set(name, &values);
        }
        arguments
    }
}
