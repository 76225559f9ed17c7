//! Removing what has expired, what crashed writers left, and index entries whose record is gone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anysession::{StoreKey, Timestamp};
use rustix::fs::FileType;

use crate::error::Failure;
use crate::folder::Folder;
use crate::index::EntryName;
use crate::names;
use crate::record::{self, Found, HEADER};
use crate::verbs::Files;

/// How old a temporary file must be before it counts as litter. A writer of ours holds the lock of its shard, so none that
/// is swept under the lock is in use; the age is for filesystems on which locks do not reach other machines, and for
/// Flask's layout, where a name does not tell which lock. There a file of that name may also be a session of that age that
/// is just being replaced, and not needed any more.
const LITTER_AGE: Duration = Duration::from_secs(60 * 60);

impl Files {
    /// Goes round the shards, from where the last call stopped, until it has deleted `limit` records or been
    /// everywhere. What cannot be read is left alone and reported; the rest of the shards is swept all the same.
    pub(crate) fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, Failure> {
        if limit == 0 {
            return Ok(0);
        }
        self.layout.records.parent().check_not_removed()?;
        self.sweep_litter(&self.layout.root, None, before)?;
        let start = self.swept_to.load(Ordering::Relaxed);
        let mut sweep = Sweep {
            before,
            limit,
            deleted: 0,
            failure: None,
        };
        for step in 0..=u8::MAX {
            let shard = start.wrapping_add(step);
            self.sweep_shard(shard, &mut sweep);
            if sweep.is_full() {
                self.swept_to.store(shard, Ordering::Relaxed);
                return Ok(sweep.deleted);
            }
        }
        match sweep.failure {
            // Fewer than `limit` would mean that none are left.
            Some(failure) => Err(failure),
            None => Ok(sweep.deleted),
        }
    }

    fn sweep_shard(&self, shard: u8, sweep: &mut Sweep) {
        match self.layout.records.open(shard) {
            Ok(Some(folder)) => self.sweep_records(&folder, shard, sweep),
            Ok(None) => {}
            Err(failure) => sweep.failed(failure),
        }
        if sweep.is_full() {
            return;
        }
        match self.layout.index.in_shard(shard) {
            Ok(entries) => {
                for entry in entries {
                    let pruned = self
                        .read_bytes(&entry.key, 1)
                        .and_then(|record| match record {
                            Some(_) => Ok(()),
                            None => self.prune(&entry),
                        });
                    sweep.note(pruned);
                }
            }
            Err(failure) => sweep.failed(failure),
        }
    }

    fn sweep_records(&self, folder: &Folder, shard: u8, sweep: &mut Sweep) {
        sweep.note(self.sweep_litter(folder, Some(shard), sweep.before));
        let keys: Result<Vec<StoreKey>, Failure> = folder.list().and_then(|listed| {
            listed
                .filter_map(|entry| match entry {
                    Ok((name, FileType::RegularFile | FileType::Unknown)) => {
                        names::parse_record_name(&name)
                            .filter(|key| names::shard_of(key) == shard)
                            .map(Ok)
                    }
                    Ok(_) => None,
                    Err(failure) => Some(Err(failure)),
                })
                .collect()
        });
        let keys = match keys {
            Ok(keys) => keys,
            Err(failure) => return sweep.failed(failure),
        };
        for key in keys {
            match self.delete_if_expired(folder, &key, sweep.before) {
                Ok(true) => sweep.deleted += 1,
                Ok(false) => {}
                Err(failure) => sweep.failed(failure),
            }
            if sweep.is_full() {
                return;
            }
        }
    }

    /// Looks first without the lock, because most records live, and again under it, because the deadline may have moved.
    fn delete_if_expired(
        &self,
        folder: &Folder,
        key: &StoreKey,
        before: Timestamp,
    ) -> Result<bool, Failure> {
        if self.expired_version(key, before)?.is_none() {
            return Ok(false);
        }
        let lock = self.layout.locks.take(names::shard_of(key))?;
        let Some(version) = self.expired_version(key, before)? else {
            return Ok(false);
        };
        let found = self.read(key)?;
        lock.raise_floor(version);
        // Not synced: a record that comes back after a loss of power is as expired as before.
        let deleted = folder.remove(&names::record_name(key))?;
        if let Found::Record(record) = found
            && let Some(user) = &record.entry.user
        {
            self.forget(&EntryName::new(user, key));
        }
        Ok(deleted)
    }

    /// The version of the record under `key` if its deadline is at or before `before`. What is not a record of ours, or
    /// of a newer release, has no deadline that could be trusted, and stays.
    fn expired_version(&self, key: &StoreKey, before: Timestamp) -> Result<Option<u64>, Failure> {
        let Some(bytes) = self.read_bytes(key, HEADER)? else {
            return Ok(None);
        };
        let header = record::decode_header(key, &bytes).ok();
        Ok(header
            .filter(|header| header.deadline <= before)
            .map(|header| header.version))
    }

    fn sweep_litter(
        &self,
        folder: &Folder,
        shard: Option<u8>,
        before: Timestamp,
    ) -> Result<(), Failure> {
        for name in old_litter(folder, before, names::is_temp_name)? {
            let _lock = shard
                .map(|shard| self.layout.locks.take(shard))
                .transpose()?;
            folder.remove(&name)?;
        }
        Ok(())
    }
}

/// Old temporary files. The deadline of a record never comes from a file's date, but litter has no other.
pub(crate) fn old_litter(
    folder: &Folder,
    before: Timestamp,
    is_temp_name: fn(&[u8]) -> bool,
) -> Result<Vec<String>, Failure> {
    let mut old = Vec::new();
    for listed in folder.list()? {
        let (name, kind) = listed?;
        if !is_temp_name(&name) || !matches!(kind, FileType::RegularFile | FileType::Unknown) {
            continue;
        }
        let Some(stat) = folder.stat(&name)? else {
            continue;
        };
        let written = u64::try_from(stat.st_mtime)
            .unwrap_or_default()
            .saturating_mul(1000);
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if regular && Timestamp::from_millis(written) < before.before(LITTER_AGE) {
            old.push(String::from_utf8_lossy(&name).into_owned());
        }
    }
    Ok(old)
}

struct Sweep {
    before: Timestamp,
    limit: usize,
    deleted: usize,
    failure: Option<Failure>,
}

impl Sweep {
    fn is_full(&self) -> bool {
        self.deleted >= self.limit
    }

    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failed(failure);
        }
    }

    fn failed(&mut self, failure: Failure) {
        tracing::warn!(error = %failure, "a part of the session directory could not be swept");
        self.failure.get_or_insert(failure);
    }
}
