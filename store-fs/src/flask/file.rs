//! What the verbs do with the files. All of it blocks.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anysession::{Deletion, Entry, Expect, Stored, Timestamp, Version, Write};
use bytes::Bytes;

use super::Hash;
use crate::dir;
use crate::error::{Failure, OpenError};
use crate::folder::Folder;
use crate::lock::{Lock, Locks, PATIENCE};
use crate::names;
use crate::store::Durability;
use crate::sweep;

/// The ending of what cachelib takes for no session.
const NOT_A_SESSION: &str = ".__wz_cache";
const EXPIRY_LEN: usize = 4;

#[derive(Debug)]
pub(super) struct Files {
    folder: Folder,
    /// By what SHA-256 calls a session, for all that is done to it.
    locks: Locks,
    /// By what MD5 calls it, for what is done to a file of that name: whoever sweeps files knows only their names.
    md5_locks: Locks,
    /// By which new sessions are called, if that is configured.
    hash: Option<Hash>,
    /// Whether the last session that was found here was called by MD5.
    met_md5: AtomicBool,
    durability: Durability,
}

/// A session that is there, and under which name.
struct Found {
    file: String,
    content: Bytes,
    stored: Stored,
}

impl Files {
    pub(super) fn open(
        path: &Path,
        hash: Option<Hash>,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        let folder = dir::open_root(path, durability)?;
        let locks = |kind| -> Result<Locks, Failure> {
            let (locks, _) = folder.make_child(&format!("anysession-{kind}{NOT_A_SESSION}"))?;
            Ok(Locks::new(locks, PATIENCE))
        };
        let (locks, md5_locks) = (locks("locks")?, locks("locks-md5")?);
        let met_md5 = AtomicBool::new(hash_in(&folder)? == Hash::Md5);
        Ok(Files {
            folder,
            locks,
            md5_locks,
            hash,
            met_md5,
            durability,
        })
    }

    pub(super) fn load(&self, name: &str) -> Result<Option<Stored>, Failure> {
        let found = self.find(name)?;
        if found.is_none() {
            self.folder.check_not_removed()?;
        }
        Ok(found.map(|found| found.stored))
    }

    pub(super) fn put(
        &self,
        name: &str,
        expect: &Expect,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let held = self.hold(name)?;
        let found = self.find(name)?;
        let alive = (found.as_ref()).filter(|found| found.stored.entry.deadline > now);
        let fits = match (expect, alive) {
            (Expect::Absent, None) => true,
            (Expect::Version(version), Some(found)) => found.stored.version == *version,
            _ => false,
        };
        if !fits {
            return Ok(Write::Conflict);
        }
        let is_new = found.is_none();
        let (file, expected) = match found {
            None => (self.new_hash().file(name), None),
            Some(found) => (found.file, Some(found.content)),
        };
        if !self.write(&file, expected.as_deref(), entry.deadline, &entry.payload)? {
            return Ok(Write::Conflict);
        }
        drop(held);
        if is_new {
            self.count(&file, 1);
        }
        if self.durability == Durability::Full {
            self.folder.sync()?;
        }
        Ok(Write::Done(Version::from_bytes(entry.payload.clone())))
    }

    pub(super) fn touch(
        &self,
        name: &str,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let _held = self.hold(name)?;
        let Some(found) = self.find(name)? else {
            return Ok(());
        };
        let entry = &found.stored.entry;
        let is_current = found.stored.version == *version && entry.deadline > now;
        if is_current && entry.deadline < deadline {
            // What somebody else wrote meanwhile has moved it already.
            self.write(&found.file, Some(&found.content), deadline, &entry.payload)?;
        }
        Ok(())
    }

    pub(super) fn delete(&self, name: &str, version: &Version) -> Result<Deletion, Failure> {
        let held = self.hold(name)?;
        let found = self.find(name)?;
        let Some(found) = found.filter(|found| found.stored.version == *version) else {
            return Ok(Deletion::Conflict);
        };
        let done = self
            .folder
            .remove_if(temp_name, &found.file, &found.content)?;
        if !done {
            return Ok(Deletion::Conflict);
        }
        drop(held);
        self.count(&found.file, -1);
        if self.durability == Durability::Full {
            self.folder.sync()?;
        }
        Ok(Deletion::Done)
    }

    pub(super) fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, Failure> {
        self.folder.check_not_removed()?;
        if let Err(failure) = self.sweep_litter(before) {
            tracing::warn!(error = %failure, "temporary files could not be swept");
        }
        let mut deleted = 0;
        for listed in self.folder.list()? {
            if deleted == limit {
                break;
            }
            let (file, _) = listed?;
            if let Ok(file) = String::from_utf8(file)
                && let Some(hash) = Hash::of(&file)
                && self.delete_if_expired(&file, hash, before)?
            {
                self.count(&file, -1);
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Looks first without the lock, because most sessions live, and again under it, because the end may have moved.
    fn delete_if_expired(
        &self,
        file: &str,
        hash: Hash,
        before: Timestamp,
    ) -> Result<bool, Failure> {
        let expired = || -> Result<Option<Vec<u8>>, Failure> {
            let content = self.folder.read(file)?;
            let is_expired = |bytes: &Vec<u8>| split(bytes).is_some_and(|(end, _)| end <= before);
            Ok(content.filter(is_expired))
        };
        if expired()?.is_none() {
            return Ok(false);
        }
        let locks = match hash {
            Hash::Sha256 => &self.locks,
            Hash::Md5 => &self.md5_locks,
        };
        let _lock = locks.take(shard(file))?;
        match expired()? {
            Some(content) => self.folder.remove_if(temp_name, file, &content),
            None => Ok(false),
        }
    }

    fn sweep_litter(&self, before: Timestamp) -> Result<(), Failure> {
        for litter in sweep::old_litter(&self.folder, before, is_temp_name)? {
            self.folder.remove(&litter)?;
        }
        Ok(())
    }

    /// The right to change what there is of a session.
    fn hold(&self, name: &str) -> Result<(Lock<'_>, Option<Lock<'_>>), Failure> {
        let lock = self.locks.take(shard(&Hash::Sha256.file(name)))?;
        let md5 = Hash::Md5.file(name);
        let is_md5 = self.new_hash() == Hash::Md5 || self.folder.stat(md5.as_bytes())?.is_some();
        let md5_lock = is_md5.then(|| self.md5_locks.take(shard(&md5)));
        Ok((lock, md5_lock.transpose()?))
    }

    fn new_hash(&self) -> Hash {
        let met = match self.met_md5.load(Ordering::Relaxed) {
            true => Hash::Md5,
            false => Hash::Sha256,
        };
        self.hash.unwrap_or(met)
    }

    fn find(&self, name: &str) -> Result<Option<Found>, Failure> {
        for hash in Hash::ALL {
            let file = hash.file(name);
            let Some(bytes) = self.folder.read(&file)? else {
                continue;
            };
            let Some((deadline, _)) = split(&bytes) else {
                tracing::warn!(file, "not a file of cachelib's: treated as no session");
                continue;
            };
            self.met_md5.store(hash == Hash::Md5, Ordering::Relaxed);
            let content = Bytes::from(bytes);
            let payload = content.slice(EXPIRY_LEN..);
            let stored = Stored {
                version: Version::from_bytes(payload.clone()),
                entry: Entry {
                    payload,
                    deadline,
                    user: None,
                },
            };
            return Ok(Some(Found {
                file,
                content,
                stored,
            }));
        }
        Ok(None)
    }

    /// Only over what is `expected`: cachelib writes and removes files without the lock. Says whether it was done.
    fn write(
        &self,
        file: &str,
        expected: Option<&[u8]>,
        deadline: Timestamp,
        payload: &[u8],
    ) -> Result<bool, Failure> {
        // Later than the year 2106 is never, as far as 32 bits go.
        let seconds = u32::try_from(deadline.as_millis() / 1000).unwrap_or(u32::MAX);
        // 0 would be never.
        let content = [&seconds.max(1).to_ne_bytes()[..], payload].concat();
        self.folder.replace_if(temp_name, file, expected, &content)
    }

    /// cachelib evicts sessions when it has counted too many of them. If it counts, what comes and goes here counts too.
    /// It counts anew when Flask starts, so a count that could not be changed is not worth an error.
    fn count(&self, file: &str, change: i64) {
        let counted = || -> Result<(), Failure> {
            let Some(hash) = Hash::of(file) else {
                return Ok(());
            };
            let name = hash.count_file();
            let _lock = self.locks.take(shard(&name))?;
            let Some(bytes) = self.folder.read(&name)? else {
                return Ok(());
            };
            let count = bytes
                .get(EXPIRY_LEN..)
                .and_then(|text| std::str::from_utf8(text).ok());
            let Some(count) = count.and_then(|text| text.parse::<i64>().ok()) else {
                return Ok(());
            };
            let text = (count + change).max(0).to_string();
            let content = [&0_u32.to_ne_bytes()[..], text.as_bytes()].concat();
            self.folder
                .replace_by(temp_name, &name, &content, Durability::Relaxed)
        };
        if let Err(failure) = counted() {
            tracing::warn!(error = %failure, "the number of session files was not written down");
        }
    }
}

/// One that cachelib leaves out.
fn temp_name() -> String {
    format!("{}{NOT_A_SESSION}", names::next_temp_name())
}

/// Whether [`temp_name`] made this name.
fn is_temp_name(name: &[u8]) -> bool {
    let ours = name.strip_suffix(NOT_A_SESSION.as_bytes());
    ours.is_some_and(names::is_temp_name)
}

/// The end, and the value.
fn split(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (seconds, value) = bytes.split_first_chunk()?;
    let end = match u32::from_ne_bytes(*seconds) {
        0 => Timestamp::MAX,
        seconds => Timestamp::from_millis(u64::from(seconds) * 1000),
    };
    Some((end, value))
}

/// The lock that a file belongs to.
fn shard(file: &str) -> u8 {
    let digits = file.get(..2).unwrap_or_default();
    u8::from_str_radix(digits, 16).unwrap_or_default()
}

/// How the sessions that are there are called.
fn hash_in(folder: &Folder) -> Result<Hash, Failure> {
    let mut found = Hash::Sha256;
    for listed in folder.list()? {
        let (file, _) = listed?;
        match std::str::from_utf8(&file).ok().and_then(Hash::of) {
            Some(Hash::Sha256) => return Ok(Hash::Sha256),
            Some(Hash::Md5) => found = Hash::Md5,
            None if file == Hash::Md5.count_file().as_bytes() => found = Hash::Md5,
            None => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_a_crash_has_left_is_swept_after_an_hour() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("flask");
        let files = Files::open(&path, None, Durability::Relaxed).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let make = |name: &str, minutes: u64| {
            let file = std::fs::File::create(path.join(name)).unwrap();
            let written = now - Duration::from_secs(60 * minutes);
            file.set_modified(written).unwrap();
            name.to_owned()
        };
        let litter = make(&temp_name(), 61);
        let stay = [
            make(&temp_name(), 59),
            make(&format!("notes{NOT_A_SESSION}"), 61),
            make(&names::next_temp_name(), 61),
        ];
        assert_eq!(files.delete_expired(now.into(), 10).unwrap(), 0);
        assert!(!path.join(litter).exists());
        for name in stay {
            assert!(path.join(&name).exists(), "{name}");
        }
    }
}
