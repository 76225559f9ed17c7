//! A part of the memory store, behind one lock.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use crate::clock::Timestamp;
use crate::id::StoreKey;
use crate::store::{Entry, Stored, Version};

/// Entries by key, and a queue of their ends.
#[derive(Default)]
pub(super) struct Shard {
    /// Boxed, because the slack of a table of large slots would cost more than a pointer each.
    slots: HashTable<Box<Slot>>,
    /// When to look at a slot, and the hash of its key. A touch does not move it: the slot is queued again when its turn
    /// comes and it turns out to live longer.
    queue: BTreeSet<(Timestamp, u64)>,
    versions: u64,
}

struct Slot {
    key: StoreKey,
    payload: Bytes,
    deadline: Timestamp,
    queued: Timestamp,
    version: u64,
    user: Option<Arc<str>>,
}

/// What became of a put.
pub(super) enum Put {
    Conflict,
    Created(Version),
    /// Written over an entry that named this user.
    Replaced(Version, Option<Arc<str>>),
}

/// What an eviction removed, and whether nothing else is due.
pub(super) struct Evicted {
    pub(super) entries: Vec<(StoreKey, Option<Arc<str>>)>,
    pub(super) exhausted: bool,
}

/// Keys are hashes, so a part of one is as good as a hash of it. The end is taken because keys of other layouts may begin
/// alike.
pub(super) fn hash(key: &StoreKey) -> u64 {
    key.as_bytes()
        .last_chunk()
        .copied()
        .map_or(0, u64::from_le_bytes)
}

impl Shard {
    pub(super) fn load(&self, key: &StoreKey) -> Option<Stored> {
        let slot = self.find(key)?;
        let entry = Entry {
            payload: slot.payload.clone(),
            deadline: slot.deadline,
            user: slot.user.clone(),
        };
        Some(Stored {
            entry,
            version: slot.version.into(),
        })
    }

    pub(super) fn create(&mut self, key: &StoreKey, entry: Entry, now: Timestamp) -> Put {
        self.versions += 1;
        let version = self.versions;
        match self
            .slots
            .entry(hash(key), |slot| slot.key == *key, |slot| hash(&slot.key))
        {
            Place::Occupied(slot) if slot.get().deadline > now => Put::Conflict,
            Place::Occupied(mut slot) => {
                let before = slot.get_mut().replace(entry, version, &mut self.queue);
                Put::Replaced(version.into(), before)
            }
            Place::Vacant(place) => {
                self.queue.insert((entry.deadline, hash(key)));
                place.insert(Box::new(Slot {
                    key: *key,
                    payload: entry.payload,
                    deadline: entry.deadline,
                    queued: entry.deadline,
                    version,
                    user: entry.user,
                }));
                Put::Created(version.into())
            }
        }
    }

    pub(super) fn update(
        &mut self,
        key: &StoreKey,
        version: &Version,
        entry: Entry,
        now: Timestamp,
    ) -> Put {
        self.versions += 1;
        let new = self.versions;
        match self.slots.find_mut(hash(key), |slot| slot.key == *key) {
            Some(slot) if slot.is(version) && slot.deadline > now => {
                Put::Replaced(new.into(), slot.replace(entry, new, &mut self.queue))
            }
            _ => Put::Conflict,
        }
    }

    pub(super) fn touch(
        &mut self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) {
        if let Some(slot) = self.slots.find_mut(hash(key), |slot| slot.key == *key)
            && slot.is(version)
            && slot.deadline > now
        {
            slot.deadline = slot.deadline.max(deadline);
        }
    }

    /// Deletes an entry at this version and says whose it was.
    pub(super) fn delete(&mut self, key: &StoreKey, version: &Version) -> Option<Option<Arc<str>>> {
        let found = self.slots.find_entry(hash(key), |slot| slot.key == *key);
        let found = found.ok().filter(|found| found.get().is(version))?;
        let (slot, _) = found.remove();
        self.queue.remove(&(slot.queued, hash(key)));
        self.shrink();
        Some(slot.user)
    }

    pub(super) fn is_of_user(&self, key: &StoreKey, user: &str) -> bool {
        self.find(key)
            .is_some_and(|slot| slot.user.as_deref() == Some(user))
    }

    /// Looks at no more than `steps` slots that are due, and removes those that have expired.
    pub(super) fn evict(&mut self, before: Timestamp, steps: usize) -> Evicted {
        let mut evicted = Evicted {
            entries: Vec::new(),
            exhausted: false,
        };
        for _ in 0..steps {
            let Some(&(due, hash)) = self.queue.first().filter(|(due, _)| *due <= before) else {
                evicted.exhausted = true;
                break;
            };
            self.queue.pop_first();
            let Ok(mut found) = self.slots.find_entry(hash, |slot| {
                self::hash(&slot.key) == hash && slot.queued == due
            }) else {
                continue;
            };
            let slot = found.get_mut();
            if slot.deadline > before {
                slot.queued = slot.deadline;
                self.queue.insert((slot.queued, hash));
                continue;
            }
            let (slot, _) = found.remove();
            evicted.entries.push((slot.key, slot.user));
        }
        self.shrink();
        evicted
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.queue.is_empty()
    }

    fn find(&self, key: &StoreKey) -> Option<&Slot> {
        self.slots
            .find(hash(key), |slot| slot.key == *key)
            .map(|slot| &**slot)
    }

    /// Gives memory back when most of the table is empty.
    fn shrink(&mut self) {
        if self.slots.capacity() > 64 && self.slots.len() < self.slots.capacity() / 8 {
            self.slots
                .shrink_to(self.slots.len() * 2, |slot| hash(&slot.key));
        }
    }
}

impl Slot {
    fn is(&self, version: &Version) -> bool {
        version.as_number() == Some(self.version)
    }

    /// Takes over a new entry and says whose the old one was.
    fn replace(
        &mut self,
        entry: Entry,
        version: u64,
        queue: &mut BTreeSet<(Timestamp, u64)>,
    ) -> Option<Arc<str>> {
        if entry.deadline < self.queued {
            queue.remove(&(self.queued, hash(&self.key)));
            queue.insert((entry.deadline, hash(&self.key)));
            self.queued = entry.deadline;
        }
        (self.payload, self.deadline, self.version) = (entry.payload, entry.deadline, version);
        std::mem::replace(&mut self.user, entry.user)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.slots.len())
    }
}
