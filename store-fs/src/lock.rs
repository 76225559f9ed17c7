//! One lock for each shard, shared by every thread and every process that uses the directory.
//!
//! A lock is a `flock` on one of 256 files, which are made when first needed and never removed: a lock file that is
//! removed while somebody waits for it leaves two holders. The kernel lets go of it when its process dies.
//!
//! A holder is only ever busy with one file, so a wait is short, unless a process was stopped in the middle of it or its
//! disk hangs. Nobody waits for that longer than [`PATIENCE`], twice: for the other threads of this process, which queue
//! up before a gate, and then for other processes. `flock` has no wait that ends by itself, so that second one is a loop
//! of attempts.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{self, FlockOperation, OFlags};
use rustix::io::{Errno, retry_on_intr};
use twox_hash::XxHash3_64;

use crate::error::Failure;
use crate::folder::Folder;
use crate::names;

/// How long a verb waits for the other threads, and again for the other processes. A holder writes one file; even on a
/// slow disk that takes a small part of this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between attempts begin with this, about as long as a write without syncs, and double up to the other.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LAST_PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Locks {
    folder: Folder,
    patience: Duration,
    gates: [Gate; 256],
}

/// Lets one thread of this process at a time try for the lock of a shard: the others need not wake up to find it taken.
#[derive(Debug)]
struct Gate {
    taken: Mutex<bool>,
    opened: Condvar,
}

/// The right to change one shard. It ends when this is dropped.
#[must_use]
pub(crate) struct Lock<'a> {
    fd: OwnedFd,
    path: PathBuf,
    /// Dropped last, when the lock file is free.
    _passed: Passed<'a>,
}

struct Passed<'a>(&'a Gate);

impl Locks {
    pub(crate) fn new(folder: Folder, patience: Duration) -> Self {
        Locks {
            folder,
            patience,
            gates: [const { Gate::new() }; 256],
        }
    }

    /// Waits for the lock. A descriptor of its own each time: one that is kept would be shared with a process that is
    /// forked, and both would hold the lock.
    pub(crate) fn take(&self, shard: u8) -> Result<Lock<'_>, Failure> {
        let name = names::shard_name(shard);
        let path = self.folder.path().join(&name);
        let busy = || Failure::Busy {
            path: path.clone(),
            waited: self.patience,
        };
        let passed = self.gates[usize::from(shard)]
            .pass(self.patience)
            .ok_or_else(busy)?;
        loop {
            let Some(fd) = self.open(&name)? else {
                continue;
            };
            match lock(&fd, self.patience) {
                Ok(true) => {}
                Ok(false) => return Err(busy()),
                Err(errno) => return Err(Failure::io("lock", &path, errno)),
            }
            let stat = fs::fstat(&fd).map_err(|errno| Failure::io("look at", &path, errno))?;
            if stat.st_nlink == 0 {
                // Somebody tidied up between the opening and the locking; others lock the new file.
                continue;
            }
            let lock = Lock {
                fd,
                path,
                _passed: passed,
            };
            if stat.st_size == 0 {
                // Takes the room now, so that a deletion finds it when the disk is full. If there is none now, the
                // put that is about to begin will say so.
                let _ = lock.set_floor(0);
            }
            return Ok(lock);
        }
    }

    fn open(&self, name: &str) -> Result<Option<OwnedFd>, Failure> {
        match self.folder.open_file(name, OFlags::RDWR)? {
            Some(fd) => Ok(Some(fd)),
            None => self.folder.create_file(name),
        }
    }
}

impl Gate {
    const fn new() -> Self {
        Gate {
            taken: Mutex::new(false),
            opened: Condvar::new(),
        }
    }

    /// `None` if it stays taken for so long.
    fn pass(&self, patience: Duration) -> Option<Passed<'_>> {
        let (mut taken, _) = self
            .opened
            .wait_timeout_while(self.taken(), patience, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        // Not `then_some`, whose argument would be made, and dropped, in either case.
        (!std::mem::replace(&mut *taken, true)).then(|| Passed(self))
    }

    fn taken(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.opened.notify_one();
    }
}

/// Whether the lock was had within this time. The pauses are counted, so that nobody has to be asked for the time.
fn lock(fd: &OwnedFd, patience: Duration) -> rustix::io::Result<bool> {
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    loop {
        match retry_on_intr(|| fs::flock(fd, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if waited < patience => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "no other process can wake this one when it lets go of a flock"
        )]
        std::thread::sleep(pause);
        waited += pause;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// The lock file also holds the highest version that was ever deleted in its shard: a key that is deleted and made
/// again must not get a version that it had before, and there is nothing else left of it to know that from.
impl Lock<'_> {
    /// No deleted record of this shard had a higher version. Zero if that is not known.
    pub(crate) fn floor(&self) -> Result<u64, Failure> {
        let mut bytes = [0; 16];
        let read = retry_on_intr(|| rustix::io::pread(&self.fd, &mut bytes, 0))
            .map_err(|errno| Failure::io("read", &self.path, errno))?;
        let (floor, sum) = bytes.split_at(8);
        let whole = read == bytes.len() && XxHash3_64::oneshot(floor).to_le_bytes() == sum;
        let floor = floor.first_chunk().map(|chunk| u64::from_le_bytes(*chunk));
        Ok(floor.filter(|_| whole).unwrap_or_default())
    }

    /// Remembers that a record of this version is about to be deleted. A deletion is worth more than this number, so a
    /// failure is only told; the versions of new records also follow the time, see `admission`.
    pub(crate) fn raise_floor(&self, version: u64) {
        let raised = self.floor().and_then(|floor| match version > floor {
            true => self.set_floor(version),
            false => Ok(()),
        });
        if let Err(failure) = raised {
            tracing::warn!(error = %failure, "the version of a deleted session was not remembered");
        }
    }

    fn set_floor(&self, version: u64) -> Result<(), Failure> {
        let floor = version.to_le_bytes();
        let bytes = [floor, XxHash3_64::oneshot(&floor).to_le_bytes()].concat();
        match retry_on_intr(|| rustix::io::pwrite(&self.fd, &bytes, 0)) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => Err(Failure::io("write", &self.path, Errno::NOSPC)),
            Err(errno) => Err(Failure::io("write", &self.path, errno)),
        }
    }

    pub(crate) fn versions_used_up(&self) -> Failure {
        Failure::VersionsUsedUp {
            path: self.path.clone(),
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing is not enough: a process that was forked and has not yet called `exec` holds the descriptor too.
        let _ = fs::flock(&self.fd, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks() -> (tempfile::TempDir, Locks) {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::new(Folder::open(dir.path()).unwrap(), Duration::from_millis(20));
        (dir, locks)
    }

    #[test]
    fn two_holders_of_one_lock_never_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::new(Folder::open(dir.path()).unwrap(), PATIENCE);
        let held = std::sync::Mutex::new(());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _lock = locks.take(7).unwrap();
                        drop(held.try_lock().expect("two holders"));
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_lock_without_end() {
        let (dir, locks) = locks();
        // Another thread of this process has it, and then somebody who does not come through the gate.
        let held = locks.take(7).unwrap();
        assert!(matches!(locks.take(7), Err(Failure::Busy { .. })));
        drop(locks.take(8).unwrap());
        drop(held);
        let outside = std::fs::File::open(dir.path().join("07")).unwrap();
        outside.lock().unwrap();
        assert!(matches!(locks.take(7), Err(Failure::Busy { .. })));
        outside.unlock().unwrap();
        drop(locks.take(7).unwrap());
    }

    #[test]
    fn a_lock_file_that_was_removed_is_made_again() {
        let (dir, locks) = locks();
        drop(locks.take(7).unwrap());
        std::fs::remove_file(dir.path().join("07")).unwrap();
        drop(locks.take(7).unwrap());
        assert!(dir.path().join("07").exists());
    }

    #[test]
    fn the_floor_only_rises_and_a_damaged_one_counts_as_unknown() {
        let (dir, locks) = locks();
        let lock = locks.take(7).unwrap();
        assert_eq!(lock.floor().unwrap(), 0);
        lock.raise_floor(9);
        lock.raise_floor(4);
        assert_eq!(lock.floor().unwrap(), 9);
        std::fs::write(dir.path().join("07"), [0xff; 16]).unwrap();
        assert_eq!(lock.floor().unwrap(), 0);
    }
}
