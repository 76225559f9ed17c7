//! What the tests need besides Rust, and how it is had on Debian.

use std::path::PathBuf;
use std::process::Command;

use crate::run;

/// A program that tests start, and the Debian package that holds it.
const NEEDED: [(&str, &str); 10] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    // No program, but what makes an environment with pip in it.
    ("ensurepip", "python3-venv"),
    ("mariadbd", "mariadb-server"),
    ("nginx", "nginx-light"),
    ("openssl", "openssl"),
    ("initdb", "postgresql"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
    ("strace", "strace"),
];

/// Installs what is missing, where this user may; otherwise says what to install.
pub(crate) fn install_missing() -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing: {}; installing with apt-get", missing.join(", "));
    let tried = apt_get(&["update"]).and_then(|()| {
        apt_get(
            &[
                &["install", "--yes", "--no-install-recommends"],
                &missing[..],
            ]
            .concat(),
        )
    });
    let still_missing = self::missing();
    if still_missing.is_empty() {
        return Ok(());
    }
    let why = tried.err().unwrap_or_default();
    Err(format!(
        "the tests need these Debian packages: {}; install them and run this again ({why})",
        still_missing.join(" ")
    ))
}

fn missing() -> Vec<&'static str> {
    let absent = |program: &str| {
        let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
        // PostgreSQL's own programs, and Python's modules, are in a folder for each of their versions.
        let below = |folder| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let postgres = below("/usr/lib/postgresql").map(|version| version.path().join("bin"));
        let libraries = below("/usr/lib").map(|library| library.path());
        let mut folders = folders.into_iter().chain(postgres).chain(libraries);
        !folders.any(|folder| folder.join(program).exists())
    };
    NEEDED
        .iter()
        .filter(|(program, _)| absent(program))
        .map(|(_, package)| *package)
        .collect()
}

/// As root, or through sudo if that asks for no password.
fn apt_get(args: &[&str]) -> Result<(), String> {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let mut command = if root {
        Command::new("apt-get")
    } else {
        Command::new("sudo")
    };
    if !root {
        command.args(["--non-interactive", "apt-get"]);
    }
    run(command
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
