//! A second look at the session, for requests that last.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::commit::MAX_TRIES;
use crate::error::Error;
use crate::id::StoreKey;
use crate::record::{Absence, Found};
use crate::session::Session;
use crate::slot::{CookieDue, State};
use crate::turn::Turn;

impl Session {
    /// Looks the session up once more. A WebSocket or a stream otherwise goes on with what there was when it began: this is
    /// how it sees what other requests have stored since, and learns that its user has signed out.
    ///
    /// Changes that were not saved yet are kept, on top of what is found; an [`update`](Self::update) is computed on that
    /// when it is saved. It is no sign of life: to put the deadline off, [`save`](Self::save). After a save that failed it
    /// finds out how things stand, and the session can be saved again.
    ///
    /// ```
    /// # use anysession::{Error, Session};
    /// async fn may_go_on(session: &Session) -> Result<bool, Error> {
    ///     match session.reload().await {
    ///         Ok(()) => Ok(true),
    ///         Err(Error::SessionEnded) => Ok(false),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::SessionEnded`] if the session was destroyed, has expired, or was passed to another user: it is empty from
    /// then on, and what is changed in it is dropped. [`Error::Store`] if the store cannot be asked: it stays as it was.
    pub async fn reload(&self) -> Result<(), Error> {
        self.visit().turn().await.reload().await
    }
}

impl Turn<'_> {
    async fn reload(&mut self) -> Result<(), Error> {
        let shared = self.shared();
        let Some((mut key, user)) = self.with(|state| state.place()) else {
            return Ok(());
        };
        for _hop in 0..MAX_TRIES {
            let now = shared.clock.now();
            let stored = shared.load(&key).await?;
            let found = shared.judge(key.clone(), stored, now);
            match found {
                Found::Live(ref live) if live.record.user == user => {
                    self.with(|state| state.go_on_with(found, now));
                    return Ok(());
                }
                // As whoever writes to it would follow it.
                Found::Replaced(tombstone) if tombstone.user == user => key = tombstone.successor,
                Found::Live(_) | Found::Replaced(_) | Found::Nothing(_) => {
                    shared.tell_found(&key, &found);
                    self.with(|state| state.go_on_with(Found::Nothing(Absence::Ended), now));
                    return Err(Error::SessionEnded);
                }
            }
        }
        Err(Error::Contended { tries: MAX_TRIES })
    }
}

impl State {
    /// Where the session is, as far as this request knows, and whose.
    fn place(&self) -> Option<(StoreKey, Option<Arc<str>>)> {
        match &self.found {
            Found::Live(live) => Some((live.key.clone(), live.record.user.clone())),
            Found::Nothing(_) | Found::Replaced(_) => None,
        }
    }

    fn go_on_with(&mut self, found: Found, now: Timestamp) {
        if found.key() != self.found.key() {
            // Whoever replaced the id has sent the cookie, and nobody may replace that.
            self.id = None;
            self.cookie = CookieDue::Nothing;
        }
        self.found = found;
        self.loaded_at = now;
        self.failed = false;
        self.generation += 1;
        self.rebase = !self.wish.is_empty();
    }
}
