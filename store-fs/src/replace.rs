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

    /// Removes a file of this content. For such a folder, too: says whether it was done.
    ///
    /// It is renamed and looked at then, and gets its name back if it is another one and the name is still free. If the
    /// process is killed in between, the file is gone.
    pub(crate) fn remove_if(
        &self,
        temp_name: impl Fn() -> String,
        name: &str,
        expected: &[u8],
    ) -> Result<bool, Failure> {
        if self.read(name)?.as_deref() != Some(expected) {
            return Ok(false);
        }
        // The name is taken by a file of ours first: a process elsewhere may be writing one of the same name.
        let mut temp = Temp::create(self, temp_name)?;
        match fs::renameat(self.fd(), name, self.fd(), &*temp.name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.failure("rename", name, errno)),
        }
        match self.read(&temp.name) {
            Ok(Some(came_out)) if came_out == expected => Ok(true),
            // Only litter is swept, and that is old: it was what was expected.
            Ok(None) => Ok(true),
            came_out => {
                // Theirs, and the only copy, unless something later has the name by now.
                temp.is_litter = false;
                temp.rename_to_new(name)?;
                came_out.map(|_| false)
            }
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
    /// Whether what has the name is to be removed.
    is_litter: bool,
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
                    is_litter: true,
                });
            }
        }
    }

    fn rename(mut self, name: &str) -> Result<(), Failure> {
        let folder = self.folder;
        fs::renameat(folder.fd(), &*self.name, folder.fd(), name)
            .map_err(|errno| folder.failure("rename a new file to", name, errno))?;
        self.is_litter = false;
        Ok(())
    }

    /// Says whether the name was free.
    fn rename_to_new(mut self, name: &str) -> Result<bool, Failure> {
        match rename_with(self.folder, &self.name, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.is_litter = false;
                Ok(true)
            }
            Err(Errno::EXIST) => {
                self.is_litter = true;
                Ok(false)
            }
            Err(errno) if is_unsupported(errno) => self.rename(name).map(|()| true),
            Err(errno) => Err(self.folder.failure("rename a new file to", name, errno)),
        }
    }

    /// Swaps the two names, which is one step, and looks at what came out. If that is not what was expected, somebody was
    /// faster by a hair: theirs goes back, and whatever came out when it did was later still.
    ///
    /// If the process is killed between the two, ours stays in the place of theirs.
    fn take_the_place_of(
        mut self,
        name: &str,
        expected: &[u8],
        content: &[u8],
    ) -> Result<bool, Failure> {
        match rename_with(self.folder, &self.name, name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) if is_unsupported(errno) => return self.rename(name).map(|()| true),
            Err(errno) => return Err(self.folder.failure("rename a new file to", name, errno)),
        }
        let mut came_out = match self.folder.read(&self.name) {
            Ok(Some(came_out)) if came_out != expected => came_out,
            // Only litter is swept, and that is old: it was what was expected.
            Ok(_) => return Ok(true),
            Err(failure) => {
                self.put_back(name)?;
                return Err(failure);
            }
        };
        let mut placed = content.to_vec();
        while self.put_back(name)? {
            // It may be theirs, and the only copy, as long as that is not known.
            self.is_litter = false;
            let now = self.folder.read(&self.name)?;
            self.is_litter = true;
            match now {
                Some(now) if now != placed => placed = mem::replace(&mut came_out, now),
                _ => break,
            }
        }
        Ok(false)
    }

    /// Says whether the name was still there. If it cannot be done, what may be the only copy stays where it is.
    fn put_back(&mut self, name: &str) -> Result<bool, Failure> {
        match rename_with(self.folder, &self.name, name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => {
                self.is_litter = false;
                Err(self.folder.failure("put back", name, errno))
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_with(
    folder: &Folder,
    from: &str,
    to: &str,
    flags: RenameFlags,
) -> rustix::io::Result<()> {
    fs::renameat_with(folder.fd(), from, folder.fd(), to, flags)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_with(_: &Folder, _: &str, _: &str, _: RenameFlags) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Whether the kernel or the file system cannot swap names, nor rename only to a free one. NFS cannot, and some sandboxes
/// of containers refuse.
fn is_unsupported(errno: Errno) -> bool {
    let unsupported = [
        Errno::INVAL,
        Errno::NOSYS,
        Errno::NOTSUP,
        Errno::OPNOTSUPP,
        Errno::PERM,
    ];
    unsupported.contains(&errno)
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.is_litter
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

    /// What somebody who knows no lock does to the file at the same moment.
    #[derive(Clone, Copy, Debug)]
    enum Rival {
        Replaces,
        Removes,
    }

    /// Each round one of ours, which says whether it was done, and a rival at the same moment. Whoever is first, what the
    /// rival did is what there is in the end.
    fn meet(ours: impl Fn(&Folder, Temp<'_>) -> bool + Sync) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let (file, their_file) = (dir.path().join("f"), dir.path().join("theirs"));
        let start = Barrier::new(2);
        let (mut done, mut refused) = (0, 0);
        for round in 0..6_000 {
            let rival = match round % 2 {
                0 => Rival::Replaces,
                _ => Rival::Removes,
            };
            std::fs::write(&file, "before").unwrap();
            std::fs::write(&their_file, "theirs").unwrap();
            let temp = folder
                .write_temp(names::next_temp_name, b"ours", Durability::Relaxed)
                .unwrap();
            let was_done = std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    // From the moment in which ours begins to some time after its end.
                    (0..round % 600).for_each(|_| std::hint::spin_loop());
                    match rival {
                        Rival::Replaces => std::fs::rename(&their_file, &file).unwrap(),
                        // Ours may have been faster.
                        Rival::Removes => drop(std::fs::remove_file(&file)),
                    }
                });
                start.wait();
                ours(&folder, temp)
            });
            match was_done {
                true => done += 1,
                false => refused += 1,
            }
            let expected = matches!(rival, Rival::Replaces).then(|| b"theirs".to_vec());
            let found = folder.read("f").unwrap();
            assert_eq!(found, expected, "round {round}, {rival:?}, {was_done}");
        }
        assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
        assert_eq!(
            folder.list().unwrap().count(),
            1,
            "theirs, and no temporary file"
        );
    }

    #[test]
    fn a_replacement_undoes_nothing_that_another_does_at_that_moment() {
        meet(|_, temp| temp.take_the_place_of("f", b"before", b"ours").unwrap());
    }

    #[test]
    fn a_removal_undoes_nothing_that_another_does_at_that_moment() {
        meet(|folder, _| {
            let temp_name = names::next_temp_name;
            folder.remove_if(temp_name, "f", b"before").unwrap()
        });
    }

    /// Of a process in another container, which may have the same number.
    #[test]
    fn a_removal_leaves_the_temporary_file_of_another_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("f"), "before").unwrap();
        std::fs::write(dir.path().join("theirs"), "on its way").unwrap();
        let names = std::cell::RefCell::new(vec!["free", "theirs"]);
        let next = || names.borrow_mut().pop().unwrap().to_owned();
        assert!(folder.remove_if(next, "f", b"before").unwrap());
        assert_eq!(folder.read("theirs").unwrap().unwrap(), b"on its way");
        assert_eq!(folder.list().unwrap().count(), 1);
    }

    /// As if two others had been faster, one after the other.
    #[test]
    fn the_latest_of_several_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let temp = folder.write_temp(names::next_temp_name, b"ours", Durability::Relaxed);
        std::fs::write(dir.path().join("f"), "theirs").unwrap();
        let temp = temp.unwrap();
        assert!(!temp.take_the_place_of("f", b"before", b"ours").unwrap());
        assert_eq!(folder.read("f").unwrap().unwrap(), b"theirs");
        assert_eq!(folder.list().unwrap().count(), 1);
    }
}
