//! The adapter keeps every promise of the suite.

use std::process::ExitCode;

use anysession_testkit::{adapter_suite, run};

fn main() -> ExitCode {
    let suite = adapter_suite("poem", probe_poem::serve);
    run([probe_poem::declare(suite)])
}
