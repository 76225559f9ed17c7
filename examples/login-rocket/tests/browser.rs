//! The example as people use it.

use std::process::ExitCode;

fn main() -> ExitCode {
    login_browser_test::run(env!("CARGO_BIN_EXE_login-rocket"))
}
