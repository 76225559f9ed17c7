//! Sessions of [`anysession`] in the files of a directory: no server to run, nothing lost when the application restarts,
//! and several processes on one machine may share them.
//!
//! ```
//! use anysession::{Location, Store};
//! use anysession_fs::{Durability, FsStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let parent = tempfile::tempdir()?;
//! # let path = parent.path().join("sessions").display().to_string();
//! // In code,
//! let store = FsStore::open(&path)?;
//! let faster = FsStore::open_with(&path, Durability::Relaxed)?;
//! // or by configuration, where the application lists `anysession_fs::DRIVER` among its drivers.
//! let location = Location::parse(&format!("file://{path}?durability=relaxed"));
//! let store = (anysession_fs::DRIVER.connect)(location).await?;
//! # Ok(()) }
//! ```
//!
//! # What it promises
//!
//! - **Never torn.** A record is written to a temporary file, synced, and renamed; the folder is synced before the
//!   answer. A test replays a loss of power after each system call. [`Durability::Relaxed`] leaves out the syncs, and with them the promise about a loss of power, not the one
//!   about a crash of the process.
//! - **Shared safely.** Every change is made under a `flock` on one of 256 lock files, which is the same for all threads
//!   and processes. Who cannot have a lock for ten seconds, because another process was stopped in the middle of a change,
//!   gets an error. It is meant for a local filesystem. On NFS it needs a server and mounts that carry `flock` to the
//!   other machines.
//! - **Private.** Folders have mode 0700 and files 0600, whatever the umask. A directory that belongs to somebody else, or
//!   that others may enter, is refused. File names are hashes; no symbolic link inside the directory is followed.
//! - **Careful with what it did not write.** A directory that holds anything but sessions is refused, and foreign files
//!   that turn up later are left alone. A file that is not a whole record of its own key counts as no session, with a
//!   `tracing` event; a record of a newer release is never changed or removed.
//!
//! # What is in the directory
//!
//! | name | holds |
//! | --- | --- |
//! | `anysession-store` | the marker, with the format of the directory |
//! | `records/ab/abcd…` | one session: a header with checksums, then the user and the payload |
//! | `users/12/1234….abcd…` | an empty file: this user's hash, this session |
//! | `locks/ab` | a lock file; never removed |
//! | `tmp-…` | a write on its way; one that is left by a crash is removed after an hour by `delete_expired` |

//!
//! # In Flask's layout
//!
//! With `SESSION_LAYOUT=flask` the directory is one of cachelib's, whose `FileSystemCache` must have
//! `serializer = JSONSerializer()`. The option `hash` says by which hash new files are called: `md5` as up to cachelib 0.15,
//! `sha256` as from 0.16 on, `auto` (the default) as the last session that was met. Files of both kinds are read. Deadlines
//! are whole seconds. Changes are made under locks of this crate's, which Flask does not know: so a new file swaps names with
//! the old one, and back if Flask was faster. It is synced first also with `durability=relaxed`, which leaves out only the
//! folder then. Where names cannot be swapped (NFS, some sandboxes), a write of Flask's at the
//! very moment of one of ours can be lost.

#[cfg(not(unix))]
compile_error!("anysession-fs needs a Unix system: permissions, flock and atomic renames");

mod admission;
mod dir;
mod driver;
mod error;
mod flask;
mod folder;
mod index;
mod lock;
mod names;
mod record;
mod replace;
mod shards;
mod store;
mod sweep;
mod verbs;

pub use driver::DRIVER;
pub use error::OpenError;
pub use store::{Durability, FsStore};
