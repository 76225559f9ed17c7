//! The Python environment of the tests that run Flask: made once, and again when its requirements change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

const REQUIREMENTS: &str = "examples/flask-migration/requirements.txt";

/// Makes the environment in the folder where cargo builds, unless it is there already.
pub(crate) fn prepare() -> Result<(), String> {
    let folder = folder()?;
    let requirements =
        fs::read(REQUIREMENTS).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    // Written last, so that an environment that was left half made does not count. The tests look at it too.
    let made_of = folder.join("requirements.txt");
    if fs::read(&made_of).is_ok_and(|made_of| made_of == requirements) {
        return Ok(());
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .args(["--requirement", REQUIREMENTS]))?;
    fs::write(&made_of, requirements).map_err(|error| format!("{}: {error}", made_of.display()))
}

/// `target/python`, wherever `target` is: this program is in a folder of it.
fn folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.ancestors().nth(2).map(Path::to_path_buf);
    target
        .map(|target| target.join("python"))
        .ok_or_else(|| format!("{} is in no folder of cargo's", program.display()))
}
