//! Changing a map without decoding it: pairs are cut out of the bytes and others put in their place.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::walk::{self, Pairs, map_header};
use super::{FRAME_ROOM, Payload};

/// What became of one key: its pair as it is to be stored, or `None` if it was removed.
pub(crate) struct Edit<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) pair: Option<&'a [u8]>,
}

/// A map that was just edited, with [`FRAME_ROOM`] in front of it, so that the frame of a record can be written there
/// without copying the data once more.
pub(crate) struct Draft(Vec<u8>);

impl Draft {
    /// How many bytes the map takes in the store.
    pub(crate) fn size(&self) -> usize {
        self.0.len() - FRAME_ROOM
    }

    /// The room in front of the map, and the map.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The whole buffer.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

impl From<Draft> for Payload {
    fn from(draft: Draft) -> Self {
        Payload::in_frame(draft.into_bytes())
    }
}

impl Payload {
    /// The map that was drafted in this buffer.
    pub(crate) fn in_frame(buffer: Bytes) -> Self {
        Payload {
            buffer,
            start: FRAME_ROOM,
        }
    }

    /// The same map after the edits: a changed value stays in its place, a new key comes last. An edit of a key that
    /// is not there and is removed changes nothing. The keys of the edits differ from each other.
    pub(crate) fn edited<'a>(&self, mut edits: impl Iterator<Item = Edit<'a>>) -> Draft {
        let map = self.as_bytes();
        // Nearly always there is one, which needs no list.
        match (edits.next(), edits.next()) {
            (None, _) => spliced(map, &[]),
            (Some(edit), None) => spliced(map, &[Splice::of(edit, map)]),
            (Some(first), Some(second)) => {
                let edits = [first, second].into_iter().chain(edits);
                spliced(map, &splices(map, edits))
            }
        }
    }
}

/// The map with these splices made, which are in the order of their places.
fn spliced(map: &[u8], splices: &[Splice<'_>]) -> Draft {
    let (count, body) = map_header(map).unwrap_or((0, map.len()));
    // Exactly as large as it will be: the store keeps it for as long as the session lives.
    let (mut count, mut size) = (count as usize, map.len() - body);
    for Splice { place, pair, .. } in splices {
        count = count + usize::from(!pair.is_empty()) - usize::from(!place.is_empty());
        size = size + pair.len() - place.len();
    }
    let header = Header::of(count);
    let mut out = Vec::with_capacity(FRAME_ROOM + header.as_bytes().len() + size);
    out.resize(FRAME_ROOM, 0);
    out.extend_from_slice(header.as_bytes());
    let mut copied = body;
    for Splice { place, pair, .. } in splices {
        out.extend_from_slice(&map[copied..place.start]);
        out.extend_from_slice(pair);
        copied = place.end;
    }
    out.extend_from_slice(&map[copied..]);
    Draft(out)
}

/// An edit, and where in the map it is made.
struct Splice<'a> {
    key: &'a [u8],
    /// What is cut out: a pair, or nothing at the end of the map.
    place: Range<usize>,
    /// What is put there.
    pair: &'a [u8],
}

impl<'a> Splice<'a> {
    /// Where one edit is to be made.
    fn of(Edit { key, pair }: Edit<'a>, map: &[u8]) -> Self {
        let end = map.len()..map.len();
        let place = walk::find(map, key);
        Splice {
            key,
            place: place.map_or(end, |pair| pair.start..pair.value.end),
            pair: pair.unwrap_or_default(),
        }
    }
}

/// So many splices, or in a map of so many pairs, are looked for one by one, without a table.
const FEW: usize = 4;

/// The splices that make these edits, in the order of their places.
fn splices<'a>(map: &[u8], edits: impl Iterator<Item = Edit<'a>>) -> SmallVec<[Splice<'a>; FEW]> {
    let end = map.len()..map.len();
    let mut splices: SmallVec<[_; FEW]> = SmallVec::new();
    splices.reserve(edits.size_hint().1.unwrap_or_default());
    splices.extend(edits.map(|Edit { key, pair }| Splice {
        key,
        place: end.clone(),
        pair: pair.unwrap_or_default(),
    }));
    let pairs = map_header(map).map_or(0, |(count, _)| count as usize);
    let table: Option<HashMap<_, usize>> = match splices.len().min(pairs) {
        ..=FEW => None,
        _ => Some(splices.iter().map(|splice| splice.key).zip(0..).collect()),
    };
    let mut left = splices.len();
    for pair in Pairs::of(map) {
        if left == 0 {
            break;
        }
        let Some(key) = pair.key(map) else { continue };
        let splice = match &table {
            None => splices.iter_mut().find(|splice| splice.key == key),
            Some(table) => table.get(key).and_then(|&at| splices.get_mut(at)),
        };
        // Only the first pair of a key is read, so only that one is changed.
        if let Some(splice) = splice.filter(|splice| splice.place == end) {
            splice.place = pair.start..pair.value.end;
            left -= 1;
        }
    }
    splices.sort_by_key(|splice| splice.place.start);
    splices
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
}
