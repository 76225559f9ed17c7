//! A server process and its folder.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use tempfile::TempDir;

/// A server could not be started or spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It is not installed.
    #[error("{program} is not installed: install the Debian package {package}")]
    Absent {
        /// The program.
        program: &'static str,
        /// The package that holds it.
        package: &'static str,
    },
    /// It ended, or never answered.
    #[error("{program} did not come up: {log}")]
    Down {
        /// The program.
        program: String,
        /// The end of what it said.
        log: String,
    },
    /// The system refused.
    #[error("a server could not be started")]
    Io(#[from] io::Error),
}

/// A running server in a folder of its own. Dropped, it is killed and the folder removed.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    user: Option<String>,
    folder: TempDir,
    child: Option<Child>,
}

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

impl Program {
    /// A program that is not running yet, with an empty folder. As root, it will run as `user`, who owns the folder;
    /// others run it as themselves.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or handed over.
    pub fn new(path: PathBuf, user: &str) -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new().prefix("anysession-").tempdir()?;
        let user =
            match fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me))? {
                0 => Some(user.to_owned()),
                _ => None,
            };
        let program = Program {
            path,
            arguments: Vec::new(),
            user,
            folder,
            child: None,
        };
        fs::set_permissions(program.folder(), fs::Permissions::from_mode(0o700))?;
        program.hand_over(program.folder())?;
        Ok(program)
    }

    /// Gives a file to the user that it runs as.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), ServerError> {
        if let Some(user) = &self.user {
            let (uid, gid) = ids_of(user)?;
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it with these arguments, or starts it again with others.
    ///
    /// # Errors
    ///
    /// When it cannot be started. Whether it answers is for the caller to see: [`await_answer`](Self::await_answer).
    pub fn start<A: Into<OsString>>(
        &mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(), ServerError> {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self.restart()
    }

    /// Starts it again as it was, after [`kill`](Self::kill).
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let mut command = self.command(&self.path, &self.arguments);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(spawn(command)?);
        Ok(())
    }

    /// Runs a command to its end as the server's user, for example the one that prepares its folder.
    ///
    /// # Errors
    ///
    /// When it fails, with what it said.
    pub fn run<A: Into<OsString>>(
        &self,
        path: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(), ServerError> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let output = self
            .command(path, &arguments)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServerError::Down {
            program: path.display().to_string(),
            log: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        })
    }

    /// Asks `answers` until it says yes.
    ///
    /// # Errors
    ///
    /// When the server ends first, or does not answer within a minute.
    pub fn await_answer(&mut self, mut answers: impl FnMut() -> bool) -> Result<(), ServerError> {
        const PAUSE: Duration = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if answers() {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && child.try_wait()?.is_some()
            {
                break;
            }
            pause(PAUSE);
        }
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let end = log.char_indices().rev().nth(2_000).map_or(0, |(at, _)| at);
        Err(ServerError::Down {
            program: self.path.display().to_string(),
            log: log[end..].to_owned(),
        })
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends it a signal by its name, for example `STOP` and `CONT`.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn signal(&self, name: &str) -> Result<(), ServerError> {
        let pid = self
            .pid()
            .ok_or_else(|| io::Error::other("it does not run"))?;
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()?;
        match sent.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("kill -{name} {pid} failed")).into()),
        }
    }

    /// Sends it a signal that ends it, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn end(&mut self, signal: &str) -> Result<(), ServerError> {
        self.signal(signal)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Kills it at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// Through `setpriv`, which gives up root's rights and lets the process die with this one.
    fn command(&self, path: &Path, arguments: &[OsString]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = &self.user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command
            .arg("--")
            .arg(path)
            .args(arguments)
            .current_dir(self.folder());
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ids_of(user: &str) -> Result<(u32, u32), ServerError> {
    let accounts = fs::read_to_string("/etc/passwd")?;
    let ids = accounts.lines().find_map(|account| {
        let mut fields = account.split(':');
        if fields.next() != Some(user) {
            return None;
        }
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        Some((uid.parse().ok()?, gid.parse().ok()?))
    });
    Ok(ids.ok_or_else(|| io::Error::other(format!("there is no user {user}")))?)
}

/// The system kills a child when the *thread* that started it ends, and the thread of a test ends with the test. So all
/// children are started by one thread, which lives as long as the process.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, to_start) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, started) in to_start {
                // Who ordered it may be gone.
                let _ = started.send(command.spawn());
            }
        });
        orders
    });
    let (started, child) = mpsc::channel();
    STARTER.send((command, started)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

#[expect(
    clippy::disallowed_methods,
    reason = "waits for another process, which tells nobody when it is ready"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
