//! Sentinels, and the servers that they watch.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::{Program, ServerError, find, free_port};
use super::cli::Cli;
use super::{PACKAGE, Redis, USER};

/// A master, its replica, and three Sentinels that watch them and replace a dead master after about three seconds.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [Redis; 2],
    sentinels: Vec<(Program, Cli)>,
}

impl RedisSentinels {
    /// What the Sentinels call the servers.
    pub const SERVICE: &str = "sessions";

    /// Starts them all and waits until the Sentinels know the servers and each other.
    ///
    /// # Errors
    ///
    /// When Redis is not installed or does not come up.
    pub fn start() -> Result<Self, ServerError> {
        let mut master = Redis::setup().start()?;
        let mut replica = Redis::setup().replica_of(&master).start()?;
        replica.await_that(&["INFO", "replication"], |info| {
            info.contains("master_link_status:up")
        })?;
        // The master counts the replica somewhat later than the replica says that it is one.
        master.await_that(&["INFO", "replication"], |info| {
            info.contains("state=online")
        })?;
        let sentinels = (0..3).map(|_| start_sentinel(&master));
        let mut started = RedisSentinels {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            servers: [master, replica],
        };
        for (program, cli) in &mut started.sentinels {
            program.await_answer(|| {
                let known = cli.command(&["SENTINEL", "MASTER", Self::SERVICE]);
                let quorum = cli.command(&["SENTINEL", "CKQUORUM", Self::SERVICE]);
                quorum.is_ok()
                    && known.is_ok_and(|known| {
                        known.contains("num-slaves\n1\n")
                            && known.contains("num-other-sentinels\n2\n")
                    })
            })?;
        }
        Ok(started)
    }

    /// The servers: which of them is the master is told by [`master_port`](Self::master_port), and at first it is the
    /// first one.
    pub fn servers(&mut self) -> &mut [Redis; 2] {
        &mut self.servers
    }

    /// The port of the server that the Sentinels hold for the master.
    ///
    /// # Errors
    ///
    /// When a Sentinel does not answer.
    pub fn master_port(&self) -> Result<u16, ServerError> {
        let (_, cli) = &self.sentinels[0];
        let address = cli.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::SERVICE])?;
        let port = address.lines().last().and_then(|port| port.parse().ok());
        Ok(port.unwrap_or_default())
    }

    /// Waits until the Sentinels have made another server the master than the one on this port.
    ///
    /// # Errors
    ///
    /// When they do not within a minute.
    pub fn await_failover(&mut self, from: u16) -> Result<(), ServerError> {
        let told = |cli: &Cli| cli.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::SERVICE]);
        let port = from.to_string();
        for (program, cli) in &mut self.sentinels {
            program.await_answer(|| {
                told(cli).is_ok_and(|address| address.lines().last() != Some(port.as_str()))
            })?;
        }
        Ok(())
    }

    /// The addresses of the Sentinels, separated by commas.
    pub fn addresses(&self) -> String {
        let addresses: Vec<_> = (self.sentinels.iter())
            .map(|(_, cli)| format!("127.0.0.1:{}", cli.port()))
            .collect();
        addresses.join(",")
    }
}

fn start_sentinel(master: &Redis) -> Result<(Program, Cli), ServerError> {
    let mut program = Program::new(find("redis-server", PACKAGE)?, USER)?;
    let port = free_port()?;
    let service = RedisSentinels::SERVICE;
    // A Sentinel asks once a second, and may take that long until it reaches the master that it has just made. With
    // hardly more it would hold it for dead, and make the old one, restarted and empty, the master again.
    let down_after = 2_500;
    // A Sentinel writes what it learns into its configuration.
    let file = program.folder().join("sentinel.conf");
    fs::write(
        &file,
        format!(
            "bind 127.0.0.1\nport {port}\n\
             sentinel monitor {service} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {service} {down_after}\n\
             sentinel failover-timeout {service} 5000\n",
            master.port()
        ),
    )?;
    fs::set_permissions(&file, Permissions::from_mode(0o666))?;
    program.start([file.into_os_string(), "--sentinel".into()])?;
    let cli = Cli::new(port, None, None)?;
    program.await_answer(|| cli.command(&["PING"]).is_ok())?;
    Ok((program, cli))
}
