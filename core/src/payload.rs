//! A session's data: one MessagePack map, kept encoded.
//!
//! Nothing is decoded at load. A value is looked up by walking over the bytes, and a change is spliced into them, so that
//! a request pays for the keys that it uses and a key that this program does not know goes back byte for byte.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The map of a session that has no data.
pub(crate) static EMPTY: Payload = Payload {
    buffer: Bytes::from_static(&[0x80]),
    start: 0,
};

/// How much room an edited map leaves in front of it: what the header of a record takes.
pub(crate) const FRAME_ROOM: usize = 52;

/// A MessagePack map, whole: its header, then keys and values in the order of their insertion.
///
/// It may lie at the end of a larger buffer: an edited map leaves [`FRAME_ROOM`] in front of it, so that the frame of a
/// record can be written there without copying the data once more.
#[derive(Clone)]
pub(crate) struct Payload {
    buffer: Bytes,
    start: usize,
}

/// What became of one key: its pair as it is to be stored, or `None` if it was removed.
pub(crate) struct Edit<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) pair: Option<&'a [u8]>,
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

    /// How many bytes it takes in the store.
    pub(crate) fn size(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The whole buffer, to write a frame into the room in front of the map; `None` if there is no room, or if somebody
    /// else holds the buffer too.
    pub(crate) fn into_frame(self) -> Result<BytesMut, Payload> {
        let start = self.start;
        if start != FRAME_ROOM {
            return Err(self);
        }
        self.buffer
            .try_into_mut()
            .map_err(|buffer| Payload { buffer, start })
    }

    pub(crate) fn is_empty(&self) -> bool {
        map_header(self.as_bytes()).is_none_or(|(count, _)| count == 0)
    }

    /// The encoded value of a key.
    pub(crate) fn find(&self, key: &str) -> Option<Bytes> {
        let bytes = self.as_bytes();
        let pair = self
            .pairs()
            .find(|pair| pair.key(bytes) == Some(key.as_bytes()))?;
        Some(
            self.buffer
                .slice(self.start + pair.value.start..self.start + pair.value.end),
        )
    }

    /// The keys, in the order of their insertion; one that is not text is passed over.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let bytes = self.as_bytes();
        self.pairs()
            .filter_map(|pair| std::str::from_utf8(pair.key(bytes)?).ok())
    }

    /// The same map after the edits: a changed value stays in its place, a new key comes last. An edit of a key that
    /// is not there and is removed changes nothing. The keys of the edits differ from each other.
    pub(crate) fn edited(&self, edits: &[Edit<'_>]) -> Payload {
        let bytes = self.as_bytes();
        let (count, body) = map_header(bytes).unwrap_or((0, bytes.len()));
        let index = EditIndex::new(edits);
        let mut done = Marks::default();
        // What is cut out of the map, in its order, and the edit that takes its place.
        let mut cuts: Vec<(Range<usize>, usize)> = Vec::with_capacity(edits.len());
        for pair in self.pairs() {
            if cuts.len() == edits.len() {
                break;
            }
            if let Some(position) = pair.key(bytes).and_then(|key| index.position(key))
                && done.mark(position)
            {
                cuts.push((pair.start..pair.value.end, position));
            }
        }
        let new = |(position, _): &(usize, &Edit<'_>)| !done.is_marked(*position);
        let removed = cuts
            .iter()
            .filter(|(_, position)| edits[*position].pair.is_none())
            .count();
        let added = edits
            .iter()
            .enumerate()
            .filter(new)
            .filter(|(_, edit)| edit.pair.is_some())
            .count();
        let header = Header::of(count as usize - removed + added);
        let cut: usize = cuts.iter().map(|(range, _)| range.len()).sum();
        let inserted: usize = edits
            .iter()
            .filter_map(|edit| edit.pair)
            .map(<[u8]>::len)
            .sum();

        // Exactly as large as it will be: the store keeps it for as long as the session lives.
        let size = FRAME_ROOM + header.len() + bytes.len() - body - cut + inserted;
        let mut out = Vec::with_capacity(size);
        out.resize(FRAME_ROOM, 0);
        out.extend_from_slice(header.as_bytes());
        let mut copied = body;
        for (range, position) in cuts {
            out.extend_from_slice(&bytes[copied..range.start]);
            out.extend_from_slice(edits[position].pair.unwrap_or_default());
            copied = range.end;
        }
        out.extend_from_slice(&bytes[copied..]);
        for (_, edit) in edits.iter().enumerate().filter(new) {
            out.extend_from_slice(edit.pair.unwrap_or_default());
        }
        Payload {
            buffer: out.into(),
            start: FRAME_ROOM,
        }
    }

    fn pairs(&self) -> Pairs<'_> {
        let bytes = self.as_bytes();
        let (left, at) = map_header(bytes).unwrap_or((0, 0));
        Pairs { bytes, at, left }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload {}

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

/// Finds the edit of a key. Most requests change one key or two, so a table is made only for many.
enum EditIndex<'a> {
    Few(&'a [Edit<'a>]),
    Many(HashMap<&'a [u8], usize>),
}

impl<'a> EditIndex<'a> {
    fn new(edits: &'a [Edit<'a>]) -> Self {
        if edits.len() <= 8 {
            return EditIndex::Few(edits);
        }
        EditIndex::Many(
            edits
                .iter()
                .enumerate()
                .map(|(at, edit)| (edit.key, at))
                .collect(),
        )
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        match self {
            EditIndex::Few(edits) => edits.iter().position(|edit| edit.key == key),
            EditIndex::Many(table) => table.get(key).copied(),
        }
    }
}

/// Which edits were carried out: 64 of them without a list.
#[derive(Default)]
struct Marks {
    first: u64,
    rest: Vec<bool>,
}

impl Marks {
    /// Marks a position; says whether it was not marked before.
    fn mark(&mut self, position: usize) -> bool {
        let new = !self.is_marked(position);
        if position < 64 {
            self.first |= 1 << position;
        } else {
            self.rest.resize(self.rest.len().max(position - 63), false);
            self.rest[position - 64] = true;
        }
        new
    }

    fn is_marked(&self, position: usize) -> bool {
        match position.checked_sub(64) {
            None => self.first & 1 << position != 0,
            Some(position) => self.rest.get(position).is_some_and(|marked| *marked),
        }
    }
}

/// The header of a map.
struct Header {
    bytes: [u8; 5],
    start: usize,
}

impl Header {
    /// The shortest one for so many pairs.
    fn of(count: usize) -> Self {
        let [_, _, high, low] = (count as u32).to_be_bytes();
        let (bytes, start) = match count {
            0..16 => ([0, 0, 0, 0, 0x80 | low], 4),
            16..0x1_0000 => ([0, 0, 0xde, high, low], 2),
            _ => {
                let [a, b, c, d] = (count as u32).to_be_bytes();
                ([0xdf, a, b, c, d], 0)
            }
        };
        Header { bytes, start }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn len(&self) -> usize {
        self.as_bytes().len()
    }
}

/// Where one pair lies.
struct PairAt {
    start: usize,
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl PairAt {
    /// The key's text, `None` if it is not a text.
    fn key<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.key.clone().map(|range| &bytes[range])
    }
}

struct Pairs<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

impl Iterator for Pairs<'_> {
    type Item = PairAt;

    #[inline]
    fn next(&mut self) -> Option<PairAt> {
        self.left = self.left.checked_sub(1)?;
        let start = self.at;
        let key = text(self.bytes, start);
        let value = match &key {
            Some(key) => key.end,
            None => skip(self.bytes, start)?,
        };
        self.at = match *self.bytes.get(value)? {
            // Small numbers and short texts, which most values are.
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => value + 1,
            marker @ 0xa0..=0xbf => value + 1 + usize::from(marker & 0x1f),
            _ => skip(self.bytes, value)?,
        };
        (self.at <= self.bytes.len()).then_some(PairAt {
            start,
            key,
            value: value..self.at,
        })
    }
}

/// How many pairs a map has, and where the first one lies.
fn map_header(bytes: &[u8]) -> Option<(u32, usize)> {
    match *bytes.first()? {
        marker @ 0x80..=0x8f => Some((u32::from(marker & 0x0f), 1)),
        0xde => Some((length(bytes, 1, 2)?, 3)),
        0xdf => Some((length(bytes, 1, 4)?, 5)),
        _ => None,
    }
}

/// Where the text of a string lies.
#[inline]
fn text(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let (header, len) = match *bytes.get(at)? {
        marker @ 0xa0..=0xbf => (1, u32::from(marker & 0x1f)),
        0xd9 => (2, length(bytes, at + 1, 1)?),
        0xda => (3, length(bytes, at + 1, 2)?),
        0xdb => (5, length(bytes, at + 1, 4)?),
        _ => return None,
    };
    let start = at + header;
    let end = start.checked_add(len as usize)?;
    (end <= bytes.len()).then_some(start..end)
}

/// The end of the value that begins at `at`. It does not recurse: a value may be nested as deep as it likes.
#[inline]
fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut end, mut open) = skip_one(bytes, at)?;
    while open > 0 {
        let (next, more) = skip_one(bytes, end)?;
        end = next;
        open = (open - 1).checked_add(more)?;
    }
    Some(end)
}

/// The end of one marker with its own bytes, and how many values it opens.
#[inline]
pub(crate) fn skip_one(bytes: &[u8], at: usize) -> Option<(usize, u64)> {
    let marker = *bytes.get(at)?;
    let body = at + 1;
    let sized = |width: usize, extra: usize| {
        let len = length(bytes, body, width)? as usize;
        Some((body.checked_add(width + extra)?.checked_add(len)?, 0))
    };
    let (end, open) = match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (body, 0),
        0x80..=0x8f => (body, 2 * u64::from(marker & 0x0f)),
        0x90..=0x9f => (body, u64::from(marker & 0x0f)),
        0xa0..=0xbf => (body + usize::from(marker & 0x1f), 0),
        0xc1 => return None,
        0xc4 | 0xd9 => sized(1, 0)?,
        0xc5 | 0xda => sized(2, 0)?,
        0xc6 | 0xdb => sized(4, 0)?,
        0xc7 => sized(1, 1)?,
        0xc8 => sized(2, 1)?,
        0xc9 => sized(4, 1)?,
        0xcc | 0xd0 => (body + 1, 0),
        0xcd | 0xd1 => (body + 2, 0),
        0xca | 0xce | 0xd2 => (body + 4, 0),
        0xcb | 0xcf | 0xd3 => (body + 8, 0),
        0xd4..=0xd8 => (body + 1 + (1 << (marker - 0xd4)), 0),
        0xdc => (body + 2, u64::from(length(bytes, body, 2)?)),
        0xdd => (body + 4, u64::from(length(bytes, body, 4)?)),
        0xde => (body + 2, 2 * u64::from(length(bytes, body, 2)?)),
        0xdf => (body + 4, 2 * u64::from(length(bytes, body, 4)?)),
    };
    (end <= bytes.len()).then_some((end, open))
}

/// A big-endian number of `width` bytes.
#[inline]
fn length(bytes: &[u8], at: usize, width: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)),
    )
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    fn pair(key: &str, value: &[u8]) -> Vec<u8> {
        let mut pair = begin_pair(key, value.len());
        pair.extend_from_slice(value);
        pair
    }

    fn set<'a>(key: &'a str, pair: &'a [u8]) -> Edit<'a> {
        Edit {
            key: key.as_bytes(),
            pair: Some(pair),
        }
    }

    fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
        rmp_serde::to_vec_named(value).unwrap()
    }

    fn decoded(payload: &Payload) -> BTreeMap<String, u32> {
        rmp_serde::from_slice(payload.as_bytes()).unwrap()
    }

    #[test]
    fn a_changed_value_keeps_its_place_and_a_new_key_comes_last() {
        let [a, b, c] = [pair("a", &[1]), pair("b", &[2]), pair("c", &[3])];
        let payload = Payload::empty().edited(&[set("a", &a), set("b", &b), set("c", &c)]);
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["a", "b", "c"]);

        let [b, d] = [pair("b", &encoded(&70_000)), pair("d", &[4])];
        let payload = payload.edited(&[
            set("d", &d),
            set("b", &b),
            Edit {
                key: b"a",
                pair: None,
            },
        ]);
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
        assert_eq!(
            decoded(&payload),
            [("b", 70_000), ("c", 3), ("d", 4)]
                .map(|(k, v)| (k.to_owned(), v))
                .into()
        );
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let payload = Payload::empty().edited(&[set("a", &pair("a", &[1]))]);
        assert_eq!(
            payload.edited(&[Edit {
                key: b"b",
                pair: None
            }]),
            payload
        );
    }

    #[test]
    fn a_map_of_any_size_has_the_shortest_header() {
        for (count, header) in [(15, 1), (16, 3), (65_535, 3), (65_536, 5)] {
            let pairs: Vec<_> = (0..count)
                .map(|n| (n.to_string(), pair(&n.to_string(), &[7])))
                .collect();
            let edits: Vec<_> = pairs.iter().map(|(key, pair)| set(key, pair)).collect();
            let payload = Payload::empty().edited(&edits);
            assert_eq!(map_header(payload.as_bytes()), Some((count as u32, header)));
            assert_eq!(payload.keys().count(), count);
            let (last, _) = pairs.last().unwrap();
            assert_eq!(payload.find(last).as_deref(), Some(&[7][..]));
            let one_less = payload.edited(&[Edit {
                key: b"3",
                pair: None,
            }]);
            assert_eq!(one_less.keys().count(), count - 1);
        }
    }

    #[test]
    fn what_this_program_does_not_know_goes_back_byte_for_byte() {
        // {1: nil, "t": timestamp 32, "x": ext 5, nil: [bin, {"deep": NaN}]}
        let foreign = [
            &[
                0x84, 0x01, 0xc0, 0xa1, b't', 0xd6, 0xff, 1, 2, 3, 4, 0xa1, b'x', 0xc7, 1, 5, 9,
                0xc0,
            ][..],
            &[
                0x92, 0xc4, 2, 0xff, 0x00, 0x81, 0xa4, b'd', b'e', b'e', b'p', 0xcb,
            ],
            &f64::NAN.to_be_bytes(),
        ]
        .concat();
        let payload = Payload::at_end_of(foreign.clone().into(), 0).unwrap();
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["t", "x"]);
        let edited = payload.edited(&[set("new", &pair("new", &[1]))]);
        assert_eq!(edited.as_bytes()[1..foreign.len()], foreign[1..]);
        assert_eq!(
            edited
                .edited(&[Edit {
                    key: b"new",
                    pair: None
                }])
                .as_bytes(),
            foreign
        );
    }

    #[test]
    fn nesting_of_any_depth_is_walked_over() {
        let mut deep = vec![0x82, 0xa1, b'd'];
        deep.extend(std::iter::repeat_n(0x91, 100_000));
        deep.extend([0xc0, 0xa1, b'e', 0x05]);
        let payload = Payload::at_end_of(deep.into(), 0).unwrap();
        assert_eq!(payload.find("e").as_deref(), Some(&[5][..]));
    }

    proptest! {
        #[test]
        fn edits_do_what_a_map_does(
            start in prop::collection::btree_map("[a-e]{1,2}", any::<u32>(), 0..8),
            edits in prop::collection::btree_map("[a-e]{1,3}", any::<Option<u32>>(), 0..90),
        ) {
            let payload = Payload::at_end_of(encoded(&start).into(), 0).unwrap();
            let pairs: Vec<_> = edits.iter().map(|(key, value)| (key, value.map(|v| pair(key, &encoded(&v))))).collect();
            let list: Vec<_> = pairs.iter().map(|(key, pair)| Edit { key: key.as_bytes(), pair: pair.as_deref() }).collect();
            let mut expected = start;
            for (key, value) in &edits {
                match value {
                    Some(value) => expected.insert(key.clone(), *value),
                    None => expected.remove(key),
                };
            }
            let edited = payload.edited(&list);
            prop_assert_eq!(decoded(&edited), expected.clone());
            for (key, value) in expected {
                prop_assert_eq!(edited.find(&key).unwrap(), encoded(&value));
            }
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(payload) = Payload::at_end_of(bytes.into(), 0) {
                let _ = payload.keys().count();
                let _ = payload.find("a");
                let _ = payload.edited(&[set("a", &[0xa1, b'a', 1]), Edit { key: b"b", pair: None }]);
            }
        }
    }
}
