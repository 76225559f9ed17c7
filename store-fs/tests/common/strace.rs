//! The system calls of another process: recorded, or made to fail.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts an strace of all threads of a process and waits until it holds them; `None` if that is not possible here.
pub(crate) fn attach(process: u32, options: &[&str], log: &Path) -> Option<Child> {
    let mut tracer = Command::new("strace")
        .args(["-f", "-y", "-p", &process.to_string()])
        .args(options)
        .arg("-o")
        .arg(log)
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(tracer.stderr.as_mut()?)
        .read_line(&mut line)
        .ok()?;
    if line.contains("attached") {
        return Some(tracer);
    }
    tracer.wait().ok()?;
    None
}

pub(crate) fn can_trace() -> bool {
    let Ok(mut process) = Command::new("sleep").arg("60").spawn() else {
        return false;
    };
    let inject = ["-e", "inject=fsync:error=EIO"];
    let tracer = attach(process.id(), &inject, Path::new("/dev/null"));
    process.kill().unwrap();
    process.wait().unwrap();
    tracer.is_some_and(|mut tracer| tracer.wait().is_ok())
}
