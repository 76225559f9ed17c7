//! The layout of this library.
//!
//! | bytes | holds |
//! | --- | --- |
//! | 0–1 | `aS` |
//! | 2 | format, 1 |
//! | 3 | flags: tombstone, permanent known, permanent, lifetime known, signed in |
//! | 4–11 | checksum of all that follows, of the flags, of the key and of the user |
//! | 12– | record: created, written, hard end, lifetime, signed in (8 bytes each, milliseconds), then the data |
//! | 12– | tombstone: replaced at (8 bytes), key of the successor (32 bytes; zeros: it ended) |
//!
//! Numbers are little-endian. The user stands beside the payload, in the store's own entry.

use std::time::Duration;

use twox_hash::XxHash3_64;

use super::{Decoded, Unreadable};
use crate::clock::Timestamp;
use crate::id::StoreKey;
use crate::payload::{Draft, FRAME_ROOM, Payload};
use crate::record::{Record, Tombstone};
use crate::store::Entry;

const MAGIC: &[u8; 2] = b"aS";
const FORMAT: u8 = 1;
const CHECKED: usize = 12;
/// How many bytes stand before the data of a record.
const RECORD_HEADER: usize = CHECKED + 5 * 8;
const _: () = assert!(
    RECORD_HEADER == FRAME_ROOM,
    "an edited map leaves room for this header"
);
const TOMBSTONE_LEN: usize = CHECKED + 8 + 32;

const TOMBSTONE: u8 = 1;
const PERMANENT_KNOWN: u8 = 1 << 1;
const PERMANENT: u8 = 1 << 2;
const LIFETIME_KNOWN: u8 = 1 << 3;
const SIGNED_IN: u8 = 1 << 4;

/// Encodes a record around its data, in the buffer that the data lies in already; the record gets the data if it is to be
/// kept.
#[inline]
pub(super) fn seal(
    key: &StoreKey,
    record: &mut Record,
    mut data: Draft,
    deadline: Timestamp,
    keep: bool,
) -> Entry {
    let frame = data.as_mut();
    frame[..RECORD_HEADER].copy_from_slice(&header(record));
    write_checksum(frame, key, record.user.as_deref());
    let payload = data.into_bytes();
    record.data = match keep {
        true => Payload::in_frame(payload.clone()),
        false => Payload::empty(),
    };
    Entry {
        payload,
        deadline,
        user: record.user.clone(),
    }
}

/// What stands before the data, but for the checksum.
fn header(record: &Record) -> [u8; RECORD_HEADER] {
    let mut flags = 0;
    if let Some(permanent) = record.permanent {
        flags |= PERMANENT_KNOWN | if permanent { PERMANENT } else { 0 };
    }
    if record.lifetime.is_some() {
        flags |= LIFETIME_KNOWN;
    }
    if record.signed_in.is_some() {
        flags |= SIGNED_IN;
    }
    let mut header = [0; RECORD_HEADER];
    header[..2].copy_from_slice(MAGIC);
    header[2..4].copy_from_slice(&[FORMAT, flags]);
    let numbers = [
        record.created.as_millis(),
        record.written.as_millis(),
        record.ends.as_millis(),
        record.lifetime.map_or(0, |lifetime| {
            u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)
        }),
        record.signed_in.map_or(0, Timestamp::as_millis),
    ];
    for (place, number) in header[CHECKED..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    header
}

pub(super) fn encode_tombstone(
    key: &StoreKey,
    tombstone: &Tombstone,
    deadline: Timestamp,
) -> Entry {
    let mut payload = Vec::with_capacity(TOMBSTONE_LEN);
    payload.extend_from_slice(MAGIC);
    payload.extend_from_slice(&[FORMAT, TOMBSTONE]);
    payload.extend_from_slice(&[0; 8]);
    payload.extend_from_slice(&tombstone.replaced.as_millis().to_le_bytes());
    payload.extend_from_slice(tombstone.successor.as_bytes());
    write_checksum(&mut payload, key, tombstone.user.as_deref());
    Entry {
        payload: payload.into(),
        deadline,
        user: tombstone.user.clone(),
    }
}

/// The successor of a session that has none.
const NOBODY: [u8; 32] = [0; 32];

/// What is left of a session that ended and must not be moved here again.
pub(super) fn encode_ended(key: &StoreKey, now: Timestamp, deadline: Timestamp) -> Entry {
    let tombstone = Tombstone {
        successor: StoreKey::from_digest(NOBODY),
        replaced: now,
        user: None,
    };
    encode_tombstone(key, &tombstone, deadline)
}

#[inline]
pub(super) fn decode(
    key: &StoreKey,
    entry: Entry,
    size_limit: usize,
) -> Result<Decoded, Unreadable> {
    let bytes = entry.payload;
    match bytes.get(..CHECKED) {
        Some([a, b, format, ..]) if [*a, *b] == *MAGIC && *format > FORMAT => {
            return Err(Unreadable::Newer(*format));
        }
        Some([a, b, FORMAT, ..]) if [*a, *b] == *MAGIC => {}
        _ => return Err(Unreadable::Corrupt),
    }
    if bytes.len() > RECORD_HEADER + size_limit {
        return Err(Unreadable::TooLarge);
    }
    if bytes[4..CHECKED] != checksum(&bytes, key, entry.user.as_deref()) {
        return Err(Unreadable::Corrupt);
    }
    let flags = bytes[3];
    let number = |index: usize| {
        let at = CHECKED + 8 * index;
        let bytes = bytes
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes).ok_or(Unreadable::Corrupt)
    };
    let time = |index| number(index).map(Timestamp::from_millis);
    if flags & TOMBSTONE != 0 {
        let successor = bytes.get(CHECKED + 8..).and_then(StoreKey::from_bytes);
        if successor
            .as_ref()
            .is_some_and(|key| *key.digest() == NOBODY)
        {
            return Ok(Decoded::Destroyed);
        }
        return Ok(Decoded::Tombstone(Tombstone {
            successor: successor.ok_or(Unreadable::Corrupt)?,
            replaced: time(0)?,
            user: entry.user,
        }));
    }
    let mut record = Record {
        created: time(0)?,
        written: time(1)?,
        ends: time(2)?,
        lifetime: (flags & LIFETIME_KNOWN != 0)
            .then(|| number(3).map(Duration::from_millis))
            .transpose()?,
        signed_in: (flags & SIGNED_IN != 0).then(|| time(4)).transpose()?,
        permanent: (flags & PERMANENT_KNOWN != 0).then_some(flags & PERMANENT != 0),
        user: entry.user,
        data: Payload::empty(),
    };
    // Not `ok_or`, which would move the data in pieces that the processor has to wait for.
    match Payload::at_end_of(bytes, RECORD_HEADER) {
        Some(data) => record.data = data,
        None => return Err(Unreadable::Corrupt),
    }
    Ok(Decoded::Record(record))
}

fn write_checksum(frame: &mut [u8], key: &StoreKey, user: Option<&str>) {
    let checksum = checksum(frame, key, user);
    frame[4..CHECKED].copy_from_slice(&checksum);
}

/// It guards against damage and against a record that lies under a key that is not its own; it is no signature.
fn checksum(bytes: &[u8], key: &StoreKey, user: Option<&str>) -> [u8; 8] {
    let mut sum = XxHash3_64::oneshot(&bytes[CHECKED..]) ^ u64::from(bytes[3]);
    // A key is a digest already.
    let key = key.digest().first_chunk();
    sum ^= key.map_or(0, |start| u64::from_le_bytes(*start));
    if let Some(user) = user {
        sum = sum.rotate_left(1) ^ XxHash3_64::oneshot(user.as_bytes());
    }
    sum.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn encode(key: &StoreKey, record: &Record, deadline: Timestamp) -> Entry {
        Layout::Native.encode(key, record, deadline)
    }

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key(n: u8) -> StoreKey {
        StoreKey::from_digest([n; 32])
    }

    fn record() -> Record {
        Record {
            created: NOON,
            written: NOON + Duration::from_secs(1),
            ends: Timestamp::MAX,
            lifetime: Some(Duration::from_secs(60)),
            permanent: Some(false),
            user: Some("alice".into()),
            signed_in: Some(NOON),
            data: Payload::empty().with("name", b"\xa3bob"),
        }
    }

    fn decode_record(key: &StoreKey, entry: Entry) -> Result<Record, Unreadable> {
        match decode(key, entry, 1 << 16)? {
            Decoded::Record(record) => Ok(record),
            _ => panic!("something else where a record was stored"),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let plain = Record {
            lifetime: None,
            permanent: None,
            user: None,
            signed_in: None,
            ..record()
        };
        for record in [
            record(),
            plain,
            Record {
                permanent: Some(true),
                ..record()
            },
        ] {
            assert_eq!(
                decode_record(&key(1), encode(&key(1), &record, NOON)),
                Ok(record)
            );
        }
    }

    #[test]
    fn a_tombstone_comes_back_as_it_was() {
        let tombstone = Tombstone {
            successor: key(2),
            replaced: NOON,
            user: None,
        };
        let entry = encode_tombstone(&key(1), &tombstone, NOON);
        let Ok(Decoded::Tombstone(decoded)) = decode(&key(1), entry, 0) else {
            panic!()
        };
        assert_eq!(decoded, tombstone);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_corrupt() {
        let entry = encode(&key(1), &record(), NOON);
        for bit in 0..entry.payload.len() * 8 {
            let mut payload = entry.payload.to_vec();
            payload[bit / 8] ^= 1 << (bit % 8);
            let damaged = Entry {
                payload: payload.into(),
                ..entry.clone()
            };
            assert!(decode_record(&key(1), damaged).is_err(), "bit {bit}");
        }
        for len in 0..entry.payload.len() {
            let damaged = Entry {
                payload: entry.payload.slice(..len),
                ..entry.clone()
            };
            assert_eq!(
                decode_record(&key(1), damaged),
                Err(Unreadable::Corrupt),
                "length {len}"
            );
        }
    }

    #[test]
    fn a_record_under_another_key_or_for_another_user_is_corrupt() {
        let entry = encode(&key(1), &record(), NOON);
        assert_eq!(
            decode_record(&key(2), entry.clone()),
            Err(Unreadable::Corrupt)
        );
        for user in [None, Some("bob".into())] {
            let moved = Entry {
                user,
                ..entry.clone()
            };
            assert_eq!(decode_record(&key(1), moved), Err(Unreadable::Corrupt));
        }
    }

    #[test]
    fn a_newer_format_is_told_apart() {
        let mut entry = encode(&key(1), &record(), NOON);
        let mut payload = entry.payload.to_vec();
        payload[2] = FORMAT + 1;
        entry.payload = payload.into();
        assert_eq!(
            decode_record(&key(1), entry),
            Err(Unreadable::Newer(FORMAT + 1))
        );
    }

    #[test]
    fn a_record_over_the_limit_is_refused() {
        let entry = encode(&key(1), &record(), NOON);
        assert!(matches!(
            decode(&key(1), entry, 3),
            Err(Unreadable::TooLarge)
        ));
    }
}
