//! A folder that was opened once. Everything is done relative to its descriptor, and nothing follows a symbolic link, so
//! no rename or link outside can lead a read or a write astray.

use std::fmt;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Failure;

pub(crate) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
pub(crate) const FOLDER_MODE: Mode = Mode::RWXU;
const PERMISSIONS: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Whether a folder was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Now,
    Before,
}

impl Folder {
    /// Opens a folder by its path. The last component must not be a link.
    pub(crate) fn open(path: &Path) -> rustix::io::Result<Self> {
        let fd = fs::open(path, FOLDER, Mode::empty())?;
        Ok(Folder {
            fd,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The folder `name` inside this one, if it is there.
    pub(crate) fn child(&self, name: &str) -> Result<Option<Folder>, Failure> {
        match fs::openat(&self.fd, name, FOLDER, Mode::empty()) {
            Ok(fd) => Ok(Some(Folder {
                fd,
                path: self.path.join(name),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failure("open the folder", name, errno)),
        }
    }

    /// The folder `name` inside this one, made if it is not there.
    pub(crate) fn make_child(&self, name: &str) -> Result<(Folder, Made), Failure> {
        if let Some(child) = self.child(name)? {
            return Ok((child, Made::Before));
        }
        let made = match fs::mkdirat(&self.fd, name, FOLDER_MODE) {
            Ok(()) => Made::Now,
            Err(Errno::EXIST) => Made::Before,
            Err(Errno::NOENT) => {
                return Err(Failure::Gone {
                    path: self.path.clone(),
                });
            }
            Err(errno) => return Err(self.failure("make the folder", name, errno)),
        };
        let child = self.child(name)?.ok_or_else(|| Failure::Gone {
            path: self.path.join(name),
        })?;
        if made == Made::Now {
            // What `mkdir` was asked for is less what the umask takes away.
            fs::fchmod(&child.fd, FOLDER_MODE)
                .map_err(|errno| self.failure("set the permissions of", name, errno))?;
        }
        Ok((child, made))
    }

    /// Opens a file. `relative` may have one folder before the name; neither may be a link.
    pub(crate) fn open_file(
        &self,
        relative: &str,
        flags: OFlags,
    ) -> Result<Option<OwnedFd>, Failure> {
        // NONBLOCK, so that a planted pipe cannot hold a thread for ever; regular files take no notice of it.
        match open_beneath(
            &self.fd,
            relative,
            flags | OFlags::NONBLOCK | OFlags::CLOEXEC,
        ) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failure("open", relative, errno)),
        }
    }

    /// All of a file, if it is there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(fd) = self.open_file(name, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        match std::fs::File::from(fd).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                Err(self.failure("read", name, errno))
            }
        }
    }

    /// Makes a file that must not be there yet; `None` if it is.
    pub(crate) fn create_file(&self, name: &str) -> Result<Option<OwnedFd>, Failure> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&self.fd, name, flags, FILE_MODE) {
            Ok(fd) => {
                // What was asked for is less what the umask takes away. That is hardly ever anything of the owner's, so
                // it is cheaper to look first: a change, even to the same, is a change of the inode.
                let stat = fs::fstat(&fd).map_err(|errno| self.failure("look at", name, errno))?;
                if Mode::from_raw_mode(stat.st_mode) & PERMISSIONS != FILE_MODE {
                    fs::fchmod(&fd, FILE_MODE)
                        .map_err(|errno| self.failure("set the permissions of", name, errno))?;
                }
                Ok(Some(fd))
            }
            Err(Errno::EXIST) => Ok(None),
            Err(Errno::NOENT) => Err(Failure::Gone {
                path: self.path.clone(),
            }),
            Err(errno) => Err(self.failure("make", name, errno)),
        }
    }

    /// Removes a file and says whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Failure> {
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failure("remove", name, errno)),
        }
    }

    /// Makes what was made, renamed and removed in this folder survive a loss of power.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        fs::fsync(&self.fd).map_err(|errno| Failure::NotSynced {
            path: self.path.clone(),
            source: errno.into(),
        })
    }

    /// The names in this folder, with `.` and `..` left out. Links, folders and devices come too: see their type.
    pub(crate) fn list(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Vec<u8>, FileType), Failure>> + '_, Failure> {
        let failure = |errno| Failure::io("list", &self.path, errno);
        let entries = Dir::read_from(&self.fd).map_err(failure)?;
        Ok(entries
            .map(move |entry| {
                let entry = entry.map_err(failure)?;
                Ok((entry.file_name().to_bytes().to_owned(), entry.file_type()))
            })
            .filter(|entry| !matches!(entry, Ok((name, _)) if name == b"." || name == b"..")))
    }

    /// What is known about a name, links not followed.
    pub(crate) fn stat(&self, name: &[u8]) -> Result<Option<fs::Stat>, Failure> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failure("look at", &String::from_utf8_lossy(name), errno)),
        }
    }

    /// An error if somebody removed this folder: a miss in it means nothing then.
    pub(crate) fn check_not_removed(&self) -> Result<(), Failure> {
        match fs::fstat(&self.fd) {
            Ok(stat) if stat.st_nlink == 0 => Err(Failure::Gone {
                path: self.path.clone(),
            }),
            Ok(_) => Ok(()),
            Err(errno) => Err(Failure::io("look at", &self.path, errno)),
        }
    }

    pub(crate) fn failure(&self, doing: &'static str, name: &str, errno: Errno) -> Failure {
        Failure::io(doing, self.path.join(name), errno)
    }
}

#[cfg(target_os = "linux")]
fn open_beneath(folder: &OwnedFd, relative: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    // One call instead of three. Kernels before 5.6 do not have it, and old container sandboxes refuse it.
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match fs::openat2(folder, relative, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => open_by_steps(folder, relative, flags),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(folder: &OwnedFd, relative: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    open_by_steps(folder, relative, flags)
}

fn open_by_steps(folder: &OwnedFd, relative: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW;
    match relative.split_once('/') {
        None => fs::openat(folder, relative, flags, Mode::empty()),
        Some((shard, name)) => {
            let shard = fs::openat(folder, shard, FOLDER, Mode::empty())?;
            fs::openat(shard, name, flags, Mode::empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_way_of_opening_follows_a_link() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(outside.path().join("s")).unwrap();
        std::fs::write(outside.path().join("s/f"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::fs::create_dir(inside.path().join("s")).unwrap();
        std::fs::write(inside.path().join("s/f"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("s/f"), inside.path().join("s/link"))
            .unwrap();
        std::os::unix::fs::symlink(outside.path().join("s"), inside.path().join("t")).unwrap();
        let folder = Folder::open(inside.path()).unwrap();
        for open in [open_beneath, open_by_steps] {
            assert!(open(&folder.fd, "s/f", OFlags::RDONLY).is_ok());
            assert!(open(&folder.fd, "s/link", OFlags::RDONLY).is_err());
            assert!(open(&folder.fd, "t/f", OFlags::RDONLY).is_err());
            assert_eq!(
                open(&folder.fd, "s/none", OFlags::RDONLY).unwrap_err(),
                Errno::NOENT
            );
        }
    }
}
