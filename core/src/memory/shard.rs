//! One part of the store: what stands under one lock.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;

use super::expiry::ExpiryQueue;
use super::tail;
use super::users::Users;
use crate::clock::Timestamp;
use crate::id::StoreKey;
use crate::store::{Entry, Stored, Version, Write};

/// Entries, and the queue in which they expire. Every change of an entry changes the index of users as well before the
/// shard is unlocked, so the index is never behind.
#[derive(Default)]
pub(super) struct Shard {
    /// Boxed, because a table is up to half empty.
    slots: HashTable<Box<Slot>>,
    queue: ExpiryQueue,
    /// Counted for all entries together, so that a key that is deleted and created anew gets no version again.
    last_version: u64,
}

struct Slot {
    key: StoreKey,
    version: u64,
    deadline: Timestamp,
    /// Where it stands in the queue: never later than the deadline.
    queued: Timestamp,
    payload: Bytes,
    user: Option<Arc<str>>,
}

/// How far [`Shard::evict_due`] came.
pub(super) struct Eviction {
    pub(super) evicted: usize,
    /// Whether it stopped before the queue was done.
    pub(super) more: bool,
}

impl Shard {
    pub(super) fn load(&self, key: &StoreKey) -> Option<Stored> {
        self.find(key).map(|slot| Stored {
            entry: Entry {
                payload: slot.payload.clone(),
                deadline: slot.deadline,
                user: slot.user.clone(),
            },
            version: slot.version.into(),
        })
    }

    pub(super) fn is_alive(&self, key: &StoreKey, now: Timestamp) -> bool {
        self.find(key).is_some_and(|slot| slot.deadline > now)
    }

    pub(super) fn is_at(&self, key: &StoreKey, version: &Version) -> bool {
        self.find(key).is_some_and(|slot| slot.is_at(version))
    }

    /// Adds an entry under a key that has none.
    pub(super) fn insert(&mut self, key: &StoreKey, entry: Entry, users: &Users) -> Version {
        let version = self.next_version();
        let slot = Box::new(Slot {
            key: key.clone(),
            version,
            deadline: entry.deadline,
            queued: entry.deadline,
            payload: entry.payload,
            user: entry.user.map(|user| users.add(user, key.clone())),
        });
        self.queue.add(slot.queued, tail(key));
        self.slots.insert_unique(tail(key), slot, hash);
        version.into()
    }

    pub(super) fn replace(
        &mut self,
        key: &StoreKey,
        version: &Version,
        entry: Entry,
        now: Timestamp,
        users: &Users,
    ) -> Write {
        let next = self.next_version();
        let Some(slot) = find_mut(&mut self.slots, key)
            .filter(|slot| slot.is_at(version) && slot.deadline > now)
        else {
            return Write::Conflict;
        };
        if slot.user != entry.user {
            if let Some(user) = slot.user.take() {
                users.remove(&user, key);
            }
            slot.user = entry.user.map(|user| users.add(user, key.clone()));
        }
        slot.version = next;
        slot.deadline = entry.deadline;
        slot.payload = entry.payload;
        if slot.deadline < slot.queued {
            let queued = mem::replace(&mut slot.queued, slot.deadline);
            self.queue.remove(queued, tail(key));
            self.queue.add(slot.deadline, tail(key));
        }
        Write::Done(next.into())
    }

    pub(super) fn touch(
        &mut self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) {
        if let Some(slot) =
            find_mut(&mut self.slots, key).filter(|slot| slot.is_at(version) && slot.deadline > now)
        {
            slot.deadline = slot.deadline.max(deadline);
        }
    }

    /// Removes the entry under this key, and says whether there was one.
    pub(super) fn remove(&mut self, key: &StoreKey, users: &Users) -> bool {
        let Some(slot) = self.take(tail(key), |slot| slot.key == *key) else {
            return false;
        };
        self.queue.remove(slot.queued, tail(key));
        if let Some(user) = &slot.user {
            users.remove(user, key);
        }
        true
    }

    /// Looks at entries whose place in the queue has come, at most `steps` of them: those that have expired are removed,
    /// the others queued again.
    pub(super) fn evict_due(&mut self, before: Timestamp, steps: usize, users: &Users) -> Eviction {
        let mut evicted = 0;
        for _ in 0..steps {
            let Some((queued, tail)) = self.queue.pop_due(before) else {
                return Eviction {
                    evicted,
                    more: false,
                };
            };
            evicted += usize::from(self.evict_or_requeue(queued, tail, before, users));
        }
        Eviction {
            evicted,
            more: self.queue.has_due(before),
        }
    }

    fn evict_or_requeue(
        &mut self,
        queued: Timestamp,
        tail: u64,
        before: Timestamp,
        users: &Users,
    ) -> bool {
        // Of two keys that end alike and are queued at the same time either may be meant: both will come up.
        let is_meant = |slot: &Slot| slot.queued == queued && super::tail(&slot.key) == tail;
        let slot = self.slots.find_mut(tail, |slot| is_meant(slot));
        if let Some(slot) = slot.filter(|slot| slot.deadline > before) {
            slot.queued = slot.deadline;
            self.queue.add(slot.queued, tail);
            return false;
        }
        let Some(slot) = self.take(tail, is_meant) else {
            return false;
        };
        if let Some(user) = &slot.user {
            users.remove(user, &slot.key);
        }
        true
    }

    fn take(&mut self, tail: u64, is_meant: impl Fn(&Slot) -> bool) -> Option<Box<Slot>> {
        let found = self.slots.find_entry(tail, |slot| is_meant(slot)).ok()?;
        let (slot, _) = found.remove();
        shrink_if_sparse(&mut self.slots, hash);
        Some(slot)
    }

    fn find(&self, key: &StoreKey) -> Option<&Slot> {
        self.slots
            .find(tail(key), |slot| slot.key == *key)
            .map(Box::as_ref)
    }

    fn next_version(&mut self) -> u64 {
        self.last_version += 1;
        self.last_version
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.slots.len(), self.queue.len())
    }
}

impl Slot {
    fn is_at(&self, version: &Version) -> bool {
        version.as_number() == Some(self.version)
    }
}

/// Gives memory back after a crowd has left. The tables shrink to a quarter at once, so that the work is spread over the
/// removals before.
pub(super) fn shrink_if_sparse<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    const WORTH_IT: usize = 64;
    if table.capacity() > WORTH_IT && table.len() < table.capacity() / 8 {
        table.shrink_to(table.len() * 2, hash);
    }
}

// Not a method, because the queue is used while the slot is borrowed.
fn find_mut<'a>(slots: &'a mut HashTable<Box<Slot>>, key: &StoreKey) -> Option<&'a mut Box<Slot>> {
    slots.find_mut(tail(key), |slot| slot.key == *key)
}

#[expect(
    clippy::borrowed_box,
    reason = "the table hands out a reference to what it holds"
)]
fn hash(slot: &Box<Slot>) -> u64 {
    tail(&slot.key)
}
