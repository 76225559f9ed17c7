//! What the verbs of the store do with files. All of it blocks.

use std::path::Path;
use std::sync::atomic::AtomicU8;

use anysession::{Deletion, Entry, Expect, StoreKey, Stored, Timestamp, Version, Write};
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;

use crate::admission::{admit, next_version};
use crate::dir::Layout;
use crate::error::{Failure, OpenError};
use crate::index::{EntryName, Known};
use crate::names;
use crate::record::{self, Found, HEADER, Record};
use crate::store::Durability;

/// Most sessions fit, so that one `read` gets them.
const FIRST_READ: usize = 4096;

#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) layout: Layout,
    pub(crate) durability: Durability,
    /// Where the last sweep stopped.
    pub(crate) swept_to: AtomicU8,
}

impl Files {
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        Ok(Files {
            layout: Layout::open(path, durability)?,
            durability,
            swept_to: AtomicU8::new(0),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.layout.root.path()
    }

    /// Takes no lock: a rename is one step, so what is read is whole.
    pub(crate) fn load(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        match self.read(key)? {
            Found::Record(Record { version, entry }) => Ok(Some(Stored {
                entry,
                version: version.into(),
            })),
            Found::Absent => {
                // Only asked on a miss, where it costs a visitor of ours nothing.
                self.layout.records.parent().check_not_removed()?;
                Ok(None)
            }
            Found::Corrupt { .. } | Found::Newer { .. } => Ok(None),
        }
    }

    pub(crate) fn put(
        &self,
        key: &StoreKey,
        expect: &Expect,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let lock = self.layout.locks.take(names::shard_of(key))?;
        let found = self.read(key)?;
        let Some(past) = admit(&found, expect, now) else {
            return Ok(Write::Conflict);
        };
        let version = next_version(past, &lock, now)?.ok_or_else(|| lock.versions_used_up())?;
        let content =
            record::encode(key, version, entry).map_err(|size| Failure::TooLarge { size })?;
        let shard = self.layout.records.make(names::shard_of(key))?;
        if let Some(user) = &entry.user {
            let known = match &found {
                Found::Record(old) if old.entry.user.as_ref() == Some(user) => Known::Before,
                _ => Known::New,
            };
            // Before the record, so that a crash, or a full disk, between the two leaves no record without its entry.
            // The lock keeps others from taking the entry away as one too many.
            self.layout.index.add(user, key, known, self.durability)?;
        }
        shard.replace(&names::record_name(key), &content, self.durability)?;
        // The next writer need not wait for the sync: its own covers this change too.
        drop(lock);
        if self.durability == Durability::Full {
            shard.sync()?;
        }
        Ok(Write::Done(version.into()))
    }

    pub(crate) fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(shard) = self.layout.records.open(names::shard_of(key))? else {
            return Ok(());
        };
        let _lock = self.layout.locks.take(names::shard_of(key))?;
        let Found::Record(Record {
            version: current,
            entry,
        }) = self.read(key)?
        else {
            return Ok(());
        };
        if version.as_number() != Some(current)
            || entry.deadline <= now
            || entry.deadline >= deadline
        {
            return Ok(());
        }
        let content = record::encode(key, current, &Entry { deadline, ..entry })
            .map_err(|size| Failure::TooLarge { size })?;
        // The new file is synced like any other, or a loss of power could put an empty file in the place of a session
        // that was safe. Whether the rename is remembered matters less, so the folder is not synced.
        shard.replace(&names::record_name(key), &content, self.durability)
    }

    pub(crate) fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, Failure> {
        let Some(shard) = self.layout.records.open(names::shard_of(key))? else {
            self.layout.records.parent().check_not_removed()?;
            return Ok(Deletion::Conflict);
        };
        let lock = self.layout.locks.take(names::shard_of(key))?;
        let Found::Record(Record {
            version: current,
            entry,
        }) = self.read(key)?
        else {
            return Ok(Deletion::Conflict);
        };
        if version.as_number() != Some(current) {
            return Ok(Deletion::Conflict);
        }
        lock.raise_floor(current);
        if !shard.remove(&names::record_name(key))? {
            return Ok(Deletion::Conflict);
        }
        if self.durability == Durability::Full {
            shard.sync()?;
        }
        if let Some(user) = &entry.user {
            self.forget(&EntryName::new(user, key));
        }
        Ok(Deletion::Done)
    }

    pub(crate) fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, Failure> {
        let mut keys = Vec::new();
        for name in self.layout.index.of_user(user)? {
            match self.read(&name.key)? {
                Found::Record(record) if record.entry.user.as_deref() == Some(user) => {
                    keys.push(name.key);
                }
                Found::Record(_) => {}
                // Who only wants to know need not be able to write.
                Found::Absent => {
                    if let Err(failure) = self.prune(&name) {
                        tracing::warn!(error = %failure, "an index entry without a session was not removed");
                    }
                }
                // Not ours to judge, and a key too many does no harm.
                Found::Corrupt { .. } | Found::Newer { .. } => keys.push(name.key),
            }
        }
        Ok(keys)
    }

    /// Removes an index entry whose record was absent, if it still is: a record that is just being made has its entry
    /// before it.
    pub(crate) fn prune(&self, name: &EntryName) -> Result<(), Failure> {
        let _lock = self.layout.locks.take(names::shard_of(&name.key))?;
        if self.read(&name.key)? == Found::Absent {
            self.forget(name);
        }
        Ok(())
    }

    /// One entry too many is no reason to fail what was asked for.
    pub(crate) fn forget(&self, name: &EntryName) {
        if let Err(failure) = self.layout.index.remove(name) {
            tracing::warn!(error = %failure, "an entry of the user index is left for the next sweep");
        }
    }

    /// What is in the file of this key, whole.
    pub(crate) fn read(&self, key: &StoreKey) -> Result<Found, Failure> {
        let Some(bytes) = self.read_bytes(key, usize::MAX)? else {
            return Ok(Found::Absent);
        };
        let found = record::decode(key, bytes);
        let file = || {
            self.layout
                .records
                .parent()
                .path()
                .join(names::record_path(key))
        };
        match &found {
            Found::Corrupt { why, .. } => {
                tracing::warn!(file = %file().display(), why, "not a session record: treated as no session");
            }
            Found::Newer { format } => tracing::warn!(
                file = %file().display(),
                format,
                "a newer release wrote this session record: treated as no session, and left as it is"
            ),
            Found::Record(_) | Found::Absent => {}
        }
        Ok(found)
    }

    /// The first bytes of the file of this key, at least `wanted` of them if it has so many.
    pub(crate) fn read_bytes(
        &self,
        key: &StoreKey,
        wanted: usize,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let folder = self.layout.records.parent();
        let path = names::record_path(key);
        let Some(fd) = folder.open_file(&path, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let mut bytes = Vec::with_capacity(FIRST_READ);
        while bytes.len() < wanted {
            if bytes.len() == bytes.capacity() {
                bytes.reserve(bytes.len());
            }
            let read =
                rustix::io::retry_on_intr(|| rustix::io::read(&fd, spare_capacity(&mut bytes)))
                    .map_err(|errno| folder.failure("read", &path, errno))?;
            let len = bytes.len() as u64;
            let end_seen = bytes.len() < bytes.capacity();
            let enough = match record::declared_len(&bytes) {
                // Where a record should end, the file must end too.
                Some(declared) => len > declared || (len == declared && end_seen),
                // A planted file may be as large as it likes.
                None => bytes.len() >= HEADER,
            };
            if read == 0 || enough {
                break;
            }
        }
        Ok(Some(bytes))
    }
}
