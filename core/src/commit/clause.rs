//! The clauses of the protocol.

/// Clauses of the protocol for requests that overlap, each at the line that carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Clause {
    /// What others wrote is the base on which changes are computed anew.
    Replayed,
    /// The new record is written before the old one is replaced, so that a crash leaves a session.
    NewRecordFirst,
    /// A write that came between reading and replacing the old record is merged into the new one.
    MergedBeforeReplaced,
    /// Data and log-ins follow a tombstone to the successor.
    Followed,
    /// A regeneration that finds the id replaced does not replace it once more.
    RegeneratedOnce,
    /// A session is gone for requests about another user's.
    UserCompared,
    /// Following compares the user at every hop, not only at the last.
    UserComparedAtEveryHop,
    /// A log-in does not go on with the data of another user.
    AnotherUsersDataDropped,
    /// A destroy follows a tombstone to the successor.
    DestroyFollows,
    /// A destroy that finds another version than it read looks again.
    DestroyReloads,
    /// A tombstone that names the successor that we wrote means that the replacement is done.
    OwnSuccessorIsDone,
    /// The record under the new id is taken back when the session is gone.
    WithdrawnWhenGone,
    /// When the tries run out, the answer is an error.
    ErrorWhenTriesRunOut,
}
