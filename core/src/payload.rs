//! A session's data: one MessagePack map, kept encoded.
//!
//! Nothing is decoded at load. A value is looked up by walking over the bytes, and a change is spliced into them, so that
//! a request pays for the keys that it uses and a key that this program does not know goes back byte for byte.

mod edit;
mod pair;
mod walk;

use std::fmt;

use bytes::Bytes;

pub(crate) use edit::{Draft, Edit};
pub(crate) use pair::{Pair, begin_pair};
pub(crate) use walk::skip_one;
use walk::{Pairs, is_whole, map_header};

/// The map of a session that has no data.
pub(crate) static EMPTY: Payload = Payload {
    buffer: Bytes::from_static(&[0x80]),
    start: 0,
};

/// How much room a [`Draft`] leaves in front of its map: what the header of a record takes.
pub(crate) const FRAME_ROOM: usize = 52;

/// A MessagePack map, whole: its header, then keys and values in the order of their insertion.
///
/// It may lie at the end of a larger buffer, behind the header of its record.
#[derive(Clone)]
pub(crate) struct Payload {
    buffer: Bytes,
    start: usize,
}

impl Payload {
    pub(crate) fn empty() -> Self {
        EMPTY.clone()
    }

    /// Takes the bytes of a map that begins at `start`. Only its header is judged; walking over the rest stops where it
    /// makes no sense.
    pub(crate) fn at_end_of(buffer: Bytes, start: usize) -> Option<Self> {
        map_header(buffer.get(start..)?)?;
        Some(Payload { buffer, start })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes the bytes of a map that may come from anybody: all of them, and every pair of it has to be whole.
    pub(crate) fn whole(buffer: Bytes) -> Option<Self> {
        is_whole(&buffer).then_some(Payload { buffer, start: 0 })
    }

    /// The map alone.
    pub(crate) fn to_bytes(&self) -> Bytes {
        self.buffer.slice(self.start..)
    }

    /// How many bytes it takes in the store.
    pub(crate) fn size(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// How many pairs it has.
    pub(crate) fn len(&self) -> usize {
        map_header(self.as_bytes()).map_or(0, |(count, _)| count as usize)
    }

    /// The encoded value of a key.
    pub(crate) fn find(&self, key: &str) -> Option<&[u8]> {
        let bytes = self.as_bytes();
        let pair = walk::find(bytes, key.as_bytes())?;
        Some(&bytes[pair.value])
    }

    /// The keys that are text, and their encoded values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let bytes = self.as_bytes();
        Pairs::of(bytes).filter_map(|pair| {
            let key = std::str::from_utf8(pair.key(bytes)?).ok()?;
            Some((key, &bytes[pair.value]))
        })
    }

    /// The keys, in the order of their insertion; one that is not text is passed over.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let bytes = self.as_bytes();
        Pairs::of(bytes).filter_map(|pair| std::str::from_utf8(pair.key(bytes)?).ok())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload {}

#[cfg(test)]
impl Payload {
    pub(crate) fn with(&self, key: &str, value: &[u8]) -> Self {
        let pair = Pair::new(key, value);
        let edit = Edit {
            key: key.as_bytes(),
            pair: Some(&pair.bytes),
        };
        self.edited(std::iter::once(edit)).into()
    }
}

#[cfg(test)]
impl std::hash::Hash for Payload {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// A session holds what logs should not.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.size())
    }
}

#[cfg(test)]
mod tests;
