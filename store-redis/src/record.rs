//! How a session lies in Redis: one string, a header before the payload. Scripts read the first 17 bytes of it.
//!
//! | bytes | holds |
//! | --- | --- |
//! | 0 | format, 1 |
//! | 1–8 | version |
//! | 9–16 | deadline, milliseconds since 1970 |
//! | 17–20 | 0, or the length of the user and 1 |
//! | 21–28 | only with a user: its mark, the version that first named this user |
//! | 29– | only with a user: the user |
//! | – | payload |
//!
//! Numbers are big-endian.

use anysession::{Entry, Stored, Timestamp};
use bytes::{Buf as _, Bytes};

use crate::version::{Owner, Stamp};

const FORMAT: u8 = 1;
pub(crate) const VERSION_LEN: usize = 8;
const DEADLINE_AT: usize = 1 + VERSION_LEN;
const COMPARED: usize = DEADLINE_AT + 8;
const FIXED: usize = COMPARED + 4;
/// How many bytes tell whose a record is, if its user has this many.
pub(crate) const fn owner_len(user: usize) -> usize {
    FIXED + VERSION_LEN + user
}

/// A deadline as Redis can hold it.
///
/// Lua counts in doubles, so later ones are clamped to the last millisecond that these tell apart: in the year 287,396.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(u64);

impl Deadline {
    const LAST: u64 = (1 << 53) - 1;

    /// For how many milliseconds after its deadline Redis keeps a record.
    ///
    /// Whether a session has ended is decided by the deadline in its record and the time that is handed in, never by the
    /// clock of the server: as long as that clock is off by less than this, it only says when the memory is freed.
    pub(crate) const LAG: u64 = 5 * 60 * 1000;

    pub(crate) fn as_millis(self) -> u64 {
        self.0
    }

    /// When Redis removes the record, by its own clock. Never at or before 0, which Redis refuses.
    pub(crate) fn removal(self) -> u64 {
        self.0 + Self::LAG
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl From<Timestamp> for Deadline {
    fn from(time: Timestamp) -> Self {
        Deadline(time.as_millis().min(Self::LAST))
    }
}

/// What a record at this version begins with.
pub(crate) fn start(version: &[u8; VERSION_LEN]) -> [u8; DEADLINE_AT] {
    let mut start = [FORMAT; DEADLINE_AT];
    start[1..].copy_from_slice(version);
    start
}

/// The same and the deadline: what scripts compare.
pub(crate) fn compared(version: &[u8; VERSION_LEN], deadline: Deadline) -> [u8; COMPARED] {
    let mut compared = [0; COMPARED];
    compared[..DEADLINE_AT].copy_from_slice(&start(version));
    compared[DEADLINE_AT..].copy_from_slice(&deadline.to_bytes());
    compared
}

/// The bytes of a record, `None` if the user is longer than Redis can hold.
pub(crate) fn encode(stamp: &Stamp, entry: &Entry) -> Option<Vec<u8>> {
    let user = entry.user.as_deref().map(str::as_bytes);
    let user_len = user.map_or(Some(0), |user| {
        u32::try_from(user.len()).ok()?.checked_add(1)
    })?;
    let room = owner_len(user.map_or(0, <[u8]>::len)) + entry.payload.len();
    let mut bytes = Vec::with_capacity(room);
    bytes.extend_from_slice(&compared(&stamp.version, entry.deadline.into()));
    bytes.extend_from_slice(&user_len.to_be_bytes());
    if let (Some(user), Some(owner)) = (user, &stamp.owner) {
        bytes.extend_from_slice(&owner.mark);
        bytes.extend_from_slice(user);
    }
    bytes.extend_from_slice(&entry.payload);
    Some(bytes)
}

/// What a record holds, `None` if this release did not write it.
pub(crate) fn decode(bytes: Vec<u8>) -> Option<Stored> {
    let head = Head::read(&bytes)?;
    let user = match head.owner {
        Some((_, user)) => Some(std::str::from_utf8(user).ok()?),
        None => None,
    };
    let stamp = Stamp {
        version: head.version,
        owner: (head.owner).map(|(mark, user)| Owner::new(mark, user)),
    };
    let (deadline, user) = (head.deadline, user.map(Into::into));
    let payload_at = head.len;
    let mut payload = Bytes::from(bytes);
    payload.advance(payload_at);
    Some(Stored {
        entry: Entry {
            payload,
            deadline,
            user,
        },
        version: stamp.into(),
    })
}

/// The mark under which a record names this user, read from its first [`owner_len`] bytes; `None` if it names somebody
/// else or nobody.
pub(crate) fn mark_of(bytes: &[u8], user: &str) -> Option<[u8; VERSION_LEN]> {
    let (mark, owner) = Head::read(bytes)?.owner?;
    (owner == user.as_bytes()).then_some(mark)
}

/// Whether this release can tell what a record says about its user.
pub(crate) fn is_known(bytes: &[u8]) -> bool {
    bytes.len() >= FIXED && bytes[0] == FORMAT
}

struct Head<'a> {
    version: [u8; VERSION_LEN],
    deadline: Timestamp,
    owner: Option<([u8; VERSION_LEN], &'a [u8])>,
    len: usize,
}

impl<'a> Head<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED)?;
        if fixed[0] != FORMAT {
            return None;
        }
        let (version, numbers) = fixed[1..].split_first_chunk()?;
        let (deadline, user_len) = numbers.split_first_chunk()?;
        let user_len = u32::from_be_bytes(*user_len.first_chunk()?);
        let mut head = Head {
            version: *version,
            deadline: Timestamp::from_millis(u64::from_be_bytes(*deadline)),
            owner: None,
            len: FIXED,
        };
        if let Some(user_len) = user_len.checked_sub(1) {
            let (mark, rest) = rest.split_first_chunk()?;
            let (user, _) = rest.split_at_checked(usize::try_from(user_len).ok()?)?;
            head.owner = Some((*mark, user));
            head.len = owner_len(user.len());
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use anysession::Version;

    use super::*;

    fn record(user: Option<&str>) -> (Stamp, Entry, Vec<u8>) {
        let version = [2; VERSION_LEN];
        let stamp = Stamp {
            version,
            owner: user.map(|user| Owner::new([3; VERSION_LEN], user.as_bytes())),
        };
        let entry = Entry {
            payload: Bytes::from_static(b"payload"),
            deadline: Timestamp::from_millis(1 << 42),
            user: user.map(Into::into),
        };
        let bytes = encode(&stamp, &entry).unwrap();
        (stamp, entry, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        for user in [None, Some(""), Some("ada"), Some("Ünïcode \0 日本語")] {
            let (stamp, entry, bytes) = record(user);
            let version = Version::from(stamp);
            assert_eq!(decode(bytes.clone()), Some(Stored { entry, version }));
            // The scripts find these by their places.
            assert_eq!((bytes[0], &bytes[1..9]), (1, &[2; 8][..]));
            assert_eq!(bytes[9..17], (1u64 << 42).to_be_bytes());
        }
    }

    #[test]
    fn a_record_that_was_cut_off_is_none() {
        let (_, _, bytes) = record(Some("ada"));
        for len in 0..owner_len(3) {
            assert_eq!(decode(bytes[..len].to_vec()), None, "{len}");
        }
        let foreign = [&[2], &bytes[1..]].concat();
        assert_eq!(decode(foreign), None);
    }

    #[test]
    fn the_beginning_of_a_record_tells_whose_it_is() {
        let (_, _, bytes) = record(Some("ada"));
        let mark = |user: &str| mark_of(&bytes[..owner_len(user.len()).min(bytes.len())], user);
        assert_eq!(mark("ada"), Some([3; VERSION_LEN]));
        for other in ["", "ad", "adam", "bob"] {
            assert_eq!(mark(other), None, "{other}");
        }
        assert_eq!(mark_of(&record(None).2, "ada"), None);
    }

    #[test]
    fn a_deadline_is_clamped_to_what_redis_can_hold() {
        let millis = |deadline: u64| Deadline::from(Timestamp::from_millis(deadline));
        assert_eq!(millis(0).removal(), Deadline::LAG);
        assert_eq!(millis(u64::MAX), millis(Deadline::LAST));
        assert!(i64::try_from(millis(u64::MAX).removal()).is_ok());
    }
}
