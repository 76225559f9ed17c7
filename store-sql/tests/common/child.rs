//! This test binary as another process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::io::Read as _;
use std::process::{Child, Command, Output, Stdio};

const FLAG: &str = "--as-child";

/// The role and the place, if this process was started by [`child`].
pub(crate) fn role() -> Option<(String, String)> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    Some((arguments.next()?, arguments.next()?))
}

/// Says that this process is there, and waits until all others are.
pub(crate) fn await_start() {
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
}

/// So many processes that play a role at a place. All begin when the last one is there.
pub(crate) fn start(role: &str, place: &OsStr, count: usize) -> Vec<Running> {
    let mut children: Vec<_> = (0..count)
        .map(|_| Running::start(child(role, place)))
        .collect();
    for child in &mut children {
        let mut line = [0; 6];
        let output = child.process().stdout.as_mut().unwrap();
        output.read_exact(&mut line).unwrap();
    }
    for child in &mut children {
        drop(child.process().stdin.take());
    }
    children
}

/// A command that starts this binary in a role. What it prints is for the parent; its standard input ends with it.
fn child(role: &str, place: &OsStr) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([FLAG, role]).arg(place);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A process that does not outlive the test, also when that fails.
pub(crate) struct Running(Option<Child>);

impl Running {
    fn start(mut command: Command) -> Self {
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
