//! What goes into a commit and what comes out of it.

use crate::id::{SessionId, StoreKey};
use crate::store::{Deletion, Entry, Expect, Stored, Version, Write};

/// What is to be done, after [`plan`](crate::lifecycle::plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Task {
    Update,
    Regenerate,
    LogIn,
    Destroy,
    Create,
}

/// The next verb.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq))]
pub(crate) enum Step {
    /// Make a new id.
    NewId,
    Load(StoreKey),
    Put(StoreKey, Expect, Entry),
    Delete(StoreKey, Version),
    /// Nothing more; [`Commit::done`](super::Commit::done) says the rest.
    Finished(End),
}

/// How a commit ended, without the session that it left: steps are passed on for every verb, and so are kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Updated { deadline_moved: bool },
    NewId,
    Destroyed,
    Over,
}

/// What came of a verb.
#[derive(Debug)]
pub(crate) enum Reply {
    NewId(SessionId),
    Loaded(Option<Stored>),
    Put(Write),
    Deleted(Deletion),
}

/// How a commit ended. What it left is in [`Commit::found`](super::Commit::found).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Done {
    /// The changes are in the session; `followed` if its id was replaced meanwhile, so that this request may say
    /// nothing about cookies any more.
    Updated {
        deadline_moved: bool,
        followed: bool,
    },
    /// The session, with the changes, is under a new id.
    NewId(SessionId),
    /// The session is gone for good.
    Destroyed,
    /// The session of this request had ended before, or is another user's now. Nothing was changed.
    Over,
}
