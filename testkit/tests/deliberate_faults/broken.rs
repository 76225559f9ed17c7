//! A correct store, with a flaw at one of its conditions.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::yield_now;

/// Which rule is broken, and how. The names are what somebody who wrote a store might have overlooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// No flaw either: what ends in 1970 vanishes as soon as it is written, as with Redis.
    NoneAndExpiresByItself,
    LoadIsCached,
    LoadReadsTwice,
    CreateOverwrites,
    PutIgnoresTheVersion,
    PutLooksThenWrites,
    UpdateCreates,
    UpdateKeepsTheUser,
    UpdateNeverShortens,
    UpdateRevives,
    VersionsStartAnewWithTheKey,
    VersionsAreHashesOfThePayload,
    TouchDoesNothing,
    TouchShortens,
    TouchChangesTheVersion,
    TouchCreates,
    TouchIgnoresTheVersion,
    TouchRevives,
    TouchWritesItAllBack,
    DeleteDoesNothing,
    DeleteIgnoresTheVersion,
    DeleteOfNothingIsDone,
    DeleteLooksThenDeletes,
    DeadlineIsTheLastMoment,
    ExpiredKeysStayTaken,
    ExpiredEntriesAreRefused,
    SweepIgnoresTheDeadline,
    SweepSparesTheBoundary,
    SweepIgnoresTheLimit,
    SweepStopsEarly,
    SweepAlwaysAnswersTheLimit,
    SweepDoesNotLookAgain,
    PayloadEndsAt64KiB,
    PayloadIsText,
    KeysAreCut,
    EmptyUserIsNone,
    UserEndsAt64Characters,
    UserEndsAtNul,
    DeadlinesAreSeconds,
    DeadlinesAreFloats,
    DeadlinesAreSigned,
    LateDeadlinesAreErrors,
    IndexLags,
    IndexAnswersOnePage,
    IndexKnowsOnlyCreates,
    IndexIgnoresTheUser,
    UsersIgnoreCase,
    UsersIgnoreSpaces,
    IndexIsNeverPruned,
    PruneDoesNotLookAgain,
}

impl Flaw {
    pub(crate) fn is_a_race(self) -> bool {
        matches!(
            self,
            Flaw::LoadReadsTwice
                | Flaw::PutLooksThenWrites
                | Flaw::TouchWritesItAllBack
                | Flaw::DeleteLooksThenDeletes
                | Flaw::SweepDoesNotLookAgain
                | Flaw::PruneDoesNotLookAgain
        )
    }
}

#[derive(Debug)]
pub(crate) struct BrokenStore {
    flaw: Flaw,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<StoreKey, Stored>,
    /// An index that is written and pruned beside the entries, as in Redis or in files.
    index: HashMap<String, HashSet<StoreKey>>,
    /// What `IndexLags` has yet to add.
    lagging: Option<(String, StoreKey)>,
    cache: HashMap<StoreKey, Stored>,
    writes: u64,
}

impl BrokenStore {
    pub(crate) fn new(flaw: Flaw) -> Self {
        BrokenStore {
            flaw,
            hasher: RandomState::new(),
            state: Mutex::default(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no verb panics")
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        if !self.has(Flaw::KeysAreCut) {
            return key.clone();
        }
        let mut cut = [0; 32];
        cut[..16].copy_from_slice(&key.as_bytes()[..16]);
        StoreKey::from_bytes(&cut).expect("a key has 32 bytes")
    }

    /// The name under which a user stands in the index.
    fn index_name(&self, user: &str) -> String {
        match self.flaw {
            Flaw::UsersIgnoreCase => user.to_lowercase(),
            Flaw::UsersIgnoreSpaces => user.trim_end().to_owned(),
            Flaw::IndexIgnoresTheUser => String::new(),
            _ => user.to_owned(),
        }
    }

    fn is_alive(&self, entry: &Entry, now: Timestamp) -> bool {
        match self.flaw {
            Flaw::DeadlineIsTheLastMoment => entry.deadline >= now,
            _ => entry.deadline > now,
        }
    }

    /// The entry as the backend's columns would hold it.
    fn kept(&self, mut entry: Entry) -> Result<Entry, StoreError> {
        entry.deadline = self.kept_deadline(entry.deadline)?;
        let user = entry.user.as_deref();
        match self.flaw {
            Flaw::PayloadEndsAt64KiB => entry.payload.truncate(1 << 16),
            Flaw::PayloadIsText => {
                entry.payload = Bytes::from(String::from_utf8_lossy(&entry.payload).into_owned());
            }
            Flaw::EmptyUserIsNone => entry.user = entry.user.filter(|user| !user.is_empty()),
            Flaw::UserEndsAt64Characters => {
                entry.user = user.map(|user| user.chars().take(64).collect::<String>().into());
            }
            Flaw::UserEndsAtNul => {
                entry.user = user.map(|user| user.split('\0').next().unwrap_or_default().into());
            }
            _ => {}
        }
        Ok(entry)
    }

    fn kept_deadline(&self, deadline: Timestamp) -> Result<Timestamp, StoreError> {
        let millis = deadline.as_millis();
        Ok(Timestamp::from_millis(match self.flaw {
            Flaw::DeadlinesAreSeconds => millis / 1000 * 1000,
            Flaw::DeadlinesAreFloats => {
                let seconds = Timestamp::from_millis(millis).as_millis() as f32 / 1000.0;
                (seconds * 1000.0) as u64
            }
            // What does not fit wraps round to a time long ago.
            Flaw::DeadlinesAreSigned if i64::try_from(millis).is_err() => 0,
            Flaw::LateDeadlinesAreErrors if i64::try_from(millis).is_err() => {
                return Err(StoreError::new("broken", "put", "out of range"));
            }
            _ => millis,
        }))
    }

    fn put_now(&self, key: StoreKey, expect: &Expect, entry: Entry, now: Timestamp) -> Write {
        let mut state = self.lock();
        if !self.allows(&state, &key, expect, now) {
            return Write::Conflict;
        }
        Write::Done(self.write(&mut state, key, expect, entry))
    }

    fn allows(&self, state: &State, key: &StoreKey, expect: &Expect, now: Timestamp) -> bool {
        let there = state.entries.get(key);
        let alive = there.filter(|stored| self.is_alive(&stored.entry, now));
        match expect {
            Expect::Absent if self.has(Flaw::CreateOverwrites) => true,
            Expect::Absent if self.has(Flaw::ExpiredKeysStayTaken) => there.is_none(),
            Expect::Absent => alive.is_none(),
            Expect::Version(_) if self.has(Flaw::PutIgnoresTheVersion) => alive.is_some(),
            Expect::Version(_) if self.has(Flaw::UpdateCreates) && there.is_none() => true,
            Expect::Version(version) if self.has(Flaw::UpdateRevives) => {
                there.is_some_and(|stored| stored.version == *version)
            }
            Expect::Version(version) => alive.is_some_and(|stored| stored.version == *version),
        }
    }

    fn write(
        &self,
        state: &mut State,
        key: StoreKey,
        expect: &Expect,
        mut entry: Entry,
    ) -> Version {
        let before = state.entries.get(&key).cloned();
        if let Some(before) = &before {
            match self.flaw {
                Flaw::UpdateKeepsTheUser => entry.user = before.entry.user.clone().or(entry.user),
                Flaw::UpdateNeverShortens => {
                    entry.deadline = entry.deadline.max(before.entry.deadline);
                }
                _ => {}
            }
        }
        state.writes += 1;
        let version = match self.flaw {
            Flaw::VersionsAreHashesOfThePayload => self.hasher.hash_one(&entry.payload),
            Flaw::VersionsStartAnewWithTheKey => {
                let last = before.and_then(|before| before.version.as_number());
                last.unwrap_or_default() + 1
            }
            _ => state.writes,
        };
        self.add_to_index(state, key.clone(), expect, &entry);
        let version = Version::from(version);
        let stored = Stored {
            entry,
            version: version.clone(),
        };
        // The year 2000: none of the suite's living entries ends before it.
        let is_long_over = stored.entry.deadline < Timestamp::from_millis(946_684_800_000);
        if self.has(Flaw::NoneAndExpiresByItself) && is_long_over {
            state.entries.remove(&key);
        } else {
            state.entries.insert(key, stored);
        }
        version
    }

    fn add_to_index(&self, state: &mut State, key: StoreKey, expect: &Expect, entry: &Entry) {
        let Some(user) = &entry.user else { return };
        let name = self.index_name(user);
        let add = match self.flaw {
            Flaw::IndexKnowsOnlyCreates if *expect != Expect::Absent => None,
            Flaw::IndexLags => state.lagging.replace((name, key)),
            _ => Some((name, key)),
        };
        if let Some((name, key)) = add {
            state.index.entry(name).or_default().insert(key);
        }
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = self.key(key);
        let found = self.lock().entries.get(&key).cloned();
        if self.has(Flaw::LoadReadsTwice) {
            yield_now().await;
            let again = self.lock().entries.get(&key).cloned();
            return Ok(found.zip(again).map(|(first, second)| Stored {
                version: first.version,
                entry: second.entry,
            }));
        }
        if self.has(Flaw::LoadIsCached) {
            let mut state = self.lock();
            return Ok(found.map(|stored| state.cache.entry(key).or_insert(stored).clone()));
        }
        Ok(found)
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let key = self.key(key);
        if self.has(Flaw::ExpiredEntriesAreRefused) && entry.deadline <= now {
            return Err(StoreError::new("broken", "put", "invalid expire time"));
        }
        let entry = self.kept(entry)?;
        if self.has(Flaw::PutLooksThenWrites) {
            let allowed = self.allows(&self.lock(), &key, &expect, now);
            yield_now().await;
            return Ok(if allowed {
                Write::Done(self.write(&mut self.lock(), key, &expect, entry))
            } else {
                Write::Conflict
            });
        }
        Ok(self.put_now(key, &expect, entry, now))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.key(key);
        let deadline = self.kept_deadline(deadline)?;
        let found = self.lock().entries.get(&key).cloned();
        let Some(mut stored) = found else {
            if self.has(Flaw::TouchCreates) {
                let entry = Entry {
                    payload: Bytes::new(),
                    deadline,
                    user: None,
                };
                let _done = self.put_now(key, &Expect::Absent, entry, now);
            }
            return Ok(());
        };
        let is_current = self.has(Flaw::TouchIgnoresTheVersion) || stored.version == *version;
        let is_alive = self.has(Flaw::TouchRevives) || self.is_alive(&stored.entry, now);
        let is_later = self.has(Flaw::TouchShortens) || deadline > stored.entry.deadline;
        if !is_current || !is_alive || !is_later || self.has(Flaw::TouchDoesNothing) {
            return Ok(());
        }
        if self.has(Flaw::TouchWritesItAllBack) {
            yield_now().await;
            stored.entry.deadline = deadline;
            self.lock().entries.insert(key, stored);
            return Ok(());
        }
        let mut state = self.lock();
        state.writes += 1;
        let new_version = Version::from(state.writes);
        // Under a second lock, so what was looked at above has to be still the same.
        if let Some(there) = state.entries.get_mut(&key)
            && *there == stored
        {
            there.entry.deadline = deadline;
            if self.has(Flaw::TouchChangesTheVersion) {
                there.version = new_version;
            }
        }
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let key = self.key(key);
        if self.has(Flaw::DeleteLooksThenDeletes) {
            let found = self.lock().entries.get(&key).cloned();
            yield_now().await;
            return Ok(match found {
                Some(stored) if stored.version == *version => {
                    self.lock().entries.remove(&key);
                    Deletion::Done
                }
                _ => Deletion::Conflict,
            });
        }
        let mut state = self.lock();
        Ok(match state.entries.get(&key) {
            Some(_) if self.has(Flaw::DeleteDoesNothing) => Deletion::Done,
            Some(stored)
                if stored.version == *version || self.has(Flaw::DeleteIgnoresTheVersion) =>
            {
                state.entries.remove(&key);
                Deletion::Done
            }
            None if self.has(Flaw::DeleteOfNothingIsDone) => Deletion::Done,
            _ => Deletion::Conflict,
        })
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let name = self.index_name(user);
        let gone: Vec<StoreKey> = {
            let state = self.lock();
            let listed = state.index.get(&name).into_iter().flatten();
            listed
                .filter(|key| !state.entries.contains_key(key))
                .cloned()
                .collect()
        };
        if self.has(Flaw::PruneDoesNotLookAgain) {
            yield_now().await;
        }
        let mut state = self.lock();
        let state = &mut *state;
        let Some(listed) = state.index.get_mut(&name) else {
            return Ok(Vec::new());
        };
        let answer: Vec<StoreKey> = listed.iter().cloned().collect();
        for key in gone {
            let is_gone =
                self.has(Flaw::PruneDoesNotLookAgain) || !state.entries.contains_key(&key);
            if is_gone && !self.has(Flaw::IndexIsNeverPruned) {
                listed.remove(&key);
            }
        }
        let page = if self.has(Flaw::IndexAnswersOnePage) {
            100
        } else {
            usize::MAX
        };
        Ok(answer.into_iter().take(page).collect())
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let limit_kept = match self.flaw {
            Flaw::SweepIgnoresTheLimit => usize::MAX,
            Flaw::SweepStopsEarly => limit - 1,
            _ => limit,
        };
        let is_expired = |entry: &Entry| match self.flaw {
            Flaw::SweepIgnoresTheDeadline => true,
            Flaw::SweepSparesTheBoundary => entry.deadline < before,
            _ => entry.deadline <= before,
        };
        let expired: Vec<StoreKey> = {
            let state = self.lock();
            let found = state.entries.iter();
            found
                .filter(|(_, stored)| is_expired(&stored.entry))
                .map(|(key, _)| key.clone())
                .take(limit_kept)
                .collect()
        };
        let mut deleted = 0;
        for key in expired {
            if self.has(Flaw::SweepDoesNotLookAgain) {
                yield_now().await;
            }
            let mut state = self.lock();
            let still = (state.entries.get(&key)).is_some_and(|stored| is_expired(&stored.entry));
            if still || self.has(Flaw::SweepDoesNotLookAgain) {
                state.entries.remove(&key);
                deleted += 1;
            }
        }
        Ok(match self.flaw {
            Flaw::SweepAlwaysAnswersTheLimit => limit,
            Flaw::NoneAndExpiresByItself => 0,
            _ => deleted,
        })
    }
}
