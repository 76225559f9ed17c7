//! Decisions about a session's life: pure functions of what was found, what is wished, how the request went, and the time.

use std::sync::Arc;
use std::time::Duration;

use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::layout::Layout;
use crate::record::{Absence, Found, Live, Record};

/// How long a request that arrives with a replaced id gets no cookie: its browser is about to learn the new one.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// How long a replaced id is remembered: longer than any request runs.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(3600);

/// What the configuration says about the life of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Policy {
    pub(crate) lifetime: Duration,
    pub(crate) absolute_lifetime: Option<Duration>,
    pub(crate) permanent: bool,
    pub(crate) size_limit: usize,
    pub(crate) layout: Layout,
    /// Whether sessions are moved here from another layout, so that one that ends must leave a mark.
    pub(crate) leaving: bool,
}

impl Policy {
    /// A record for a session that begins now.
    pub(crate) fn new_record(&self, now: Timestamp) -> Record {
        Record {
            created: now,
            written: now,
            ends: self
                .absolute_lifetime
                .map_or(Timestamp::MAX, |lifetime| now + lifetime),
            lifetime: None,
            permanent: None,
            user: None,
            signed_in: None,
            data: self.layout.new_data(self.permanent),
        }
    }

    pub(crate) fn lifetime(&self, record: &Record) -> Duration {
        record.lifetime.unwrap_or(self.lifetime)
    }

    pub(crate) fn is_permanent(&self, record: &Record) -> bool {
        record.permanent.unwrap_or(self.permanent)
    }

    /// When a session ends that was last seen now.
    pub(crate) fn deadline(&self, record: &Record, now: Timestamp) -> Timestamp {
        (now + self.lifetime(record)).min(record.ends)
    }

    /// How long the cookie is to last: `None` for one that ends with the browser.
    pub(crate) fn max_age(&self, live: &Live, now: Timestamp) -> Option<Duration> {
        self.is_permanent(&live.record)
            .then(|| live.deadline.since(now))
    }

    /// When a session ends whatever happens: as was decided when it was begun, or earlier if the configured absolute
    /// lifetime is shorter by now.
    pub(crate) fn hard_end(&self, record: &Record) -> Timestamp {
        match self.absolute_lifetime {
            Some(lifetime) if record.begun_at().is_some() => {
                record.ends.min(record.created + lifetime)
            }
            _ => record.ends,
        }
    }

    /// The other deadline that a request earns; `None` while it would be later by less than a tenth of the lifetime, so
    /// that a session that is only read is seldom written. A session in use is kept up to its hard end.
    ///
    /// The deadline comes nearer where it is twice as far away as it should be, because the configured lifetime has become
    /// shorter; not for less, or two processes whose clocks differ would move it to and fro. Flask sets its own, and its
    /// layout does not say whether a session has a lifetime of its own.
    pub(crate) fn slid_deadline(&self, live: &Live, now: Timestamp) -> Option<Timestamp> {
        let wanted = self.deadline(&live.record, now);
        let lifetime = self.lifetime(&live.record);
        let gain = wanted.since(live.deadline);
        let moves = match gain.is_zero() {
            false => gain >= lifetime / 10 || wanted == live.record.ends,
            true => self.layout == Layout::Native && live.deadline.since(wanted) >= lifetime,
        };
        (moves && wanted != live.deadline).then_some(wanted)
    }

    /// When the session was last seen, exact to a tenth of its lifetime. A deadline that was cut short by the hard end, or
    /// set while the lifetime was longer, does not tell, so the last write stands in for it.
    pub(crate) fn last_seen(&self, live: &Live, now: Timestamp) -> Timestamp {
        let record = &live.record;
        let by_deadline = live.deadline.before(self.lifetime(record));
        if live.deadline < record.ends && by_deadline <= now {
            record.written.max(by_deadline)
        } else {
            record.written
        }
    }

    /// Refuses data of this size, where there were so many bytes before. What is too large already, by how it is reckoned
    /// here, may still shrink, or stay as it is.
    pub(crate) fn check_size(&self, size: usize, before: usize) -> Result<(), Error> {
        let limit = self.size_limit;
        if size > limit && size > before {
            Err(Error::TooLarge { size, limit })
        } else {
            Ok(())
        }
    }

    /// When a tombstone that is set now may go. The deadline of the session that it stands for does not matter: the
    /// session lives on under its new id, and who found the old one must not take it for expired.
    pub(crate) fn tombstone_deadline(now: Timestamp) -> Timestamp {
        now + TOMBSTONE_LIFETIME
    }
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its changes are kept.
    Succeeded,
    /// Status 5xx or 408, or an error without a response: its changes are dropped, except that `destroy` is carried out.
    Failed,
}

impl Outcome {
    /// Judges a response by its status: 5xx is a failure, and so is 408 (RFC 9110 15.5.9), which a time-out around the
    /// handler answers after it has dropped it, wherever that was.
    ///
    /// ```
    /// use anysession::Outcome;
    ///
    /// assert_eq!(Outcome::from_status(404), Outcome::Succeeded);
    /// assert_eq!(Outcome::from_status(500), Outcome::Failed);
    /// assert_eq!(Outcome::from_status(408), Outcome::Failed);
    /// ```
    pub fn from_status(status: u16) -> Self {
        if status >= 500 || status == 408 {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        }
    }
}

/// What a request wants to become of its session.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug, PartialEq, Eq, Hash))]
pub(crate) struct Wish {
    /// The session that was found is to be destroyed; what else is wished begins a fresh one.
    pub(crate) destroy: bool,
    pub(crate) fate: Fate,
    pub(crate) changes: Changes,
}

/// What is to become of the id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Fate {
    #[default]
    Stay,
    Regenerate,
    LogIn(LogIn),
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct LogIn {
    pub(crate) user: Arc<str>,
    /// Somebody else was signed in before: the data begins empty.
    pub(crate) from_empty: bool,
}

impl Wish {
    /// Wishes the end of the session. What was wished before is dropped with it.
    pub(crate) fn destroy(&mut self) {
        *self = Wish {
            destroy: true,
            ..Wish::default()
        };
    }

    /// Wishes a new id for the same session.
    pub(crate) fn regenerate_id(&mut self) {
        if self.fate == Fate::Stay && !self.destroy {
            self.fate = Fate::Regenerate;
        }
    }

    /// Wishes `user` to be signed in. If somebody else is, what was done before belongs to them and is dropped.
    pub(crate) fn log_in(&mut self, user: Arc<str>, found: &Found) {
        let other = self.user(found).is_some_and(|current| *current != user);
        let from_empty = match &self.fate {
            Fate::LogIn(earlier) => earlier.from_empty || other,
            Fate::Stay | Fate::Regenerate => other,
        };
        if other {
            self.changes.forget_data();
        }
        self.fate = Fate::LogIn(LogIn { user, from_empty });
    }

    /// Whose session it would be now.
    fn user<'a>(&'a self, found: &'a Found) -> Option<&'a Arc<str>> {
        match (&self.fate, found) {
            (Fate::LogIn(log_in), _) => Some(&log_in.user),
            (_, Found::Live(live)) if !self.destroy => live.record.user.as_ref(),
            (_, Found::Replaced(tombstone)) if !self.destroy => tombstone.user.as_ref(),
            _ => None,
        }
    }

    /// Whether the data that was there before is of no account.
    pub(crate) fn starts_empty(&self) -> bool {
        self.destroy || matches!(&self.fate, Fate::LogIn(log_in) if log_in.from_empty)
    }

    /// The record that the handler sees, under the changes.
    pub(crate) fn base<'a>(&self, found: &'a Found) -> Option<&'a Record> {
        match found {
            Found::Live(live) if !self.starts_empty() => Some(&live.record),
            _ => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.destroy && self.fate == Fate::Stay && self.changes.is_empty()
    }

    /// Whether there would be something to store in a session that does not exist yet.
    fn begins_a_session(&self, layout: Layout) -> bool {
        matches!(self.fate, Fate::LogIn(_)) || !layout.is_nothing(self.changes.keys_on_nothing())
    }
}

/// What is done at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: there is nothing to do.
    Keep,
    /// Nothing, although something was wished.
    Forget(Reason),
    /// Only move the deadline.
    Touch(Timestamp),
    /// Begin a session under a new id.
    Create,
    /// Write the changes to the session that was found.
    Update,
    /// Move the session to a new id.
    Rotate,
    /// Destroy what was found, then begin a fresh session if more was wished than that.
    Delete { then_create: bool },
}

/// Why a wish is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    RequestFailed,
    IdReplaced,
    SessionEnded,
}

/// Decides what is done at the end of a request.
pub(crate) fn plan(
    found: &Found,
    wish: &Wish,
    outcome: Outcome,
    now: Timestamp,
    policy: &Policy,
) -> Plan {
    // Asked only where it matters: it computes what the session would hold.
    let then_create = || outcome == Outcome::Succeeded && wish.begins_a_session(policy.layout);
    match (found, outcome) {
        (Found::Live(_) | Found::Replaced(_), _) if wish.destroy => Plan::Delete {
            then_create: then_create(),
        },
        (_, Outcome::Failed) if wish.is_empty() => Plan::Keep,
        (_, Outcome::Failed) => Plan::Forget(Reason::RequestFailed),
        // It had a session, and a late change must not come back as a new one.
        (Found::Nothing(Absence::Ended), _) if !matches!(wish.fate, Fate::LogIn(_)) => {
            match wish.changes.is_empty() {
                true => Plan::Keep,
                false => Plan::Forget(Reason::SessionEnded),
            }
        }
        (Found::Nothing(_), _) if then_create() => Plan::Create,
        (Found::Nothing(_), _) => Plan::Keep,
        (Found::Replaced(tombstone), _) => match &wish.fate {
            Fate::LogIn(_) => Plan::Rotate,
            _ if !then_create() => Plan::Keep,
            _ if now.since(tombstone.replaced) < GRACE => Plan::Forget(Reason::IdReplaced),
            _ => Plan::Create,
        },
        (Found::Live(live), _) => match &wish.fate {
            Fate::LogIn(_) | Fate::Regenerate => Plan::Rotate,
            Fate::Stay if !wish.changes.is_empty() => Plan::Update,
            Fate::Stay => match policy.slid_deadline(live, now) {
                None => Plan::Keep,
                // Its cookie is to be sent again, which must not happen if the session is gone or its id was replaced
                // meanwhile. A touch would not say.
                Some(_) if policy.is_permanent(&live.record) => Plan::Update,
                // A touch only puts it off.
                Some(deadline) if deadline < live.deadline => Plan::Update,
                Some(deadline) => Plan::Touch(deadline),
            },
        },
    }
}

#[cfg(test)]
mod tests;
