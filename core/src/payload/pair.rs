//! One key and its value, as they stand in a map.

/// A key and its value, encoded one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Pair {
    pub(crate) bytes: Vec<u8>,
    pub(crate) value_at: usize,
}

impl Pair {
    pub(crate) fn new(key: &str, value: &[u8]) -> Self {
        let mut bytes = begin_pair(key, value.len());
        let value_at = bytes.len();
        bytes.extend_from_slice(value);
        Pair { bytes, value_at }
    }

    /// The bytes of its text.
    pub(crate) fn key(&self) -> &[u8] {
        let key = super::walk::text(&self.bytes, 0);
        key.map_or(&[], |range| &self.bytes[range])
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.bytes[self.value_at..]
    }
}

const LONGEST_HEADER: usize = 5;

/// Begins a pair: the key as MessagePack text. The value's bytes are to follow.
pub(crate) fn begin_pair(key: &str, capacity: usize) -> Vec<u8> {
    let mut pair = Vec::with_capacity(LONGEST_HEADER + key.len() + capacity);
    match key.len() {
        len @ 0..32 => pair.push(0xa0 | len as u8),
        len @ 32..0x100 => pair.extend([0xd9, len as u8]),
        len @ 0x100..0x1_0000 => {
            pair.push(0xda);
            pair.extend((len as u16).to_be_bytes());
        }
        len => {
            pair.push(0xdb);
            pair.extend((len as u32).to_be_bytes());
        }
    }
    pair.extend_from_slice(key.as_bytes());
    pair
}
