//! A user's sessions: listing them, and ending them.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::commit::{Commit, End, MAX_TRIES};
use crate::error::Error;
use crate::id::StoreKey;
use crate::record::{Found, Live};
use crate::session::{LABEL, Session};
use crate::sessions::{Sessions, Shared};
use crate::value::decode;

/// One of a user's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Names the session for [`Session::end_session`] and [`Sessions::end`]. It may stand in a page: neither the id nor
    /// the store key can be had from it.
    pub handle: String,
    /// What the application [called it](Session::set_label).
    pub label: Option<String>,
    /// When the user signed in to it.
    pub created: Timestamp,
    /// When it was last seen, exact to a tenth of its lifetime.
    pub last_seen: Timestamp,
    /// When it ends if it is not used any more.
    pub expires: Timestamp,
    /// Whether it is the session of the request that asks.
    pub current: bool,
}

impl Sessions {
    /// The sessions of a user, most recently seen first.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn of_user(&self, user: &str) -> Result<Vec<SessionInfo>, Error> {
        self.0.list(user, None).await
    }

    /// Ends one session of a user (ASVS 5.0 7.5.2). Says whether there was one of this handle.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Contended`]: it may be alive then.
    pub async fn end(&self, user: &str, handle: &str) -> Result<bool, Error> {
        self.0.end(user, handle).await
    }

    /// Ends all sessions of a user, for instance when the account is disabled (ASVS 5.0 7.4.2), and says how many. Those
    /// that still wait in [Flask's layout](crate::flask) to be moved end too, but are not counted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Contended`]: some may be alive then.
    pub async fn end_all(&self, user: &str) -> Result<usize, Error> {
        self.0.end_all(user, None).await
    }
}

impl Session {
    /// The sessions of the user who is signed in, most recently seen first. A session that this request begins is not
    /// among them before it is [saved](Self::save).
    ///
    /// # Errors
    ///
    /// [`Error::NotSignedIn`] and [`Error::Store`].
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        let user = self.user().ok_or(Error::NotSignedIn)?;
        self.visit().shared.list(&user, self.key().as_ref()).await
    }

    /// Ends one of the user's sessions, which may be this one. Says whether there was one of this handle.
    ///
    /// # Errors
    ///
    /// [`Error::NotSignedIn`]; [`Error::Store`] and [`Error::Contended`]: it may be alive then.
    pub async fn end_session(&self, handle: &str) -> Result<bool, Error> {
        let user = self.user().ok_or(Error::NotSignedIn)?;
        if self.key().is_some_and(|key| key.handle() == handle) {
            self.destroy();
            return Ok(true);
        }
        self.visit().shared.end(&user, handle).await
    }

    /// Ends all of the user's sessions but this one, as an application should offer after a password was changed (ASVS
    /// 5.0 7.4.3), and says how many; see [`Sessions::end_all`].
    ///
    /// # Errors
    ///
    /// As [`end_session`](Self::end_session).
    pub async fn end_other_sessions(&self) -> Result<usize, Error> {
        let user = self.user().ok_or(Error::NotSignedIn)?;
        self.visit().shared.end_all(&user, self.key()).await
    }

    /// Ends all of the user's sessions, this one too, and says how many others there were.
    ///
    /// # Errors
    ///
    /// As [`end_session`](Self::end_session).
    pub async fn end_all_sessions(&self) -> Result<usize, Error> {
        let ended = self.end_other_sessions().await?;
        self.destroy();
        Ok(ended)
    }

    /// The key of the stored session that this request goes on with.
    fn key(&self) -> Option<StoreKey> {
        self.state().found.key()
    }
}

impl Shared {
    async fn list(
        &self,
        user: &str,
        current: Option<&StoreKey>,
    ) -> Result<Vec<SessionInfo>, Error> {
        let now = self.clock.now();
        let mut list = Vec::new();
        for key in self.store.keys_of_user(user).await? {
            let stored = self.load(&key).await?;
            if let Found::Live(live) = self.judge(key, stored, now)
                && live.record.user.as_deref() == Some(user)
            {
                list.push(self.info(&live, current, now));
            }
        }
        list.sort_by_key(|info| std::cmp::Reverse((info.current, info.last_seen)));
        Ok(list)
    }

    fn info(&self, live: &Live, current: Option<&StoreKey>, now: Timestamp) -> SessionInfo {
        SessionInfo {
            handle: live.key.handle(),
            label: live
                .record
                .data
                .find(LABEL)
                .and_then(|label| decode(self.policy.layout.format(), LABEL, label).ok()),
            created: live.record.created,
            last_seen: self.policy.last_seen(live, now),
            expires: live.deadline,
            current: current == Some(&live.key),
        }
    }

    async fn end(&self, user: &str, handle: &str) -> Result<bool, Error> {
        let keys = self.store.keys_of_user(user).await?;
        match keys.into_iter().find(|key| key.handle() == handle) {
            Some(key) => self.revoke(key, user.into(), None).await,
            None => Ok(false),
        }
    }

    /// Lists again after the first pass, for what came in meanwhile. One session that cannot be ended does not save the
    /// others; the first error is told when all were tried.
    async fn end_all(&self, user: &str, spared: Option<StoreKey>) -> Result<usize, Error> {
        let mut failed = self.end_left_sessions(user).await.err();
        let user: Arc<str> = user.into();
        let spared = match spared {
            Some(key) => Some(self.newest(key).await?),
            None => None,
        };
        let mut ended = 0;
        for _pass in 0..2 {
            for key in self.store.keys_of_user(&user).await? {
                match self.revoke(key, user.clone(), spared.as_ref()).await {
                    Ok(true) => ended += 1,
                    Ok(false) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    /// The key under which a session is now, if its id was replaced since it was loaded.
    async fn newest(&self, mut key: StoreKey) -> Result<StoreKey, Error> {
        for _hop in 0..MAX_TRIES {
            let stored = self.load(&key).await?;
            match self.judge(key.clone(), stored, self.clock.now()) {
                Found::Replaced(tombstone) => key = tombstone.successor,
                Found::Live(_) | Found::Nothing(_) => break,
            }
        }
        Ok(key)
    }

    pub(crate) async fn revoke(
        &self,
        key: StoreKey,
        user: Arc<str>,
        spared: Option<&StoreKey>,
    ) -> Result<bool, Error> {
        let mut commit = Commit::revoking(user, spared, self.clock.now(), &self.policy);
        let end = self
            .run(&mut commit, |commit| commit.load(key.clone()))
            .await
            .map_err(|error| *error)?;
        let ended = end == End::Destroyed;
        if ended {
            tracing::info!(target: "anysession", session = %key.short(), "destroyed: revoked");
        }
        Ok(ended)
    }
}
