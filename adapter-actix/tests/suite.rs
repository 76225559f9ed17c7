//! The adapter keeps every promise of the suite.

use std::process::ExitCode;

use anysession_testkit::{adapter_suite, run};

fn main() -> ExitCode {
    let suite = adapter_suite("actix", probe_actix::serve);
    run([probe_actix::declare(suite)])
}
