//! 256 folders in a folder, made when they are first written to.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Failure;
use crate::folder::{Folder, Made};
use crate::names;
use crate::store::Durability;

#[derive(Debug)]
pub(crate) struct Shards {
    parent: Folder,
    durability: Durability,
    /// Which of the folders are known to survive a loss of power. That a folder exists is not enough: another process
    /// may have made it, and died before it synced the parent.
    durable: [AtomicBool; 256],
}

impl Shards {
    pub(crate) fn new(parent: Folder, durability: Durability) -> Result<Self, Failure> {
        let durable = [const { AtomicBool::new(false) }; 256];
        if durability == Durability::Full {
            for shard in 0..=u8::MAX {
                let there = parent.stat(names::shard_name(shard).as_bytes())?.is_some();
                durable[usize::from(shard)].store(there, Ordering::Relaxed);
            }
            parent.sync()?;
        }
        Ok(Shards {
            parent,
            durability,
            durable,
        })
    }

    pub(crate) fn parent(&self) -> &Folder {
        &self.parent
    }

    pub(crate) fn open(&self, shard: u8) -> Result<Option<Folder>, Failure> {
        self.parent.child(&names::shard_name(shard))
    }

    pub(crate) fn make(&self, shard: u8) -> Result<Folder, Failure> {
        let (folder, made) = self.parent.make_child(&names::shard_name(shard))?;
        let durable = &self.durable[usize::from(shard)];
        if self.durability == Durability::Full
            && (made == Made::Now || !durable.load(Ordering::Relaxed))
        {
            self.parent.sync()?;
            durable.store(true, Ordering::Relaxed);
        }
        Ok(folder)
    }
}
