//! This test binary as another process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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

/// A process that does not outlive the test, also when that fails.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Running(Some(command.spawn().unwrap()))
    }

    pub(crate) fn process(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut process) = self.0.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
