//! A record: the bytes in one file.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | magic; it and the format stay where they are in every later format |
//! | 8 | 4 | format |
//! | 12 | 4 | length of the user, all ones if there is none |
//! | 16 | 32 | the key, so that a record copied under another name is seen |
//! | 48 | 8 | version |
//! | 56 | 8 | deadline |
//! | 64 | 4 | length of the payload |
//! | 68 | 4 | zero |
//! | 72 | 8 | xxh3 of user and payload |
//! | 80 | 8 | xxh3 of all before, so that a sweep can trust the deadline without reading the payload |
//! | 88 | | user, payload |
//!
//! Numbers are little-endian.

use std::sync::Arc;

use anysession::{Entry, StoreKey, Timestamp};
use bytes::Bytes;
use twox_hash::XxHash3_64;

pub(crate) const HEADER: usize = 88;
/// Far beyond what the core lets through; a bound on what a planted file can make this process allocate.
pub(crate) const MAX_BODY: usize = 64 << 20;

const MAGIC: &[u8; 8] = b"anysess\n";
const FORMAT: u32 = 1;
const NO_USER: u32 = u32::MAX;

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Absent,
    Record(Record),
    /// Not a record of this key. The header may still be whole, and then its version is known.
    Corrupt {
        why: &'static str,
        header: Option<Header>,
    },
    /// A record of a later release, of which nothing is known: it must be left as it is.
    Newer {
        format: u32,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: u64,
    pub(crate) entry: Entry,
}

/// What a sweep needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u64,
    pub(crate) deadline: Timestamp,
    user_len: Option<usize>,
    payload_len: usize,
    body_sum: u64,
}

/// The bytes of a record, or how long its body would be if that is too much.
pub(crate) fn encode(key: &StoreKey, version: u64, entry: &Entry) -> Result<Vec<u8>, usize> {
    let user = entry.user.as_deref().unwrap_or_default().as_bytes();
    let size = user.len().saturating_add(entry.payload.len());
    let (Ok(user_len), Ok(payload_len)) = (
        u32::try_from(user.len()),
        u32::try_from(entry.payload.len()),
    ) else {
        return Err(size);
    };
    if size > MAX_BODY {
        return Err(size);
    }
    let mut bytes = Vec::with_capacity(HEADER + size);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(
        &entry
            .user
            .as_ref()
            .map_or(NO_USER, |_| user_len)
            .to_le_bytes(),
    );
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&entry.deadline.as_millis().to_le_bytes());
    bytes.extend_from_slice(&payload_len.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.resize(HEADER, 0);
    bytes.extend_from_slice(user);
    bytes.extend_from_slice(&entry.payload);
    let body_sum = XxHash3_64::oneshot(&bytes[HEADER..]);
    bytes[72..80].copy_from_slice(&body_sum.to_le_bytes());
    let header_sum = XxHash3_64::oneshot(&bytes[..80]);
    bytes[80..88].copy_from_slice(&header_sum.to_le_bytes());
    Ok(bytes)
}

/// What these bytes, read from the file of `key`, are. Any bytes have an answer.
pub(crate) fn decode(key: &StoreKey, bytes: Vec<u8>) -> Found {
    let header = match decode_header(key, &bytes) {
        Ok(header) => header,
        Err(found) => return found,
    };
    let corrupt = |why| Found::Corrupt {
        why,
        header: Some(header),
    };
    let Some(body) = bytes
        .get(HEADER..)
        .filter(|body| body.len() == header.body_len())
    else {
        return corrupt("its length is not what its header says");
    };
    if XxHash3_64::oneshot(body) != header.body_sum {
        return corrupt("its checksum does not match");
    }
    let user_len = header.user_len.unwrap_or_default();
    let Ok(user) = std::str::from_utf8(&body[..user_len]) else {
        return corrupt("its user is not text");
    };
    let entry = Entry {
        user: header.user_len.map(|_| Arc::from(user)),
        deadline: header.deadline,
        payload: Bytes::from(bytes).slice(HEADER + user_len..),
    };
    Found::Record(Record {
        version: header.version,
        entry,
    })
}

/// The header of a record of `key`, or what the bytes are instead. The body need not be there.
pub(crate) fn decode_header(key: &StoreKey, bytes: &[u8]) -> Result<Header, Found> {
    let corrupt = |why| Err(Found::Corrupt { why, header: None });
    if bytes.get(..8) != Some(MAGIC) {
        return corrupt("it does not begin like a session record");
    }
    match u32_at(bytes, 8) {
        Some(FORMAT) => {}
        Some(format) if format > FORMAT => return Err(Found::Newer { format }),
        _ => return corrupt("its format was never written"),
    }
    let (
        Some(user_len),
        Some(version),
        Some(deadline),
        Some(payload_len),
        Some(body_sum),
        Some(sum),
    ) = (
        u32_at(bytes, 12),
        u64_at(bytes, 48),
        u64_at(bytes, 56),
        u32_at(bytes, 64),
        u64_at(bytes, 72),
        u64_at(bytes, 80),
    )
    else {
        return corrupt("it ends inside its header");
    };
    if XxHash3_64::oneshot(&bytes[..80]) != sum {
        return corrupt("the checksum of its header does not match");
    }
    if &bytes[16..48] != key.as_bytes() {
        return corrupt("it is the record of another key");
    }
    Ok(Header {
        version,
        deadline: Timestamp::from_millis(deadline),
        user_len: (user_len != NO_USER).then_some(user_len as usize),
        payload_len: payload_len as usize,
        body_sum,
    })
}

/// How long the file is that begins with these bytes, if it is a record: what is longer need not be read. Nothing is
/// checked here.
pub(crate) fn declared_len(bytes: &[u8]) -> Option<u64> {
    let begins = bytes.get(..8) == Some(MAGIC) && u32_at(bytes, 8) == Some(FORMAT);
    let (Some(user_len), Some(payload_len), true) = (u32_at(bytes, 12), u32_at(bytes, 64), begins)
    else {
        return None;
    };
    let user_len = if user_len == NO_USER { 0 } else { user_len };
    let len = HEADER as u64 + u64::from(user_len) + u64::from(payload_len);
    (len <= (HEADER + MAX_BODY) as u64).then_some(len)
}

impl Header {
    fn body_len(&self) -> usize {
        self.user_len
            .unwrap_or_default()
            .saturating_add(self.payload_len)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StoreKey {
        StoreKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn entry() -> Entry {
        Entry {
            payload: Bytes::from(vec![0x5a; 100]),
            deadline: Timestamp::from_millis(1_700_000_000_000),
            user: Some("ada".into()),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut entries = vec![
            entry(),
            Entry {
                user: None,
                ..entry()
            },
        ];
        entries.push(Entry {
            user: Some("".into()),
            payload: Bytes::new(),
            ..entry()
        });
        for entry in entries {
            let bytes = encode(&key(1), 7, &entry).unwrap();
            assert_eq!(declared_len(&bytes[..HEADER]), Some(bytes.len() as u64));
            let header = decode_header(&key(1), &bytes[..HEADER]).unwrap();
            assert_eq!((header.version, header.deadline), (7, entry.deadline));
            assert_eq!(
                decode(&key(1), bytes),
                Found::Record(Record { version: 7, entry })
            );
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes_for_a_record() {
        let bytes = encode(&key(1), 7, &entry()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(decode(&key(1), flipped), Found::Record(_)),
                "bit {bit}"
            );
        }
        for len in 0..bytes.len() {
            assert!(!matches!(
                decode(&key(1), bytes[..len].to_vec()),
                Found::Record(_)
            ));
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(!matches!(decode(&key(1), longer), Found::Record(_)));
    }

    #[test]
    fn a_record_under_another_key_is_corrupt() {
        let bytes = encode(&key(1), 7, &entry()).unwrap();
        assert!(matches!(
            decode(&key(2), bytes),
            Found::Corrupt { header: None, .. }
        ));
    }

    #[test]
    fn a_whole_header_keeps_its_version_when_the_body_is_damaged() {
        let mut bytes = encode(&key(1), 7, &entry()).unwrap();
        bytes.pop();
        let Found::Corrupt {
            header: Some(header),
            ..
        } = decode(&key(1), bytes)
        else {
            panic!("expected a corrupt record with its header");
        };
        assert_eq!(header.version, 7);
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let mut bytes = encode(&key(1), 7, &entry()).unwrap();
        bytes[8] = 2;
        assert_eq!(
            decode(&key(1), bytes[..12].to_vec()),
            Found::Newer { format: 2 }
        );
        bytes[8] = 0;
        assert!(matches!(decode(&key(1), bytes), Found::Corrupt { .. }));
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let entry = Entry {
            payload: Bytes::from(vec![0; MAX_BODY]),
            ..entry()
        };
        assert_eq!(encode(&key(1), 1, &entry), Err(MAX_BODY + 3));
    }
}
