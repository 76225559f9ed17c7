//! One lock for each shard, shared by every thread and every process that uses the directory.
//!
//! A lock is a `flock` on one of 256 files, which are made when first needed and never removed: a lock file that is
//! removed while somebody waits for it leaves two holders. The kernel lets go of it when its process dies.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{self, FlockOperation, OFlags};
use rustix::io::{Errno, retry_on_intr};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Failure;
use crate::folder::Folder;
use crate::names;

#[derive(Debug)]
pub(crate) struct Locks(Folder);

/// The right to change one shard. It ends when this is dropped.
#[must_use]
pub(crate) struct Lock {
    fd: OwnedFd,
    path: PathBuf,
}

impl Locks {
    pub(crate) fn new(folder: Folder) -> Self {
        Locks(folder)
    }

    /// Waits for the lock. A descriptor of its own each time: two threads that lock one descriptor both succeed.
    pub(crate) fn take(&self, shard: u8) -> Result<Lock, Failure> {
        let name = names::shard_name(shard);
        loop {
            let Some(fd) = self.open(&name)? else {
                continue;
            };
            let path = self.0.path().join(&name);
            retry_on_intr(|| fs::flock(&fd, FlockOperation::LockExclusive))
                .map_err(|errno| Failure::io("lock", &path, errno))?;
            let lock = Lock { fd, path };
            let stat =
                fs::fstat(&lock.fd).map_err(|errno| Failure::io("look at", &lock.path, errno))?;
            if stat.st_nlink == 0 {
                // Somebody tidied up between the opening and the locking; others lock the new file.
                continue;
            }
            if stat.st_size == 0 {
                // Takes the room now, so that a deletion finds it when the disk is full. If there is none now, the
                // put that is about to begin will say so.
                let _ = lock.set_floor(0);
            }
            return Ok(lock);
        }
    }

    fn open(&self, name: &str) -> Result<Option<OwnedFd>, Failure> {
        match self.0.open_file(name, OFlags::RDWR)? {
            Some(fd) => Ok(Some(fd)),
            None => self.0.create_file(name),
        }
    }
}

/// The lock file also holds the highest version that was ever deleted in its shard: a key that is deleted and made
/// again must not get a version that it had before, and there is nothing else left of it to know that from.
impl Lock {
    /// No deleted record of this shard had a higher version. Zero if that is not known.
    pub(crate) fn floor(&self) -> Result<u64, Failure> {
        let mut bytes = [0; 16];
        let read = retry_on_intr(|| rustix::io::pread(&self.fd, &mut bytes, 0))
            .map_err(|errno| Failure::io("read", &self.path, errno))?;
        let (floor, sum) = bytes.split_at(8);
        let whole = read == bytes.len() && xxh3_64(floor).to_le_bytes() == sum;
        let floor = floor.first_chunk().map(|chunk| u64::from_le_bytes(*chunk));
        Ok(floor.filter(|_| whole).unwrap_or_default())
    }

    /// Remembers that a record of this version is about to be deleted. A deletion is worth more than this number, so a
    /// failure is only told; the versions of new records also follow the time, see `verbs`.
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
        let bytes = [floor, xxh3_64(&floor).to_le_bytes()].concat();
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

impl Drop for Lock {
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
        let locks = Locks::new(Folder::open(dir.path()).unwrap());
        (dir, locks)
    }

    #[test]
    fn two_holders_of_one_lock_never_overlap() {
        let (_dir, locks) = locks();
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
