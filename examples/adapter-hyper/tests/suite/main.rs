//! The adapter keeps every promise of the suite.

mod probe;

use std::process::ExitCode;

use anysession_testkit::{adapter_suite, run};

fn main() -> ExitCode {
    run([adapter_suite("hyper", probe::serve)])
}
