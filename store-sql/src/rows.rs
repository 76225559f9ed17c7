//! From rows to entries, and from entries to values.

use anysession::{Entry, StoreKey, Stored, Timestamp};

use crate::error::Failure;
use crate::version;

/// An entry from the columns that the store selects.
pub(crate) fn stored(
    version: i64,
    payload: Vec<u8>,
    deadline: i64,
    user: Option<String>,
) -> Result<Stored, Failure> {
    Ok(Stored {
        version: version::from_column(version)
            .ok_or(Failure::Unreadable(": its version is negative"))?,
        entry: Entry {
            payload: payload.into(),
            deadline: from_column(deadline)
                .ok_or(Failure::Unreadable(": its deadline is negative"))?,
            user: user.map(Into::into),
        },
    })
}

pub(crate) fn key(bytes: &[u8]) -> Result<StoreKey, Failure> {
    StoreKey::from_bytes(bytes).ok_or(Failure::Unreadable(": its key has not 32 bytes"))
}

/// Milliseconds, as far as a signed number goes: 292 million years.
pub(crate) fn to_column(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What cannot be told from "never" is "never".
fn from_column(deadline: i64) -> Option<Timestamp> {
    match deadline {
        i64::MAX => Some(Timestamp::MAX),
        other => u64::try_from(other).ok().map(Timestamp::from_millis),
    }
}
