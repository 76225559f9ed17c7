//! When which entry of a shard has to be looked at.

use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, OccupiedEntry};

use crate::clock::Timestamp;

/// The entries of a shard in the order of their deadlines, each under the tail of its key.
///
/// An entry stands here once, at its deadline or earlier: a deadline that moves away leaves it where it is, and it is
/// queued again when it comes up. So a touch costs nothing here and leaves nothing behind.
///
/// Two keys may end alike, hence the count.
#[derive(Default)]
pub(super) struct ExpiryQueue(BTreeMap<(Timestamp, u64), u32>);

impl ExpiryQueue {
    pub(super) fn add(&mut self, at: Timestamp, tail: u64) {
        *self.0.entry((at, tail)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, at: Timestamp, tail: u64) {
        if let Entry::Occupied(entry) = self.0.entry((at, tail)) {
            take_one(entry);
        }
    }

    /// Takes out the first, if its time has come.
    pub(super) fn pop_due(&mut self, before: Timestamp) -> Option<(Timestamp, u64)> {
        let first = self.0.first_entry()?;
        let (at, tail) = *first.key();
        if at > before {
            return None;
        }
        take_one(first);
        Some((at, tail))
    }

    pub(super) fn has_due(&self, before: Timestamp) -> bool {
        self.0
            .first_key_value()
            .is_some_and(|((at, _), _)| *at <= before)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|count| *count as usize).sum()
    }
}

fn take_one(mut entry: OccupiedEntry<'_, (Timestamp, u64), u32>) {
    if *entry.get() == 1 {
        entry.remove();
    } else {
        *entry.get_mut() -= 1;
    }
}
