//! What must never be.

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wrong {
    /// A session that was over, destroyed, revoked, expired or another user's, is there again, or its data is.
    Resurrected,
    /// An operation whose request was answered is in no session, though that session was not ended; or a request was
    /// told that its session is over while it is not.
    LostUpdate,
    /// An operation was applied twice to one session.
    DoubledUpdate,
    /// One session can be reached under two ids.
    TwoLiveIds,
    /// Nobody crashed and nothing failed, but a record is left whose id nobody was told.
    Orphan,
    /// An operation of a request about one user's session is in another's, or in a fresh session that is not its own.
    CrossUser,
    /// An operation of a request that failed is in a session.
    NotDropped,
    /// A destroy, a revoke or a log-in was answered, but it is not so.
    OkNotDone,
    /// A response sets the cookie of a dead session, or says something about the cookie that it must not say.
    BadCookie,
    /// A request asked the store more often than others can have been in its way.
    TooManyVerbs,
    /// The responses were delivered in the order in which they were answered, nothing failed, and yet the browser is
    /// left with the id of a session that moved on.
    DeadCookie,
    /// At most one request was entitled to a new id, nothing failed, and yet the browser does not have the live id in
    /// the end, in some order of the responses; though no session was ended, or though it has another live one.
    CookieOverwritten,
    /// The browser has an id that leads to another user than the one for whom it was sent.
    AnotherUsersCookie,
    /// A request that follows with the browser's cookie sees another user's data, or does not see what was answered as
    /// done in the one session there is.
    NotSeen,
}

impl Wrong {
    /// The name of the property that it breaks.
    pub(super) fn name(self) -> &'static str {
        match self {
            Wrong::Resurrected => "Resurrected",
            Wrong::LostUpdate => "LostUpdate",
            Wrong::DoubledUpdate => "DoubledUpdate",
            Wrong::TwoLiveIds => "TwoLiveIds",
            Wrong::Orphan => "Orphan",
            Wrong::CrossUser => "CrossUser",
            Wrong::NotDropped => "NotDropped",
            Wrong::OkNotDone => "OkNotDone",
            Wrong::BadCookie => "BadCookie",
            Wrong::TooManyVerbs => "TooManyVerbs",
            Wrong::DeadCookie => "DeadCookie",
            Wrong::CookieOverwritten => "CookieOverwritten",
            Wrong::AnotherUsersCookie => "AnotherUsersCookie",
            Wrong::NotSeen => "NotSeen",
        }
    }

    /// Whether it is found when responses are delivered.
    pub(super) fn is_the_browsers(self) -> bool {
        use Wrong::{AnotherUsersCookie, CookieOverwritten, DeadCookie, NotSeen};
        matches!(
            self,
            DeadCookie | CookieOverwritten | AnotherUsersCookie | NotSeen
        )
    }
}
