//! Sessions in one redb file, which several processes may share: the example of CONTRIBUTING.md, "Write a store".
//!
//! Every write waits for its turn and for the disk. After an I/O error redb refuses everything until it is opened anew.

mod driver;
mod store;
mod tables;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, ConcurrencyMode, Database};

pub use driver::DRIVER;

/// Sessions in a redb file. Its verbs run on the blocking threads of the tokio runtime that calls them.
#[derive(Clone, Debug)]
pub struct RedbStore(Arc<Database>);

impl RedbStore {
    /// Opens the file, which only its owner may read; makes it if there is none. Blocks the thread.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no redb database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, redb::Error> {
        let mut options = File::options();
        options.read(true).write(true).create(true).mode(0o600);
        let database = Builder::new()
            .set_concurrency_mode(ConcurrencyMode::MultiWriter)
            .set_cache_size(16 << 20)
            .create_with_backend(FileBackend::new(options.open(path)?)?)?;
        tables::write(&database, |_| Ok(Some(())))?; // makes the tables
        Ok(RedbStore(Arc::new(database)))
    }
}
