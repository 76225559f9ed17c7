//! The adapter keeps every promise of the suite.

use std::process::ExitCode;

use anysession_testkit::{adapter_suite, run};

fn main() -> ExitCode {
    let suite = adapter_suite("rocket", probe_rocket::serve);
    run([probe_rocket::declare(suite)])
}
