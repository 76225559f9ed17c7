//! Writing a file in one step.

use std::mem;
use std::os::fd::OwnedFd;

use rustix::fs::{self, RenameFlags};
use rustix::io::Errno;

use crate::error::Failure;
use crate::folder::Folder;
use crate::names;
use crate::store::Durability;

impl Folder {
    /// Puts a file with this content in the place of whatever is called `name`, in one step: whoever reads sees the old
    /// content or the new, also after a crash. The folder itself is not synced here.
    pub(crate) fn replace(
        &self,
        name: &str,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), Failure> {
        self.replace_by(names::next_temp_name, name, content, durability)
    }

    /// The same, by a temporary file of such a name.
    pub(crate) fn replace_by(
        &self,
        temp_name: impl Fn() -> String,
        name: &str,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), Failure> {
        self.write_temp(temp_name, content, durability)?
            .rename(name)
    }

    /// The same, but only in the place of a file with the `expected` content, or of none. For a folder in which others
    /// replace and remove files as well, and know no lock: says whether it was done.
    ///
    /// The file is synced in any case: one that is renamed over another is flushed by most file systems as well, one that
    /// swaps its name with another is not, and could be empty after a crash.
    pub(crate) fn replace_if(
        &self,
        temp_name: impl Fn() -> String,
        name: &str,
        expected: Option<&[u8]>,
        content: &[u8],
    ) -> Result<bool, Failure> {
        let temp = self.write_temp(temp_name, content, Durability::Full)?;
        match expected {
            None => temp.rename_to_new(name),
            // It took a while to sync. Most who were faster show here, before anybody is disturbed.
            Some(expected) if self.read(name)?.as_deref() != Some(expected) => Ok(false),
            Some(expected) => temp.take_the_place_of(name, expected, content),
        }
    }

    fn write_temp(
        &self,
        temp_name: impl Fn() -> String,
        content: &[u8],
        durability: Durability,
    ) -> Result<Temp<'_>, Failure> {
        let temp = Temp::create(self, temp_name)?;
        let mut rest = content;
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(&temp.fd, rest))
                .and_then(|written| match written {
                    0 => Err(Errno::IO),
                    _ => Ok(written),
                })
                .map_err(|errno| self.failure("write", &temp.name, errno))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        if durability == Durability::Full {
            // Once: after a failed sync the kernel forgets what it could not write, and a second one would succeed.
            fs::fdatasync(&temp.fd).map_err(|errno| self.failure("sync", &temp.name, errno))?;
        }
        Ok(temp)
    }
}

/// A file on its way to its name; removed again unless it gets there.
struct Temp<'a> {
    folder: &'a Folder,
    name: String,
    fd: OwnedFd,
    renamed: bool,
}

impl<'a> Temp<'a> {
    fn create(folder: &'a Folder, next_name: impl Fn() -> String) -> Result<Self, Failure> {
        loop {
            let name = next_name();
            if let Some(fd) = folder.create_file(&name)? {
                return Ok(Temp {
                    folder,
                    name,
                    fd,
                    renamed: false,
                });
            }
        }
    }

    fn rename(mut self, name: &str) -> Result<(), Failure> {
        let folder = self.folder;
        fs::renameat(folder.fd(), &*self.name, folder.fd(), name)
            .map_err(|errno| folder.failure("rename a new file to", name, errno))?;
        self.renamed = true;
        Ok(())
    }

    /// Says whether the name was free.
    fn rename_to_new(mut self, name: &str) -> Result<bool, Failure> {
        match self.rename_with(name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.renamed = true;
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(errno) if is_unsupported(errno) => self.rename(name).map(|()| true),
            Err(errno) => Err(self.folder.failure("rename a new file to", name, errno)),
        }
    }

    /// Swaps the two names, which is one step, and looks at what came out. If that is not what was expected, somebody was
    /// faster by a hair: theirs goes back, and whatever came out when it did was later still.
    fn take_the_place_of(
        self,
        name: &str,
        expected: &[u8],
        content: &[u8],
    ) -> Result<bool, Failure> {
        match self.rename_with(name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) if is_unsupported(errno) => return self.rename(name).map(|()| true),
            Err(errno) => return Err(self.folder.failure("rename a new file to", name, errno)),
        }
        let mut came_out = self.content()?;
        if came_out == expected {
            return Ok(true);
        }
        let mut placed = content.to_vec();
        loop {
            match self.rename_with(name, RenameFlags::EXCHANGE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(self.folder.failure("put back", name, errno)),
            }
            let now = self.content()?;
            if now == placed {
                return Ok(false);
            }
            placed = mem::replace(&mut came_out, now);
        }
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn rename_with(&self, name: &str, flags: RenameFlags) -> rustix::io::Result<()> {
        let folder = self.folder.fd();
        fs::renameat_with(folder, &*self.name, folder, name, flags)
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn rename_with(&self, _: &str, _: RenameFlags) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
    }

    /// What is called by the temporary name now.
    fn content(&self) -> Result<Vec<u8>, Failure> {
        Ok(self.folder.read(&self.name)?.unwrap_or_default())
    }
}

/// Whether the kernel or the file system cannot swap names, nor rename only to a free one. NFS cannot, and some sandboxes
/// of containers refuse.
fn is_unsupported(errno: Errno) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM].contains(&errno)
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(failure) = self.folder.remove(&self.name)
        {
            tracing::warn!(error = %failure, "a temporary file is left for the next sweep");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_file_that_does_not_get_its_name_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(folder.replace("taken", b"x", Durability::Relaxed).is_err());
        assert_eq!(folder.list().unwrap().count(), 1);
    }

    fn if_it_is(folder: &Folder, expected: Option<&[u8]>) -> bool {
        let temp_name = names::next_temp_name;
        let done = folder.replace_if(temp_name, "f", expected, b"ours");
        done.unwrap()
    }

    #[test]
    fn only_what_is_expected_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(!if_it_is(&folder, Some(b"theirs")), "absent");
        assert!(if_it_is(&folder, None), "absent, as expected");
        assert!(!if_it_is(&folder, None), "there");
        std::fs::write(dir.path().join("f"), "theirs").unwrap();
        assert!(!if_it_is(&folder, Some(b"another's")), "not this one");
        assert_eq!(folder.read("f").unwrap().unwrap(), b"theirs");
        assert!(if_it_is(&folder, Some(b"theirs")), "this one");
        assert_eq!(folder.read("f").unwrap().unwrap(), b"ours");
        assert_eq!(folder.list().unwrap().count(), 1);
    }

    /// Somebody who knows no lock replaces or removes the file at the same moment. Whoever is first, what they did is what
    /// there is in the end.
    #[test]
    fn what_another_does_at_that_moment_is_not_undone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let (file, their_file) = (dir.path().join("f"), dir.path().join("theirs"));
        let start = Barrier::new(2);
        for round in 0..2_000 {
            let replaces = round % 2 == 0;
            std::fs::write(&file, "before").unwrap();
            std::fs::write(&their_file, "theirs").unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    // From the moment in which ours begins to long after its end.
                    (0..round % 400).for_each(|_| std::hint::spin_loop());
                    match replaces {
                        true => std::fs::rename(&their_file, &file).unwrap(),
                        false => std::fs::remove_file(&file).unwrap(),
                    }
                });
                start.wait();
                if_it_is(&folder, Some(b"before"));
            });
            let expected = replaces.then(|| b"theirs".to_vec());
            assert_eq!(folder.read("f").unwrap(), expected, "round {round}");
        }
    }
}
