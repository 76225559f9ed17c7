//! Whether a put may be carried out, and which version it makes.

use anysession::{Expect, Timestamp};

use crate::error::Failure;
use crate::lock::Lock;
use crate::record::Found;

/// What a put that is admitted builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// The version that is replaced.
    Replaces(u64),
    /// A new entry; the version of what is in the way, if anything is and it is known.
    Creates(Option<u64>),
}

/// Whether what is there is what the writer expects.
pub(crate) fn admit(found: &Found, expect: &Expect, now: Timestamp) -> Option<Past> {
    match (found, expect) {
        (Found::Newer { .. }, _) => None,
        (Found::Absent, Expect::Absent) => Some(Past::Creates(None)),
        (Found::Corrupt { header, .. }, Expect::Absent) => {
            Some(Past::Creates(header.map(|header| header.version)))
        }
        (Found::Record(record), Expect::Absent) => {
            (record.entry.deadline <= now).then_some(Past::Creates(Some(record.version)))
        }
        (Found::Record(record), Expect::Version(version)) => {
            (version.as_number() == Some(record.version) && record.entry.deadline > now)
                .then_some(Past::Replaces(record.version))
        }
        (Found::Absent | Found::Corrupt { .. }, Expect::Version(_)) => None,
    }
}

/// A version that the key never had: above the one it has, and for a new entry above all that were deleted. Both can be
/// lost with a damaged disk, so a new entry also begins at the time, with room for a thousand writes a millisecond.
pub(crate) fn next_version(
    past: Past,
    lock: &Lock<'_>,
    now: Timestamp,
) -> Result<Option<u64>, Failure> {
    let last = match past {
        Past::Replaces(version) => return Ok(version.checked_add(1)),
        Past::Creates(last) => last.unwrap_or_default().max(lock.floor()?),
    };
    // Times up to the year 140,000; a clock beyond that must not use up the versions.
    let time = match now.as_millis() {
        millis if millis < 1 << 52 => millis << 10,
        _ => 0,
    };
    Ok(last.checked_add(1).map(|next| next.max(time)))
}

#[cfg(test)]
mod tests {
    use anysession::{Entry, Version};
    use bytes::Bytes;

    use super::*;
    use crate::record::Record;

    fn record(deadline: u64) -> Found {
        let entry = Entry {
            payload: Bytes::new(),
            deadline: Timestamp::from_millis(deadline),
            user: None,
        };
        Found::Record(Record { version: 5, entry })
    }

    #[test]
    fn what_a_put_may_build_on() {
        let now = Timestamp::from_millis(100);
        let at = |version: u64| Expect::Version(version.into());
        let corrupt = Found::Corrupt {
            why: "",
            header: None,
        };
        let newer = Found::Newer { format: 2 };
        let foreign = Expect::Version(Version::from_bytes(Bytes::from_static(b"5")));
        for (found, expect, past) in [
            (&Found::Absent, Expect::Absent, Some(Past::Creates(None))),
            (&Found::Absent, at(5), None),
            (&record(101), Expect::Absent, None),
            (&record(101), at(5), Some(Past::Replaces(5))),
            (&record(101), at(4), None),
            (&record(101), foreign, None),
            (&record(100), Expect::Absent, Some(Past::Creates(Some(5)))),
            (&record(100), at(5), None),
            (&corrupt, Expect::Absent, Some(Past::Creates(None))),
            (&corrupt, at(5), None),
            (&newer, Expect::Absent, None),
            (&newer, at(5), None),
        ] {
            assert_eq!(admit(found, &expect, now), past, "{found:?} {expect:?}");
        }
    }
}
