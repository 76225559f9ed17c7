//! What a developer runs: `cargo xtask help` lists it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool prints"
)]

mod failures;
mod packages;
mod python;

use std::io;
use std::process::{Command, ExitCode, ExitStatus};

const HELP: &str = "\
cargo xtask test          everything; installs what is missing, fails on an absent server or browser
cargo xtask test --deep   also the model of three overlapping requests (minutes)
cargo xtask bench         side by side with the peers; prints a table
cargo xtask python        only the Python environment of the tests that run Flask
cargo xtask flask         starts examples/flask-migration: a Flask application, its Rust successor, nginx and Redis
cargo xtask check         formatting, clippy, documentation and each library alone, warnings denied
cargo xtask help          this list";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["test"] => test(),
        ["test", "--deep"] => test().and_then(|()| deep()),
        ["bench", ref rest @ ..] => bench(rest),
        ["python"] => python(),
        ["flask"] => flask(),
        ["check"] => check(),
        ["help"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(format!(
            "there is no `cargo xtask {}`; there is:\n{HELP}",
            args.join(" ")
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result<(), String> {
    python()?;
    // The crates are compiled by the compiler; what only cargo knows, their dependencies, is checked here.
    core_depends_on_no_runtime()?;
    // All that fails is told, not only the first.
    let mut tests = cargo_command(&["test", "--workspace", "--no-fail-fast"]);
    report(&mut tests, failures::run_tests)
}

fn python() -> Result<(), String> {
    packages::install_missing()?;
    python::prepare()
}

fn flask() -> Result<(), String> {
    python()?;
    cargo(&["build", "-p", "flask-migration"])?;
    cargo(&["run", "-p", "end-to-end", "--bin", "flask-site"])
}

fn deep() -> Result<(), String> {
    cargo(&[
        "test",
        "--release",
        "-p",
        "anysession",
        "--lib",
        "--",
        "--ignored",
        "--nocapture",
    ])
}

fn bench(rest: &[&str]) -> Result<(), String> {
    let run = [
        "run",
        "--profile",
        "bench",
        "-p",
        "anysession-benches",
        "--features",
        "rocket-peer",
        "--",
    ];
    cargo(&[&run[..], rest].concat())
}

fn check() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?;
    run(Command::new("cargo")
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    libraries_build_alone()
}

/// Each library as its user and docs.rs build it. In a workspace one crate may live on a feature that only another one
/// asks for.
fn libraries_build_alone() -> Result<(), String> {
    const LIBRARIES: [&[&str]; 13] = [
        &["anysession"],
        &["anysession-fs"],
        &["anysession-redis"],
        &["anysession-sql"],
        &[
            "anysession-sql",
            "--no-default-features",
            "--features=sqlite",
        ],
        &[
            "anysession-sql",
            "--no-default-features",
            "--features=postgres",
        ],
        &[
            "anysession-sql",
            "--no-default-features",
            "--features=mysql",
        ],
        &["anysession-axum"],
        &["anysession-actix"],
        &["anysession-rocket"],
        &["anysession-poem"],
        &["anysession-testkit"],
        &["anysession-testkit", "--features=servers"],
    ];
    for library in LIBRARIES {
        let package = [&["clippy", "--package"], library, &["--", "-D", "warnings"]].concat();
        cargo(&package)?;
    }
    Ok(())
}

/// Architecture invariant: the core depends on no framework, no backend and no async runtime. Of tokio it may use what
/// needs no runtime.
fn core_depends_on_no_runtime() -> Result<(), String> {
    let tree = [
        "tree",
        "-p",
        "anysession",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-f",
        "{p} {f}",
    ];
    let output = Command::new("cargo")
        .args(tree)
        .output()
        .map_err(|error| error.to_string())?;
    let tree = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || tree.is_empty() {
        return Err(format!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    const FORBIDDEN: [&str; 12] = [
        "actix",
        "axum",
        "hyper",
        "poem",
        "rocket",
        "http",
        "tower",
        "redis",
        "sqlx",
        "mio",
        "async-std",
        "smol",
    ];
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        if FORBIDDEN
            .iter()
            .any(|forbidden| name.starts_with(forbidden))
        {
            return Err(format!("the core must not depend on {name}"));
        }
        let runtime = ["rt", "net", "fs", "time", "process", "signal"];
        let features = words.next_back().unwrap_or_default();
        if name == "tokio"
            && features
                .split(',')
                .any(|feature| runtime.contains(&feature))
        {
            return Err(format!(
                "the core must not use a runtime: tokio has the features {features}"
            ));
        }
    }
    println!("the core depends on no framework, no backend and no runtime");
    Ok(())
}

fn cargo(args: &[&str]) -> Result<(), String> {
    run(&mut cargo_command(args))
}

fn cargo_command(args: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    // An absent server is a failure here, and an ignored test elsewhere.
    cargo.args(args).env("ANYSESSION_REQUIRE_ALL", "1");
    cargo
}

fn run(command: &mut Command) -> Result<(), String> {
    report(command, Command::status)
}

fn report(
    command: &mut Command,
    run: impl FnOnce(&mut Command) -> io::Result<ExitStatus>,
) -> Result<(), String> {
    println!("$ {command:?}");
    match run(command) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{command:?} could not be run: {error}")),
    }
}
