//! A second look at the session, for requests that last.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::commit::MAX_TRIES;
use crate::error::Error;
use crate::id::StoreKey;
use crate::lifecycle::Fate;
use crate::record::{Absence, Found};
use crate::session::Session;
use crate::slot::{CookieDue, State};
use crate::turn::Turn;

impl Session {
    /// Looks the session up once more. A WebSocket or a stream otherwise goes on with what there was when it began: this is
    /// how it sees what other requests have stored since, and learns that its user has signed out.
    ///
    /// Changes that were not saved yet are kept, on top of what is found; an [`update`](Self::update) is computed on that
    /// when it is saved. It is no sign of life: to put the deadline off, [`save`](Self::save) after it. After a save that
    /// failed it finds out how things stand, and the session can be saved again.
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
    /// [`Error::SessionEnded`] if the session was destroyed, has expired, or was passed to another user, now and whenever it
    /// is asked again: what is changed in it is dropped, unless somebody signs in. So it is if a save that failed may have
    /// given it an id that the visitor was not told. [`Error::Store`] if the store cannot be asked: it stays as it was.
    pub async fn reload(&self) -> Result<(), Error> {
        self.visit().turn().await.reload().await
    }
}

impl Turn<'_> {
    async fn reload(&mut self) -> Result<(), Error> {
        let shared = self.shared();
        let Some(Place {
            mut key,
            user,
            moves,
        }) = self.with(State::place_to_look)?
        else {
            return Ok(());
        };
        for _hop in 0..MAX_TRIES {
            let now = shared.clock.now();
            let stored = shared.load(&key).await?;
            let found = shared.judge(key.clone(), stored, now);
            match found {
                Found::Live(ref live) if live.record.user == user => {
                    self.with(|state| state.found_again(found, now));
                    return Ok(());
                }
                // As whoever writes to it would follow it.
                Found::Replaced(tombstone) if tombstone.user == user && moves => {
                    key = tombstone.successor;
                }
                Found::Live(_) | Found::Replaced(_) | Found::Nothing(_) => {
                    shared.tell_found(&key, &found);
                    self.with(|state| state.found_again(Found::Nothing(Absence::Ended), now));
                    return Err(Error::SessionEnded);
                }
            }
        }
        Err(Error::Contended { tries: MAX_TRIES })
    }
}

/// Where the session is, as far as a request knows, and whose.
struct Place {
    key: StoreKey,
    user: Option<Arc<str>>,
    /// Whether it may be somewhere else by now. If a save of our own may have moved it, nobody was told where, and it is
    /// lost to the visitor.
    moves: bool,
}

impl State {
    /// `None` if there is no session to look for.
    fn place_to_look(&mut self) -> Result<Option<Place>, Error> {
        match &self.found {
            Found::Live(live) => Ok(Some(Place {
                key: live.key.clone(),
                user: live.record.user.clone(),
                moves: !self.failed,
            })),
            Found::Nothing(Absence::Ended) => Err(Error::SessionEnded),
            Found::Nothing(_) | Found::Replaced(_) => {
                // One that a failed save was to begin has an id that nobody knows.
                self.failed = false;
                Ok(None)
            }
        }
    }

    fn found_again(&mut self, found: Found, now: Timestamp) {
        if found.key() != self.found.key() {
            // Whoever replaced the id has sent the cookie, and nobody may replace that. Nor is there a reason to do it again.
            self.id = None;
            self.cookie = CookieDue::Nothing;
            if self.wish.fate == Fate::Regenerate {
                self.wish.fate = Fate::Stay;
            }
        }
        self.found = found;
        self.loaded_at = now;
        self.failed = false;
        self.generation += 1;
        self.rebase = !self.wish.is_empty();
    }
}
