//! Walking over MessagePack without decoding it.

use std::ops::Range;

/// Where one pair lies.
pub(super) struct PairAt {
    pub(super) start: usize,
    key: Option<Range<usize>>,
    pub(super) value: Range<usize>,
}

impl PairAt {
    /// Whether this is the pair of that key.
    #[inline]
    pub(super) fn is(&self, key: &[u8], bytes: &[u8]) -> bool {
        self.key(bytes).is_some_and(|own| is_same(own, key))
    }

    /// The key's text, `None` if it is not a text.
    pub(super) fn key<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.key.clone().map(|range| &bytes[range])
    }
}

/// Keys are often alike but for their ends, so the ends are compared first.
#[inline]
fn is_same(own: &[u8], key: &[u8]) -> bool {
    own.len() == key.len() && own.last() == key.last() && own == key
}

/// The pairs of a map, one after the other.
pub(super) struct Pairs<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(map: &'a [u8]) -> Self {
        let (left, at) = map_header(map).unwrap_or((0, 0));
        Pairs {
            bytes: map,
            at,
            left,
        }
    }
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
        self.at = match short(*self.bytes.get(value)?) {
            Some(len) => value + len,
            None => skip(self.bytes, value)?,
        };
        (self.at <= self.bytes.len()).then_some(PairAt {
            start,
            key,
            value: value..self.at,
        })
    }
}

/// The first pair of this key.
#[inline]
pub(super) fn find(map: &[u8], key: &[u8]) -> Option<PairAt> {
    let mut pairs = Pairs::of(map);
    if pairs.left >= MANY {
        pairs.pass_over_alike(key);
    }
    pairs.find(|pair| pair.is(key, map))
}

/// In a map of so many pairs it pays to guess how long they are.
const MANY: u32 = 32;
/// After so many wrong guesses it does not.
const WRONG_GUESSES: usize = 16;

impl Pairs<'_> {
    /// Passes over pairs that have another key, as far as they are short texts with short values, and mostly alike.
    ///
    /// Where a pair begins is known only when the one before it was read. Here it is taken to be as long as that one, and then
    /// looked at whether it is: a processor guesses that it is, goes on with the next one meanwhile, and is three times as fast.
    fn pass_over_alike(&mut self, key: &[u8]) {
        let Some(mut shape) = Shape::at(self.bytes, self.at) else {
            return;
        };
        let mut wrong_guesses = 0;
        while self.left > 0 {
            if !shape.is_at(self.bytes, self.at) {
                wrong_guesses += 1;
                match Shape::at(self.bytes, self.at) {
                    Some(other) if wrong_guesses < WRONG_GUESSES => shape = other,
                    _ => return,
                }
            }
            let Some(pair) = self.bytes.get(self.at..self.at + shape.len) else {
                return;
            };
            let own = &pair[1..shape.key_end];
            if is_same(own, key) {
                return;
            }
            self.at += shape.len;
            self.left -= 1;
        }
    }
}

/// How long a pair of a short text and a short value is, and by which markers one knows another of that length.
struct Shape {
    key: u8,
    value: u8,
    key_end: usize,
    len: usize,
}

impl Shape {
    /// The one of the pair that begins there, `None` if it is not of this kind. Not inlined, or what is known by then would no
    /// longer be guessed.
    #[cold]
    #[inline(never)]
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let bytes = bytes.get(at..)?;
        let key = *bytes.first().filter(|marker| is_short_text(**marker))?;
        let key_end = short(key)?;
        let value = *bytes.get(key_end)?;
        Some(Shape {
            key,
            value,
            key_end,
            len: key_end + short(value)?,
        })
    }

    #[inline]
    fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        bytes.get(at) == Some(&self.key) && bytes.get(at + self.key_end) == Some(&self.value)
    }
}

/// Whether these bytes are one map, to the end, with all of its pairs.
pub(super) fn is_whole(map: &[u8]) -> bool {
    let mut pairs = Pairs::of(map);
    let read = pairs.by_ref().count();
    let count = map_header(map).map(|(count, _)| count as usize);
    count == Some(read) && pairs.at == map.len()
}

/// How many pairs a map has, and where the first one lies.
pub(super) fn map_header(bytes: &[u8]) -> Option<(u32, usize)> {
    match *bytes.first()? {
        marker @ 0x80..=0x8f => Some((u32::from(marker & 0x0f), 1)),
        0xde => Some((length(bytes, 1, 2)?, 3)),
        0xdf => Some((length(bytes, 1, 4)?, 5)),
        _ => None,
    }
}

/// Where the text of a string lies.
#[inline]
pub(super) fn text(bytes: &[u8], at: usize) -> Option<Range<usize>> {
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

/// How long a value is whose marker tells it: small numbers and short texts, which most are.
#[inline]
fn short(marker: u8) -> Option<usize> {
    match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Some(1),
        _ if is_short_text(marker) => Some(1 + usize::from(marker & 0x1f)),
        _ => None,
    }
}

#[inline]
fn is_short_text(marker: u8) -> bool {
    matches!(marker, 0xa0..=0xbf)
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
