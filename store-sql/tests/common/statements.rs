//! The statements that a database was sent, by its own log.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;

use anysession_testkit::servers::{MariaDb, Postgres, ServerError};

use crate::servers::Server;

/// A server that logs each statement.
pub(crate) trait Logging: Server + Sized {
    fn start() -> Result<Self, ServerError>;

    /// All statements so far, each on a line of its own, those that were prepared once for each time they ran.
    fn statements(&mut self) -> Vec<String>;
}

impl Logging for Postgres {
    fn start() -> Result<Self, ServerError> {
        Postgres::setup().setting("log_statement", "all").start()
    }

    fn statements(&mut self) -> Vec<String> {
        let log = fs::read(self.program().folder().join("server.log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().filter_map(|line| line.split_once("LOG:  "));
        let is_statement =
            |text: &&str| text.starts_with("execute ") || text.starts_with("statement: ");
        let texts = lines.map(|(_, text)| text).filter(is_statement);
        texts.map(str::to_owned).collect()
    }
}

impl Logging for MariaDb {
    fn start() -> Result<Self, ServerError> {
        // Relative to the folder of the data.
        MariaDb::setup()
            .setting("general-log", "1")
            .setting("general-log-file", "../statements.log")
            .start()
    }

    fn statements(&mut self) -> Vec<String> {
        let log = fs::read(self.program().folder().join("statements.log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        let mut commands: Vec<(&str, String)> = Vec::new();
        for line in log.lines() {
            if let Some((command, text)) = begun(line) {
                commands.push((command, text.to_owned()));
            } else if let Some((_, text)) = commands.last_mut() {
                // Its values are bytes, among them ends of lines.
                text.push('\n');
                text.push_str(line);
            }
        }
        commands.retain(|(command, _)| ["Execute", "Query"].contains(command));
        commands.into_iter().map(|(_, text)| text).collect()
    }
}

/// The command and its text, if this line of the log is the first of one: after the time, which may be missing, come a tab
/// and the connection's number.
fn begun(line: &str) -> Option<(&str, &str)> {
    let (_, line) = line.split_once('\t')?;
    let (connection, command) = line.trim_start().split_once(' ')?;
    connection.parse::<u64>().ok()?;
    command.split_once('\t')
}
