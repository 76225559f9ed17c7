//! This test binary as another process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::process::{Command, Stdio};

const FLAG: &str = "--as-child";

/// The role and the directory, if this process was started by [`child`].
pub(crate) fn role() -> Option<(String, String)> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    Some((arguments.next()?, arguments.next()?))
}

/// A command that starts this binary in a role. What it prints is for the parent; its standard input ends with it.
pub(crate) fn child(role: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([FLAG, role]).arg(path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap()
        .block_on(work)
}
