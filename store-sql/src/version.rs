//! Versions.
//!
//! A version is 63 random bits, drawn anew for every write. That makes it different from every version that the key ever
//! had, also from those of an entry that was deleted, of which no row tells any more; from those that a database
//! forgot when it failed over or was restored from a backup; and it needs neither a counter that all processes share
//! nor an answer from the database. A million writes of one key meet a version again once in 18 million such keys.

use anysession::{OsRandom, Random as _, RandomError, Version};

/// A version that was never there before: positive, because MySQL answers 0 for "none".
pub(crate) fn next() -> Result<i64, RandomError> {
    let mut bytes = [0; 32];
    OsRandom.fill(&mut bytes)?;
    let [a, b, c, d, e, f, g, h, ..] = bytes;
    let bits = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    Ok(i64::try_from(bits >> 1).unwrap_or(i64::MAX).max(1))
}

/// As the core knows it.
pub(crate) fn from_column(version: i64) -> Option<Version> {
    u64::try_from(version).ok().map(Version::from)
}

/// As the table knows it; `None` if it is none of ours, so no row has it.
pub(crate) fn to_column(version: &Version) -> Option<i64> {
    i64::try_from(version.as_number()?).ok()
}
