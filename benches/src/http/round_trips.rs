//! How often a server asks Redis, as Redis sees it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use anysession_testkit::servers::Redis;

/// The commands that reach it while something is done, without those that a script calls and those that only keep a connection.
pub fn count(redis: &Redis, work: impl FnOnce() -> io::Result<()>) -> io::Result<usize> {
    /// Ends what is counted.
    const END: &str = "that was all";
    let mut stream = TcpStream::connect(redis.address())?;
    stream.write_all(b"MONITOR\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    // It says `+OK`, and counts from then on.
    lines.next().transpose()?;
    work()?;
    redis.command(&["ECHO", END]).map_err(io::Error::other)?;
    let mut commands = 0;
    for line in lines {
        let line = line?;
        if line.contains(END) {
            return Ok(commands);
        }
        commands += usize::from(asks(&line));
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// `+1700000000.123456 [0 127.0.0.1:5678] "GET" "key"`, or `[0 lua]` inside of a script.
fn asks(line: &str) -> bool {
    let Some((client, command)) = line.split_once("] ") else {
        return false;
    };
    let name = command.split('"').nth(1).unwrap_or_default();
    let keeps = ["hello", "client", "ping", "info", "select", "command"];
    !client.ends_with("lua") && !keeps.contains(&name.to_ascii_lowercase().as_str())
}
