//! Leaving Flask: what still lies in its layout is moved to ours when it is first asked for.
//!
//! The id stays, so that requests that come at once find one and the same session, whichever of them moves it. It is made
//! in its new place first and then taken from the old one, at the bytes that were moved: what a Flask process that was
//! still running has written in between is moved too. A session that ends leaves a mark in its new place, so that it is not
//! moved there once more by whoever finds it in the old one.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::commit::MAX_TRIES;
use crate::error::Error;
use crate::flask::Format;
use crate::id::{SessionId, StoreKey};
use crate::layout::{Layout, moved};
use crate::lifecycle::Policy;
use crate::record::{Found, Live};
use crate::sessions::Shared;
use crate::store::{Deletion, Expect, Store, Stored, Write};

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
            let found = Found::judge(&left, old.clone(), stored, now, left.size_limit);
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
            let new = self.policy.new_record(now);
            let entry = moved(*format, key, record, new, deadline)?;
            expect = match self.store.put(key, expect, entry, now).await? {
                Write::Done(version) => Expect::Version(version),
                // Another request was faster, or goes on with the session already.
                Write::Conflict => break,
            };
            if store.delete(&old, &version).await? == Deletion::Done {
                tracing::info!(target: "anysession", session = %key.short(), "moved from Flask's layout");
                break;
            }
        }
        Ok(self.store.load(key).await?)
    }
}
