//! Instructions instead of nanoseconds: they do not depend on what else the machine does.

use std::io;
use std::process::Command;

use crate::adapters::{FRAMEWORKS, Route};

/// Prints the instructions a call of each route of each candidate over the bare route, counted by valgrind.
///
/// valgrind's processor has no SHA extensions, so a SHA-256 counts some 3,000 instructions more than it takes on one that
/// has them; only ours computes one.
pub fn run() -> io::Result<()> {
    println!("\n| library | place | ignore | read | write |\n| --- | --- | ---: | ---: | ---: |");
    for framework in FRAMEWORKS {
        print(framework.place(), &framework.libraries())?;
    }
    Ok(())
}

/// The bare routes come first.
fn print(place: &str, libraries: &[&str]) -> io::Result<()> {
    let mut bare = None;
    for library in libraries {
        let count = |route| a_call(library, place, route);
        let row = [
            count(Route::Ignore)?,
            count(Route::Read)?,
            count(Route::Write)?,
        ];
        let bare = *bare.get_or_insert(row);
        let [ignore, read, write] = [0, 1, 2].map(|at| row[at] - bare[at]);
        println!("| {library} | {place} | {ignore} | {read} | {write} |");
    }
    Ok(())
}

/// Two runs of different lengths differ by the calls alone.
fn a_call(library: &str, place: &str, route: Route) -> io::Result<i64> {
    let [few, many] = [1_000, 3_000];
    let total = |calls: i64| {
        total(&[
            "--profile",
            library,
            place,
            route.name(),
            &calls.to_string(),
        ])
    };
    Ok((total(many)? - total(few)?) / (many - few))
}

fn total(arguments: &[&str]) -> io::Result<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| io::Error::other(format!("valgrind said: {text}")))
}
