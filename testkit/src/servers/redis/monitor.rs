//! What a server is sent.

use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::Redis;

/// Watches what a [`Redis`] is sent, in its own words (`MONITOR`). That slows it down.
#[derive(Debug)]
pub struct Monitor(Lines<BufReader<TcpStream>>);

/// How long a server may take to report.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commands that only keep a connection, or look at the server.
const KEEPING: [&str; 6] = ["hello", "client", "ping", "info", "select", "command"];

impl Redis {
    /// Watches this server from now on.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, speaks TLS or has a password.
    pub fn monitor(&self) -> io::Result<Monitor> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"MONITOR\r\n")?;
        let mut lines = BufReader::new(stream).lines();
        match lines.next().transpose()? {
            Some(line) if line == "+OK" => Ok(Monitor(lines)),
            answer => Err(io::Error::other(format!(
                "MONITOR needs plain TCP and no password; the server answered {answer:?}"
            ))),
        }
    }
}

impl Monitor {
    /// The commands that this server was sent since it was asked last, in lower case: without those that scripts called
    /// and those that only keep a connection.
    ///
    /// # Errors
    ///
    /// When the server ends.
    pub fn commands(&mut self, server: &Redis) -> io::Result<Vec<String>> {
        const END: &str = "that was all";
        server.command(&["ECHO", END]).map_err(io::Error::other)?;
        let mut commands = Vec::new();
        for line in self.0.by_ref() {
            let line = line?;
            if line.contains(END) {
                return Ok(commands);
            }
            commands.extend(command(&line).filter(|name| !KEEPING.contains(&name.as_str())));
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Of `+1700000000.123456 [0 127.0.0.1:5678] "GET" "key"`; inside of a script it says `[0 lua]`.
fn command(line: &str) -> Option<String> {
    let (client, command) = line.split_once("] ")?;
    let name = command.split('"').nth(1)?;
    (!client.ends_with("lua")).then(|| name.to_ascii_lowercase())
}
