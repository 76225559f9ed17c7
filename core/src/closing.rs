//! What comes before and after the commits of a request, apart from the I/O: which there are to be, and what the
//! response is to say once it is known what came of them.

use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::commit::{Done, Task};
use crate::id::SessionId;
use crate::lifecycle::{Fate, Plan, Policy};
use crate::record::Found;
use crate::slot::CookieDue;

/// The tasks that a plan comes to, one after the other; the second one only if the first one did not fail.
pub(crate) fn tasks(plan: Plan, fate: &Fate) -> &'static [Task] {
    match (plan, fate) {
        (Plan::Keep | Plan::Forget(_) | Plan::Touch(_), _) => &[],
        (Plan::Create, _) => &[Task::Create],
        (Plan::Update, _) => &[Task::Update],
        (Plan::Rotate, Fate::LogIn(_)) => &[Task::LogIn],
        (Plan::Rotate, Fate::Stay | Fate::Regenerate) => &[Task::Regenerate],
        (Plan::Delete { then_create: false }, _) => &[Task::Destroy],
        (Plan::Delete { then_create: true }, _) => &[Task::Destroy, Task::Create],
    }
}

/// Whether the next task of a plan is carried out after one that ended so. Where a log-out finds that others were faster
/// to end the session, or to make it another user's, a session for what else was wished could take the place of theirs
/// in the browser. Only a log-in begins one all the same: it is a new authentication.
pub(crate) fn goes_on(done: &Done, fate: &Fate) -> bool {
    *done != Done::Over || matches!(fate, Fate::LogIn(_))
}

/// What a request says after a commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) id: IdAfter,
    /// What the response is to say, `None` if that stays as it was before.
    pub(crate) cookie: Option<CookieDue>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IdAfter {
    Kept,
    Forgotten,
    New(SessionId),
}

/// Judges how a commit of these changes ended, and what it left. A cookie that an earlier save of the same request called
/// for is not sent if the session has moved on since or is over: it could replace a newer one in the browser.
pub(crate) fn settle(
    done: Done,
    left: &Found,
    changes: &Changes,
    policy: &Policy,
    now: Timestamp,
) -> Settled {
    let max_age = match left {
        Found::Live(live) => policy.max_age(live, now),
        Found::Nothing(_) | Found::Replaced(_) => None,
    };
    match done {
        Done::NewId(id) => Settled {
            cookie: Some(CookieDue::Set(max_age)),
            id: IdAfter::New(id),
        },
        Done::Updated { followed: true, .. } => Settled {
            cookie: Some(CookieDue::Nothing),
            id: IdAfter::Forgotten,
        },
        Done::Updated {
            deadline_moved,
            followed: false,
        } => {
            let settings = changes.permanent.is_some() || changes.lifetime.is_some();
            let again =
                changes.permanent.is_some() || max_age.is_some() && (deadline_moved || settings);
            Settled {
                cookie: again.then_some(CookieDue::Set(max_age)),
                id: IdAfter::Kept,
            }
        }
        Done::Destroyed => Settled {
            cookie: Some(CookieDue::Remove),
            id: IdAfter::Forgotten,
        },
        Done::Over => Settled {
            cookie: Some(CookieDue::Nothing),
            id: IdAfter::Forgotten,
        },
    }
}

#[cfg(test)]
mod tests;
