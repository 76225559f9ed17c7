//! What can go wrong, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::record::MAX_BODY;

/// A directory could not be opened as a store. Every text names the directory, what was expected of it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory's parent does not exist. Only the last folder of a path is made, so that a mistyped path is seen.
    #[error(
        "cannot make the session directory {}: its parent does not exist; make the parent, or correct the path",
        path.display()
    )]
    ParentMissing {
        /// The session directory.
        path: PathBuf,
    },
    /// A symbolic link, a file or a device has the directory's name.
    #[error(
        "the session directory {} is a {found}, not a directory; name a directory, links are not followed",
        path.display()
    )]
    NotADirectory {
        /// What should have been the session directory.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The directory belongs to another user.
    #[error(
        "the session directory {} belongs to the user with id {owner}, but this process runs as {expected}; \
         run `chown {expected}` on it, or name another directory",
        path.display()
    )]
    WrongOwner {
        /// The session directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        expected: u32,
    },
    /// Others than the owner may read or change the directory, and so the sessions.
    #[error(
        "the session directory {} has mode {mode:04o}, so others can get at the sessions; expected 0700: \
         run `chmod 700` on it, or name another directory",
        path.display()
    )]
    OpenToOthers {
        /// The session directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory holds something, but not the marker of a session store.
    #[error(
        "the directory {} is not a session store: it holds {found:?} but no {:?}; name an empty or a new directory",
        path.display(), crate::dir::MARKER
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// The marker is there, but it says something else.
    #[error(
        "{} does not say what the marker of a session store says; restore it from a backup, or name a new directory",
        path.display()
    )]
    DamagedMarker {
        /// The marker.
        path: PathBuf,
    },
    /// A newer release wrote the directory.
    #[error(
        "the session directory {} has format {format}, this release knows format {known} and would damage it; \
         install the newer release again, or name a new directory",
        path.display(), known = crate::dir::FORMAT
    )]
    NewerFormat {
        /// The session directory.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The operating system refused something.
    #[error("cannot {doing} {}{}", path.display(), hint(source))]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        let doing = "use";
        match failure {
            Failure::Io {
                doing,
                path,
                source,
            } => OpenError::Io {
                doing,
                path,
                source,
            },
            Failure::NotSynced { path, source } => OpenError::Io {
                doing: "make durable",
                path,
                source,
            },
            Failure::Gone { path } | Failure::VersionsUsedUp { path } => OpenError::Io {
                doing,
                path,
                source: Errno::NOENT.into(),
            },
            other => OpenError::Io {
                doing,
                path: PathBuf::new(),
                source: io::Error::other(other),
            },
        }
    }
}

/// A verb failed; it becomes the source of a [`StoreError`](anysession::StoreError).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot {doing} {}{}", path.display(), hint(source))]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Apart from `Io` because the change is there to be seen, so this is never "full, and nothing was written".
    #[error("changed the folder {}, but it may not survive a loss of power{}", path.display(), hint(source))]
    NotSynced { path: PathBuf, source: io::Error },
    #[error(
        "the session directory {} was removed while it was in use; restart the application to make a new one",
        path.display()
    )]
    Gone { path: PathBuf },
    #[error(
        "a session of {size} bytes cannot be stored: at most {MAX_BODY} bytes, user and payload together"
    )]
    TooLarge { size: usize },
    #[error(
        "the lock {} was not free within {waited:?}: is a process that uses this directory stopped, or its disk \
         hanging? `fuser -v` on the lock file shows which",
        path.display()
    )]
    Busy { path: PathBuf, waited: Duration },
    #[error("no version is left for {}: remove this lock file while the application is stopped", path.display())]
    VersionsUsedUp { path: PathBuf },
    #[error(
        "the filesystem store works on the blocking threads of a tokio runtime: call it from inside one"
    )]
    NoRuntime(#[source] tokio::runtime::TryCurrentError),
    #[error("the runtime shut down, or the work panicked, before there was an answer")]
    NoAnswer(#[source] tokio::task::JoinError),
}

impl Failure {
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, errno: Errno) -> Self {
        Failure::Io {
            doing,
            path: path.as_ref().to_owned(),
            source: errno.into(),
        }
    }

    /// Whether there was no room. Everything that needs room happens before the rename that makes a change visible.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Failure::Io { source, .. }
            if matches!(Errno::from_io_error(source), Some(Errno::NOSPC | Errno::DQUOT)))
    }
}

fn hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => {
            ": this process may not; give its user the right to read and write there"
        }
        Some(Errno::ROFS) => ": the filesystem is mounted read-only",
        Some(Errno::NOSPC) => {
            ": no room is left (bytes or inodes); free some, or delete expired sessions"
        }
        Some(Errno::DQUOT) => ": the quota is used up; raise it, or delete expired sessions",
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR) => {
            ": a symbolic link or another kind of file stands in its place; this store follows none, remove it"
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            ": too many files are open; raise the limit (`ulimit -n`)"
        }
        Some(Errno::IO) => ": the device reports an error; look at the kernel's log",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_before_the_change_counts_as_full() {
        assert!(Failure::io("write", "x", Errno::NOSPC).is_full());
        assert!(Failure::io("write", "x", Errno::DQUOT).is_full());
        assert!(!Failure::io("write", "x", Errno::IO).is_full());
        let source = Errno::NOSPC.into();
        assert!(
            !Failure::NotSynced {
                path: "x".into(),
                source
            }
            .is_full()
        );
    }

    #[test]
    fn an_error_says_what_to_do_and_keeps_its_cause() {
        let failure = Failure::io("write", "/s/tmp", Errno::NOSPC);
        assert!(failure.to_string().contains("/s/tmp"), "{failure}");
        assert!(failure.to_string().contains("delete expired"), "{failure}");
        assert!(std::error::Error::source(&failure).is_some());
    }
}
