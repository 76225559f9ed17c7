//! The session as a handler sees it.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::changes::Update;
use crate::clock::Timestamp;
use crate::commit::MAX_TRIES;
use crate::error::Error;
use crate::flash::{FLASHES, Flash, Flashes};
use crate::flask::Format;
use crate::key::{AsKey, KeyName};
use crate::layout::Layout;
use crate::lifecycle::Fate;
use crate::record::{Found, Record};
use crate::saving::Occasion;
use crate::slot::{State, Visit};
use crate::value::{decode, encode, encode_pair};

/// The bounds of a lifetime, as of a configured one: far from the end of what a store's timestamps hold.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the label lies in a session.
pub(crate) const LABEL: &str = "_label";

/// The session of one request.
///
/// All methods but [`save`](Self::save), [`reload`](Self::reload) and those about a user's other sessions are synchronous:
/// the session was loaded before the handler ran, and what the handler changes is stored when its response is known.
/// Clones are the same session.
///
/// ```
/// # use anysession::{Error, Session};
/// fn visit(session: &Session) -> Result<u64, Error> {
///     session.insert("theme", "dark")?;
///     let theme: Option<String> = session.get("theme")?;
///     assert_eq!(theme.as_deref(), Some("dark"));
///     // Computed again on the newest state if another request was faster:
///     session.update("visits", |visits: &mut u64| *visits += 1)
/// }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Visit>);

#[expect(
    clippy::needless_pass_by_value,
    reason = "a key or a user is written down at the call, and reads better without a `&`"
)]
impl Session {
    /// The value of a key, or `None`. It is decoded where it lies, so a `Deserialize` of your own must not ask the same
    /// session for something.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if what is stored is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        let key = key.name();
        let state = self.state();
        let bytes = state.view(key);
        bytes
            .map(|bytes| decode(self.format(), key, bytes))
            .transpose()
    }

    /// Sets a key. If overlapping requests insert under one key, the one that is stored later wins; to change a value
    /// depending on what it was, use [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] if the value cannot be written as MessagePack, [`Error::TooLarge`] if the session would exceed
    /// the configured size. Nothing is changed then.
    pub fn insert<T: Serialize>(&self, key: impl AsKey<T>, value: T) -> Result<(), Error> {
        let key = key.name();
        let pair = encode_pair(self.format(), key, &value)?;
        let mut state = self.state();
        self.check_size(&state, key, pair.value())?;
        state.generation += 1;
        state.wish.changes.insert(key, pair);
        Ok(())
    }

    /// Changes the value of a key depending on what it was, beginning with the default if it is absent, and returns it
    /// as this request sees it.
    ///
    /// If another request changes the session first, `change` is called again on what that one left, so that none is
    /// lost: it should do nothing but compute. It may read this session but must not change it.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if what is stored is of another type: it is not taken for absent. Otherwise as
    /// [`insert`](Self::insert).
    pub fn update<T, F>(&self, key: impl AsKey<T>, change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + Send + Sync + 'static,
    {
        let key = key.name();
        let format = self.format();
        let change = Arc::new(change);
        let update: Update = {
            let (key, change) = (key.to_owned(), change.clone());
            Arc::new(move |old| Ok(Some(changed(format, &key, old, &*change)?.1)))
        };
        let value = self.compute(key, &update, |old| {
            let (value, bytes) = changed(format, key, old, &*change)?;
            Ok((value, Some(bytes)))
        })?;
        Ok(value)
    }

    /// Removes a key. One that this request does not see is left alone, also if an overlapping request inserts it.
    pub fn remove(&self, key: impl KeyName) {
        let key = key.name();
        let mut state = self.state();
        if state.view(key).is_some() {
            state.generation += 1;
            state.wish.changes.set(key, None);
        }
    }

    /// Whether the key has a value.
    pub fn contains(&self, key: impl KeyName) -> bool {
        self.state().view(key.name()).is_some()
    }

    /// The keys that have a value, in the order of their insertion.
    pub fn keys(&self) -> Vec<String> {
        let state = self.state();
        let base = state.data();
        state
            .wish
            .changes
            .applied(base)
            .keys()
            .map(str::to_owned)
            .collect()
    }

    /// Removes all data. Who is signed in, and the id, stay; see [`destroy`](Self::destroy) for the rest.
    pub fn clear(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.wish.changes.clear();
    }

    /// Ends the session: this is the log-out. The record is deleted and the cookie removed when the response is known,
    /// even if the request has failed. What is inserted afterwards begins a fresh session under a new id.
    pub fn destroy(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.wish.destroy();
    }

    /// Gives the session a new id and keeps its data; the old id is dead at once. Call it whenever privileges change
    /// (OWASP Session Management Cheat Sheet); [`log_in`](Self::log_in) does it by itself.
    ///
    /// # Errors
    ///
    /// [`Error::AfterResponse`] if the response was sent, so that the new id would reach nobody.
    pub fn regenerate_id(&self) -> Result<(), Error> {
        let mut state = self.changeable_id("regenerate_id")?;
        state.generation += 1;
        state.wish.regenerate_id();
        Ok(())
    }

    /// Signs a user in: binds the session to `user`, gives it a new id (ASVS 5.0 7.2.4), and counts the absolute
    /// lifetime from now on. The data of an anonymous visitor, or of the same user, is kept; if somebody else was signed
    /// in, it is cleared first.
    ///
    /// `user` is what identifies the user for good, such as a primary key: 1 to 255 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUser`], and [`Error::AfterResponse`] if the response was sent.
    pub fn log_in(&self, user: impl ToString) -> Result<(), Error> {
        let user = user.to_string();
        if user.is_empty() || user.len() > 255 || user.chars().any(char::is_control) {
            return Err(Error::InvalidUser { len: user.len() });
        }
        let mut state = self.changeable_id("log_in")?;
        state.generation += 1;
        let State { wish, found, .. } = &mut *state;
        wish.log_in(user.into(), found);
        Ok(())
    }

    /// Who is signed in.
    pub fn user(&self) -> Option<Arc<str>> {
        let state = self.state();
        match &state.wish.fate {
            Fate::LogIn(log_in) => Some(log_in.user.clone()),
            Fate::Stay | Fate::Regenerate => state.record().and_then(|record| record.user.clone()),
        }
    }

    /// When the user last signed in.
    pub fn signed_in_at(&self) -> Option<Timestamp> {
        let state = self.state();
        match &state.wish.fate {
            Fate::LogIn(_) => Some(self.0.shared.clock.now()),
            Fate::Stay | Fate::Regenerate => state.record().and_then(|record| record.signed_in),
        }
    }

    /// Requires that the user signed in no longer ago than `limit`, before something that matters (ASVS 5.0 7.5.1).
    /// After the user has proved who they are, call [`log_in`](Self::log_in) again.
    ///
    /// # Errors
    ///
    /// [`Error::NotSignedIn`] and [`Error::SignInTooOld`]; [`Error::SignInUnknown`] in [Flask's layout](crate::flask),
    /// whenever the user signed in.
    pub fn require_recent(&self, limit: Duration) -> Result<(), Error> {
        let at = self.signed_in_at().ok_or_else(|| self.no_sign_in())?;
        let ago = self.0.shared.clock.now().since(at);
        if ago > limit {
            Err(Error::SignInTooOld { ago, limit })
        } else {
            Ok(())
        }
    }

    /// Whether the cookie of this one session outlives the browser ("remember me"), whatever the configuration says.
    pub fn set_permanent(&self, permanent: bool) {
        let mut state = self.state();
        state.generation += 1;
        state.wish.changes.permanent = Some(permanent);
    }

    /// Whether the cookie of this session outlives the browser.
    pub fn is_permanent(&self) -> bool {
        let state = self.state();
        let record = state.record().and_then(|record| record.permanent);
        state
            .wish
            .changes
            .permanent
            .or(record)
            .unwrap_or(self.0.shared.policy.permanent)
    }

    /// Sets the idle lifetime of this one session: it ends when this long passes without a request. It counts from now,
    /// and may be shorter or longer than the configured one: 1 second to 100 years.
    pub fn set_lifetime(&self, lifetime: Duration) {
        let mut state = self.state();
        state.generation += 1;
        state.wish.changes.lifetime = Some(lifetime.clamp(SHORTEST, LONGEST));
    }

    /// The idle lifetime of this session.
    pub fn lifetime(&self) -> Duration {
        let state = self.state();
        let record = state.record().and_then(|record| record.lifetime);
        state
            .wish
            .changes
            .lifetime
            .or(record)
            .unwrap_or(self.0.shared.policy.lifetime)
    }

    /// The time by which sessions are judged, to say how long ago something was.
    pub fn now(&self) -> Timestamp {
        self.0.shared.clock.now()
    }

    /// Names this session in the user's [list](Self::sessions), for example by browser and system. It is kept in the
    /// session's data, under `_label`.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn set_label(&self, label: impl Into<String>) -> Result<(), Error> {
        self.insert(LABEL, label.into())
    }

    /// When the session was begun, or its user last signed in, since that begins it anew. `None` if it is not stored yet, or
    /// shared with [Flask](crate::flask), which does not say it.
    pub fn created(&self) -> Option<Timestamp> {
        self.state().record().and_then(Record::begun_at)
    }

    /// When the session was last seen before this request, exact to a tenth of its lifetime; `None` if it is not stored
    /// yet.
    pub fn last_seen(&self) -> Option<Timestamp> {
        let state = self.state();
        let policy = &self.0.shared.policy;
        match &state.found {
            Found::Live(live) => Some(policy.last_seen(live, state.loaded_at)),
            Found::Nothing(_) | Found::Replaced(_) => None,
        }
    }

    /// Leaves a message for the next page that shows them.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn flash(
        &self,
        category: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<(), Error> {
        let flash = (category.into(), message.into());
        self.update(FLASHES, move |waiting: &mut Vec<(String, String)>| {
            waiting.push(flash.clone());
        })?;
        Ok(())
    }

    /// Takes all messages. If requests overlap, each message is taken by exactly one of them provided that
    /// [`save`](Self::save) is called before they are shown; see [`Flashes`].
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if something else is stored where the messages lie (`_flashes`).
    pub fn take_flashes(&self) -> Result<Flashes, Error> {
        self.take(None)
    }

    /// Takes the messages of one category and leaves the others, as [`take_flashes`](Self::take_flashes) does.
    ///
    /// # Errors
    ///
    /// As [`take_flashes`](Self::take_flashes).
    pub fn take_flashes_of(&self, category: &str) -> Result<Flashes, Error> {
        self.take(Some(category.to_owned()))
    }

    fn take(&self, category: Option<String>) -> Result<Flashes, Error> {
        let flashes = Flashes::default();
        if !self.contains(FLASHES) {
            return Ok(flashes);
        }
        let format = self.format();
        let taken = flashes.clone();
        let update: Update = Arc::new(move |old| {
            let waiting: Vec<Flash> =
                old.map_or_else(|| Ok(Vec::new()), |old| decode(format, FLASHES, old))?;
            let mut waiting = waiting;
            taken.take(&mut waiting, category.as_deref());
            if waiting.is_empty() {
                return Ok(None);
            }
            let pairs: Vec<_> = (waiting.iter())
                .map(|flash| (&flash.category, &flash.message))
                .collect();
            encode(format, FLASHES, &pairs).map(Some)
        });
        self.compute(FLASHES, &update, |old| Ok(((), update(old)?)))?;
        Ok(flashes)
    }

    /// Stores the changes now, instead of when the response is known: before a stream or a WebSocket goes on, or where
    /// the handler must know that it is done. What was saved stays, even if the request fails later.
    ///
    /// A cookie that it calls for is set on this request's response.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] (whether the changes were stored is unknown then), [`Error::Contended`] and
    /// [`Error::TooLarge`]: they are not made any more, and every later save of this request, the one at its end too,
    /// answers [`Error::SaveFailed`], unless the session is [destroyed](Self::destroy) or [reloaded](Self::reload). So it
    /// is if the future is dropped before it is ready.
    ///
    /// So it is, too, with [`Error::Random`], and with [`Error::Decode`] and [`Error::Encode`] of an
    /// [`update`](Self::update) that had to be computed again.
    ///
    /// [`Error::SessionEnded`] if the session was destroyed or passed to another user meanwhile: the changes are
    /// dropped. [`Error::AfterResponse`] if a new id would be needed after the response was sent; a
    /// [`destroy`](Self::destroy) before it is carried out.
    pub async fn save(&self) -> Result<(), Error> {
        let saved = self.0.turn().await.commit(Occasion::Save).await;
        saved.map_err(|error| *error)
    }

    pub(crate) fn new(visit: Arc<Visit>) -> Self {
        Session(visit)
    }

    pub(crate) fn visit(&self) -> &Visit {
        &self.0
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        match self.0.state() {
            Some(state) => state,
            None => unreachable!("a session exists only after it was loaded"),
        }
    }

    /// Why it is not known when the user signed in.
    fn no_sign_in(&self) -> Error {
        match (self.user(), self.0.shared.policy.layout) {
            (Some(_), Layout::Flask(_)) => Error::SignInUnknown,
            _ => Error::NotSignedIn,
        }
    }

    fn format(&self) -> Format {
        self.0.shared.policy.layout.format()
    }

    fn changeable_id(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state();
        if state.sent {
            Err(Error::AfterResponse { operation })
        } else {
            Ok(state)
        }
    }

    /// Computes a key's value without holding the session meanwhile, and again if another clone changed it.
    fn compute<T>(
        &self,
        key: &str,
        update: &Update,
        compute: impl Fn(Option<&[u8]>) -> Result<(T, Option<Vec<u8>>), Error>,
    ) -> Result<T, Error> {
        for _ in 0..MAX_TRIES {
            let (old, generation) = {
                let state = self.state();
                (state.view(key).map(<[u8]>::to_vec), state.generation)
            };
            let (value, bytes) = compute(old.as_deref())?;
            let mut state = self.state();
            if state.generation == generation {
                self.check_size(&state, key, bytes.as_deref().unwrap_or_default())?;
                state.generation += 1;
                state
                    .wish
                    .changes
                    .update(key, bytes.as_deref(), update.clone());
                return Ok(value);
            }
        }
        Err(Error::Contended { tries: MAX_TRIES })
    }

    /// Refuses a value that would make the session too large. The exact size is reckoned only near the limit.
    fn check_size(&self, state: &State, key: &str, value: &[u8]) -> Result<(), Error> {
        let policy = &self.0.shared.policy;
        let base = state.data();
        let changes = &state.wish.changes;
        if changes.size_bound(base, key, value) <= policy.size_limit {
            return Ok(());
        }
        let mut changes = changes.clone();
        changes.set(key, Some(value));
        policy.check_size(changes.applied(base).size(), base.size())
    }
}

/// Names the user and the keys, never a value.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user())
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

impl State {
    /// The encoded value of a key, as the handler sees it.
    fn view(&self, key: &str) -> Option<&[u8]> {
        self.wish.changes.view(self.data(), key)
    }
}

fn changed<T>(
    format: Format,
    key: &str,
    old: Option<&[u8]>,
    change: &dyn Fn(&mut T),
) -> Result<(T, Vec<u8>), Error>
where
    T: Serialize + DeserializeOwned + Default,
{
    let mut value = old.map_or_else(|| Ok(T::default()), |old| decode(format, key, old))?;
    change(&mut value);
    let bytes = encode(format, key, &value)?;
    Ok((value, bytes))
}
