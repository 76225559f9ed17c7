//! Writing a file in one step.

use std::os::fd::OwnedFd;

use rustix::fs;
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
        temp.rename(name)
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
    use super::*;

    #[test]
    fn a_file_that_does_not_get_its_name_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(folder.replace("taken", b"x", Durability::Relaxed).is_err());
        assert_eq!(folder.list().unwrap().count(), 1);
    }
}
