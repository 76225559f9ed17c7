//! Leaving Flask: what still lies in its layout is moved to ours when it is first asked for.
//!
//! The id stays, so that requests that come at once find one and the same session, whichever of them moves it. It is made
//! in its new place first and then taken from the old one, at the bytes that were moved: what a Flask process that was
//! still running has written in between is moved too. A session that ends leaves a mark in its new place, so that it is not
//! moved there once more by whoever finds it in the old one.
//!
//! Nobody can list a user's sessions in the old place. Whoever ends them all leaves a mark for the user, and those that
//! come later are not moved.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::commit::MAX_TRIES;
use crate::error::Error;
use crate::flask::Format;
use crate::id::{SessionId, StoreKey};
use crate::layout::{self, Layout, moved};
use crate::lifecycle::Policy;
use crate::record::{Found, Live};
use crate::sessions::Shared;
use crate::store::{Deletion, Expect, Store, Stored, Write};

/// Longer than sessions last that Flask has left, whatever the lifetime is now.
const OUTLASTS_FLASK: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Where the sessions are that Flask has left.
#[derive(Clone)]
pub(crate) struct Leaving {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) format: Format,
}

impl Shared {
    /// What there is under a key of ours; if that is nothing, once the session of this id has been moved there.
    pub(crate) async fn load_or_move(
        &self,
        Leaving { store, format }: &Leaving,
        id: &SessionId,
        key: &StoreKey,
        now: Timestamp,
    ) -> Result<Option<Stored>, Error> {
        if let Some(found) = self.load(key).await? {
            return Ok(Some(found));
        }
        let left = Policy {
            layout: Layout::Flask(*format),
            ..self.policy
        };
        let old = left.layout.store_key(id);
        let mut expect = Expect::Absent;
        for _ in 0..MAX_TRIES {
            let stored = store.load(&old).await?;
            let found = Found::judge(&left, old.clone(), stored, now);
            let Found::Live(Live {
                record,
                deadline,
                version,
                ..
            }) = found
            else {
                self.tell_found(key, &found);
                break;
            };
            let user = record.user.clone();
            if self.left_sessions_are_over(user.as_deref(), now).await? {
                match store.delete(&old, &version).await? {
                    Deletion::Done => break,
                    Deletion::Conflict => continue,
                }
            }
            let new = self.policy.new_record(now);
            let entry = moved(*format, key, record, new, deadline)?;
            expect = match self.store.put(key, expect, entry, now).await? {
                Write::Done(version) => Expect::Version(version),
                // Another request was faster, or goes on with the session already.
                Write::Conflict => break,
            };
            // Whoever has ended the user's sessions since has not met this one.
            if let Some(user) = user
                && self.left_sessions_are_over(Some(&user), now).await?
            {
                self.revoke(key.clone(), user, None).await?;
            }
            if store.delete(&old, &version).await? == Deletion::Done {
                tracing::info!(target: "anysession", session = %key.short(), "moved from Flask's layout");
                break;
            }
        }
        Ok(self.store.load(key).await?)
    }

    async fn left_sessions_are_over(
        &self,
        user: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Some(user) = user else { return Ok(false) };
        let mark = self.store.load(&StoreKey::of_left_sessions(user)).await?;
        Ok(mark.is_some_and(|mark| mark.entry.deadline > now))
    }

    /// Sees to it that no session of the user is moved any more.
    pub(crate) async fn end_left_sessions(&self, user: &str) -> Result<(), Error> {
        if self.leaving.is_some() {
            let (key, now) = (StoreKey::of_left_sessions(user), self.clock.now());
            let mark = layout::ended(&key, now, now + OUTLASTS_FLASK.max(self.policy.lifetime));
            match self.store.put(&key, Expect::Absent, mark, now).await? {
                // There is one already, which is as good.
                Write::Done(_) | Write::Conflict => {}
            }
        }
        Ok(())
    }
}
