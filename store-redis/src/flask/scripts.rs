//! The scripts on a bare value.

use std::sync::LazyLock;

use anysession::{Entry, Timestamp};
use bytes::Bytes;

use crate::record::Deadline;
use crate::scripts::{Call, Script};

/// A script that calls what `expiry.lua` defines.
macro_rules! asking_for_expiry {
    ($script:literal) => {
        LazyLock::new(|| Script::new(concat!(include_str!("expiry.lua"), include_str!($script))))
    };
}

/// Reads a value, and when it expires.
static LOAD: LazyLock<Script> = asking_for_expiry!("load.lua");
/// Writes a value in the place of another.
static REPLACE: LazyLock<Script> = asking_for_expiry!("replace.lua");
/// Writes a value where there is none, or one that has expired.
static CREATE: LazyLock<Script> = asking_for_expiry!("create.lua");
/// Lets a value expire later.
static TOUCH: LazyLock<Script> = asking_for_expiry!("touch.lua");
/// Deletes a value if it is as expected.
static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("delete.lua")));

pub(super) fn load(key: String) -> Call {
    Call::new(&LOAD, key, 0)
}

/// Writes a value where there is none, not even one that has expired.
pub(super) fn begin(key: String, entry: &Entry) -> Call {
    Call::begin(key, &entry.payload, expiry(entry.deadline))
}

/// Writes a value where there is none, or one that has expired.
pub(super) fn create(key: String, now: Timestamp, entry: &Entry) -> Call {
    Call::new(&CREATE, key, entry.payload.len())
        .arg(Deadline::from(now).as_millis())
        .arg(&entry.payload[..])
        .arg(expiry(entry.deadline))
}

pub(super) fn replace(key: String, expected: &Bytes, now: Timestamp, entry: &Entry) -> Call {
    Call::new(&REPLACE, key, expected.len() + entry.payload.len())
        .arg(&expected[..])
        .arg(Deadline::from(now).as_millis())
        .arg(&entry.payload[..])
        .arg(expiry(entry.deadline))
}

pub(super) fn touch(key: String, value: &Bytes, now: Timestamp, deadline: Timestamp) -> Call {
    Call::new(&TOUCH, key, value.len())
        .arg(&value[..])
        .arg(Deadline::from(now).as_millis())
        .arg(expiry(deadline))
}

pub(super) fn delete(key: String, value: &Bytes) -> Call {
    Call::new(&DELETE, key, value.len()).arg(&value[..])
}

/// Redis refuses 0.
fn expiry(deadline: Timestamp) -> u64 {
    Deadline::from(deadline).as_millis().max(1)
}
