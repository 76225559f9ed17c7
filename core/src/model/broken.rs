//! What can be switched off.

use crate::commit::Clause;

/// What is switched off, to show that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Broken {
    /// A clause of the commit.
    Commit(Clause),
    /// A request that arrives with a replaced id goes by the same table.
    ReplacedIsKnown,
    /// Within a short time after the replacement a request with the old id gets no cookie.
    Grace,
    /// What was done before somebody else logged in is dropped.
    EarlierDataDropped,
    /// A verb whose result is unknown is not sent again.
    NeverResent,
    /// Nothing is deleted because of an unknown result.
    NothingDeletedForUnknown,
    /// A revoke lists again after its first pass.
    ListedAgain,
    /// A revoke that does not know what became of one session does not answer that all are over.
    FailureOfARevokeTold,
    /// What a request did whose client left is dropped.
    DroppedWhenFailed,
    /// A log-out is carried out though the client left.
    LogOutFinished,
    /// The cookie of a save is not sent if the closing save had to follow or found the session gone.
    CookieOfSaveDropped,
    /// The time of each verb, not that of the beginning of its commit, is handed to the store.
    TimeOfTheVerb,
    /// The store replaces an entry only at the version that was named.
    PutAtTheVersion,
    /// The old record is replaced by the tombstone at the version that was read.
    TombstoneAtTheVersion,
    /// A deletion names the version that was read.
    DeleteAtTheVersion,
    /// A request that had to follow a replaced id sends no cookie.
    NoCookieAfterFollowing,
    /// A log-out that finds its session over, or another user's, begins no other.
    NothingBeginsAfterOver,
    /// An expired entry counts as gone in a writing verb.
    ExpiredIsGone,
}
