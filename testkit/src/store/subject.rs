//! The store under trial, and what a trial needs to speak of it.

use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anysession::{Deletion, Entry, Expect, Store, StoreKey, Stored, Timestamp, Version, Write};
use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Work;
use crate::TestClock;
use crate::suite::{Failure, ensure};

/// The time of trials that are not about time.
pub(crate) const NOW: Timestamp = TestClock::START;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The store under trial. Its own methods are the verbs whose success a trial takes for granted.
#[derive(Clone, Debug)]
pub(crate) struct Subject(Arc<dyn Store>);

impl Subject {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Subject(store)
    }

    /// Creates an entry under a new key.
    pub(crate) async fn created(&self, entry: &Entry) -> Result<(StoreKey, Version), Failure> {
        let key = new_key();
        Ok((key.clone(), self.create(&key, entry, NOW).await?))
    }

    pub(crate) async fn create(
        &self,
        key: &StoreKey,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Version, Failure> {
        match self.put(key, Expect::Absent, entry.clone(), now).await? {
            Write::Done(version) => Ok(version),
            Write::Conflict => Err(Failure::new(format!(
                "create of an absent key is done, but put(Absent, {entry:?}) answered Conflict"
            ))),
        }
    }

    pub(crate) async fn update(
        &self,
        key: &StoreKey,
        version: &Version,
        entry: &Entry,
    ) -> Result<Version, Failure> {
        match self.try_update(key, version, entry, NOW).await? {
            Write::Done(version) => Ok(version),
            Write::Conflict => Err(Failure::new(format!(
                "update at the current version is done, but put({version:?}, {entry:?}) answered Conflict"
            ))),
        }
    }

    pub(crate) async fn try_update(
        &self,
        key: &StoreKey,
        version: &Version,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let expect = Expect::Version(version.clone());
        Ok(self.put(key, expect, entry.clone(), now).await?)
    }

    pub(crate) async fn remove(&self, key: &StoreKey, version: &Version) -> Result<(), Failure> {
        let answer = self.delete(key, version).await?;
        ensure!(
            answer == Deletion::Done,
            "delete at the current version is done, but it answered {answer:?}"
        );
        Ok(())
    }

    /// The entry, which has to be there.
    pub(crate) async fn found(&self, key: &StoreKey) -> Result<Stored, Failure> {
        let found = self.load(key).await?;
        found.ok_or_else(|| Failure::new("the entry is there, but load answered None"))
    }

    /// Checks that exactly this entry is there at exactly this version.
    pub(crate) async fn expect(
        &self,
        key: &StoreKey,
        entry: &Entry,
        version: &Version,
        when: &str,
    ) -> Result<(), Failure> {
        let Some(stored) = self.load(key).await? else {
            return Err(Failure::new(format!(
                "{when}: expected {entry:?}, load answered None"
            )));
        };
        same_entry(&stored.entry, entry, when)?;
        ensure!(
            stored.version == *version,
            "{when}: expected {version:?}, load answered {:?}",
            stored.version
        );
        Ok(())
    }

    pub(crate) async fn expect_absent(&self, key: &StoreKey, when: &str) -> Result<(), Failure> {
        let found = self.load(key).await?;
        ensure!(
            found.is_none(),
            "{when}: expected no entry, load answered {found:?}"
        );
        Ok(())
    }

    /// Checks that nothing is there which anybody would take for alive at `now`.
    pub(crate) async fn expect_gone(
        &self,
        key: &StoreKey,
        now: Timestamp,
        when: &str,
    ) -> Result<(), Failure> {
        if let Some(Stored { entry, .. }) = self.load(key).await? {
            ensure!(
                entry.deadline <= now,
                "{when}: expected no entry, or one whose deadline has passed at {now:?}, load answered {entry:?}"
            );
        }
        Ok(())
    }
}

impl Deref for Subject {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// An entry that is alive at [`NOW`].
pub(crate) fn entry(payload: impl Into<Bytes>) -> Entry {
    Entry {
        payload: payload.into(),
        deadline: NOW + HOUR,
        user: None,
    }
}

pub(crate) fn entry_of(user: &str, payload: impl Into<Bytes>) -> Entry {
    Entry {
        user: Some(user.into()),
        ..entry(payload)
    }
}

/// Names the difference, since `Debug` of an entry hides its payload.
pub(crate) fn same_entry(got: &Entry, expected: &Entry, when: &str) -> Result<(), Failure> {
    if got.payload != expected.payload {
        let pairs = got.payload.iter().zip(&expected.payload);
        let same = pairs.take_while(|(got, expected)| got == expected).count();
        return Err(Failure::new(format!(
            "{when}: expected {} bytes of payload, load answered {} bytes, the same as far as byte {same}",
            expected.payload.len(),
            got.payload.len()
        )));
    }
    ensure!(
        got == expected,
        "{when}: expected {expected:?}, load answered {got:?}"
    );
    Ok(())
}

/// A key that nobody else has.
pub(crate) fn new_key() -> StoreKey {
    let mut bytes = [0; 32];
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&random().to_le_bytes());
    }
    key_of(bytes)
}

pub(crate) fn key_of(bytes: [u8; 32]) -> StoreKey {
    StoreKey::from_bytes(&bytes).unwrap_or_else(|| unreachable!("a key has 32 bytes"))
}

/// A user whom nobody else has.
pub(crate) fn new_user() -> String {
    format!("user-{:016x}", random())
}

/// The seed of the standard library's hash maps: no generator for secrets, but keys of a test must only differ.
fn random() -> u64 {
    RandomState::new().hash_one("anysession-testkit")
}

/// Starts all of the work at one moment, each piece in a task of its own, and gives the results in order.
pub(crate) async fn race<T: Send + 'static>(work: Vec<Work<T>>) -> Result<Vec<T>, Failure> {
    let barrier = Arc::new(Barrier::new(work.len()));
    let mut tasks = JoinSet::new();
    for (position, piece) in work.into_iter().enumerate() {
        let barrier = Arc::clone(&barrier);
        tasks.spawn(async move {
            barrier.wait().await;
            piece.await.map(|result| (position, result))
        });
    }
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result??);
    }
    results.sort_unstable_by_key(|(position, _)| *position);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Starts the same work `count` times at one moment.
pub(crate) async fn all_at_once<T, Doing>(
    count: usize,
    work: impl Fn(usize) -> Doing,
) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    Doing: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let pieces = (0..count).map(|number| Box::pin(work(number)) as Work<T>);
    race(pieces.collect()).await
}
