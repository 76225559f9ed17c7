//! The session directory: what is in it, and when it is refused.

use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Failure, OpenError};
use crate::folder::{FOLDER_MODE, Folder};
use crate::index::Index;
use crate::lock::{Locks, PATIENCE};
use crate::names;
use crate::shards::Shards;
use crate::store::Durability;

/// The file that says that a directory is a session store.
pub(crate) const MARKER: &str = "anysession-store";
/// The layout of the directory that this release reads and writes.
pub(crate) const FORMAT: u32 = 1;

const FIRST_LINE: &str = "anysession filesystem store";
const MARKER_LIMIT: usize = 4096;

#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) root: Folder,
    pub(crate) records: Shards,
    pub(crate) index: Index,
    pub(crate) locks: Locks,
}

impl Layout {
    /// Opens the directory, or makes it if only its last folder is missing.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let root = open_root(path, durability)?;
        check_access(&root)?;
        if !check_marker(&root)? {
            check_empty(&root)?;
            write_marker(&root)?;
        }
        let records = root.make_child("records")?.0;
        let users = root.make_child("users")?.0;
        let locks = root.make_child("locks")?.0;
        for folder in [&records, &users, &locks] {
            check_access(folder)?;
        }
        if durability == Durability::Full {
            root.sync()?;
        }
        Ok(Layout {
            records: Shards::new(records, durability)?,
            index: Index::new(Shards::new(users, durability)?),
            locks: Locks::new(locks, PATIENCE),
            root,
        })
    }
}

pub(crate) fn open_root(path: &Path, durability: Durability) -> Result<Folder, OpenError> {
    // Taken apart and put together, because `link/` and `link/.` would follow the link.
    let path: PathBuf = path.components().collect();
    let doing = "open the session directory";
    match Folder::open(&path) {
        Ok(root) => Ok(root),
        Err(Errno::NOENT) => make_root(&path, durability),
        Err(Errno::LOOP | Errno::NOTDIR) => match what_is(&path) {
            Some(found) => Err(OpenError::NotADirectory { path, found }),
            None => Err(Failure::io(doing, path, Errno::NOTDIR).into()),
        },
        Err(errno) => Err(Failure::io(doing, path, errno).into()),
    }
}

fn make_root(path: &Path, durability: Durability) -> Result<Folder, OpenError> {
    let doing = "make the session directory";
    let made = match fs::mkdir(path, FOLDER_MODE) {
        Ok(()) => true,
        // Another process was faster.
        Err(Errno::EXIST) => false,
        Err(Errno::NOENT) => {
            return Err(OpenError::ParentMissing {
                path: path.to_owned(),
            });
        }
        Err(errno) => return Err(Failure::io(doing, path, errno).into()),
    };
    let root = Folder::open(path).map_err(|errno| match what_is(path) {
        Some(found) => OpenError::NotADirectory {
            path: path.to_owned(),
            found,
        },
        None => Failure::io(doing, path, errno).into(),
    })?;
    if made {
        fs::fchmod(root.fd(), FOLDER_MODE).map_err(|errno| Failure::io(doing, path, errno))?;
        if durability == Durability::Full {
            sync_parent(path)?;
        }
    }
    Ok(root)
}

fn sync_parent(path: &Path) -> Result<(), Failure> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(parent, flags, Mode::empty())
        .and_then(fs::fsync)
        .map_err(|errno| Failure::io("sync", parent, errno))
}

fn what_is(path: &Path) -> Option<&'static str> {
    let stat = fs::lstat(path).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => None,
        FileType::Symlink => Some("symbolic link"),
        FileType::RegularFile => Some("file"),
        _ => Some("device, pipe or socket"),
    }
}

/// Nobody but the user of this process may get at the folder.
fn check_access(folder: &Folder) -> Result<(), OpenError> {
    let path = || folder.path().to_owned();
    let stat =
        fs::fstat(folder.fd()).map_err(|errno| Failure::io("look at", folder.path(), errno))?;
    let expected = rustix::process::geteuid().as_raw();
    if stat.st_uid != expected {
        return Err(OpenError::WrongOwner {
            path: path(),
            owner: stat.st_uid,
            expected,
        });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        #[cfg_attr(
            target_os = "linux",
            expect(clippy::useless_conversion, reason = "16 bits on macOS and the BSDs")
        )]
        let mode = mode.bits().into();
        return Err(OpenError::OpenToOthers { path: path(), mode });
    }
    Ok(())
}

/// Whether the marker is there; an error if it says something else than expected.
fn check_marker(root: &Folder) -> Result<bool, OpenError> {
    let Some(fd) = root.open_file(MARKER, OFlags::RDONLY)? else {
        return Ok(false);
    };
    let mut bytes = vec![0; MARKER_LIMIT];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut bytes))
        .map_err(|errno| root.failure("read", MARKER, errno))?;
    bytes.truncate(read);
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let format = (lines.next() == Some(FIRST_LINE))
        .then(|| lines.next()?.strip_prefix("format ")?.parse::<u32>().ok())
        .flatten();
    match format {
        Some(FORMAT) => Ok(true),
        Some(format) if format > FORMAT => Err(OpenError::NewerFormat {
            path: root.path().to_owned(),
            format,
        }),
        _ => Err(OpenError::DamagedMarker {
            path: root.path().join(MARKER),
        }),
    }
}

/// Without a marker, the directory may hold nothing but what a process leaves that died, or is busy, writing the marker.
fn check_empty(root: &Folder) -> Result<(), OpenError> {
    for listed in root.list()? {
        let (name, _) = listed?;
        if names::is_temp_name(&name) {
            continue;
        }
        // Another process may have been faster since this one looked for the marker.
        if check_marker(root)? {
            return Ok(());
        }
        return Err(OpenError::NotOurs {
            path: root.path().to_owned(),
            found: String::from_utf8_lossy(&name).into_owned(),
        });
    }
    Ok(())
}

/// Synced in either durability: a directory with a torn marker would be refused from then on.
fn write_marker(root: &Folder) -> Result<(), OpenError> {
    let text = format!(
        "{FIRST_LINE}\nformat {FORMAT}\n\nThis directory holds the sessions of an application. Leave it to the \
         application; to end every session, stop it and remove the directory as a whole.\n"
    );
    Ok(root.replace(MARKER, text.as_bytes(), Durability::Full)?)
}
