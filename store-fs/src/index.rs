//! Which keys name a user: an empty file for each, called `<hash of the user>.<key>`, in one of 256 folders.
//!
//! An entry is made before the record that needs it and removed after the record is gone, both under the lock of the
//! key. So there may be entries too many, after a crash too, and never too few; readers let the record decide. That is
//! also why a hash that somebody could make collide is good enough.

use anysession::StoreKey;
use rustix::fs::FileType;
use twox_hash::XxHash3_128;

use crate::error::Failure;
use crate::names;
use crate::shards::Shards;
use crate::store::Durability;

#[derive(Debug)]
pub(crate) struct Index(Shards);

/// What the store knows of an entry's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The record that is being replaced names this user too, so the entry was made durable before it.
    Before,
    New,
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryName {
    user: [u8; 16],
    pub(crate) key: StoreKey,
}

impl Index {
    pub(crate) fn new(shards: Shards) -> Self {
        Index(shards)
    }

    /// Makes the entry. The caller holds the lock of the key.
    pub(crate) fn add(
        &self,
        user: &str,
        key: &StoreKey,
        known: Known,
        durability: Durability,
    ) -> Result<(), Failure> {
        let name = EntryName::new(user, key);
        let folder = self.0.make(name.shard())?;
        let made = folder.create_file(&name.text())?.is_some();
        if durability == Durability::Full && (made || known == Known::New) {
            // An entry that is there already may be one whose maker died before this line.
            folder.sync()?;
        }
        Ok(())
    }

    /// Removes an entry. The caller holds the lock of the key and has seen that its record is absent.
    pub(crate) fn remove(&self, name: &EntryName) -> Result<(), Failure> {
        match self.0.open(name.shard())? {
            Some(folder) => folder.remove(&name.text()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Every entry of this user.
    pub(crate) fn of_user(&self, user: &str) -> Result<Vec<EntryName>, Failure> {
        let user = digest(user);
        let mut entries = self.in_shard(user[0])?;
        entries.retain(|entry| entry.user == user);
        Ok(entries)
    }

    /// Every entry in one of the folders.
    pub(crate) fn in_shard(&self, shard: u8) -> Result<Vec<EntryName>, Failure> {
        let Some(folder) = self.0.open(shard)? else {
            self.0.parent().check_not_removed()?;
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for listed in folder.list()? {
            let (name, kind) = listed?;
            if matches!(kind, FileType::RegularFile | FileType::Unknown) {
                entries.extend(EntryName::parse(&name).filter(|entry| entry.shard() == shard));
            }
        }
        Ok(entries)
    }
}

impl EntryName {
    pub(crate) fn new(user: &str, key: &StoreKey) -> Self {
        EntryName {
            user: digest(user),
            key: key.clone(),
        }
    }

    fn text(&self) -> String {
        format!(
            "{}.{}",
            names::hex(&self.user),
            names::record_name(&self.key)
        )
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let (user, key) = name.split_at_checked(32)?;
        let key = names::parse_record_name(key.strip_prefix(b".")?)?;
        let user = std::str::from_utf8(user).ok()?;
        let parsed = EntryName {
            user: u128::from_str_radix(user, 16).ok()?.to_be_bytes(),
            key,
        };
        (parsed.text().as_bytes() == name).then_some(parsed)
    }

    fn shard(&self) -> u8 {
        self.user[0]
    }
}

fn digest(user: &str) -> [u8; 16] {
    XxHash3_128::oneshot(user.as_bytes()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_by_its_name_and_nothing_else_is_an_entry() {
        let key = StoreKey::from_bytes(&[0xab; 32]).unwrap();
        let entry = EntryName::new("ada", &key);
        let text = entry.text();
        assert_eq!(EntryName::parse(text.as_bytes()), Some(entry));
        for foreign in [
            "",
            &text[1..],
            &text.to_uppercase(),
            &format!("+{}", &text[1..]),
            &text.replace('.', "-"),
        ] {
            assert_eq!(EntryName::parse(foreign.as_bytes()), None, "{foreign}");
        }
    }
}
