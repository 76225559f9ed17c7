//! Values of a session whose layout is JSON. A payload is MessagePack all the same, so that there is one way to search and
//! to change it: a value lies in it as the bytes of its JSON text.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Serializer;
use serde_json::error::Category;
use serde_json::ser::Formatter;

use super::MAX_DEPTH;

/// The marker `bin 32`, how many bytes follow, and how many of these are the name.
const HEADER: usize = 9;
const BIN_32: u8 = 0xc6;

/// A member of an object, as a value of a payload holds it.
pub(crate) struct Member<'a> {
    /// Its name as it was written, with its quotes and escapes. Empty if this program has written the value: then the key
    /// tells the name.
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

impl<'a> Member<'a> {
    pub(crate) fn wrapped(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.name.len() + self.value.len());
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(self.value.as_bytes());
        write_header(&mut bytes, self.name.len());
        bytes
    }

    /// Out of a value that was [wrapped](Self::wrapped); empty texts out of any other.
    pub(crate) fn unwrapped(value: &'a [u8]) -> Self {
        let unwrapped = || {
            let (header, text) = value.split_at_checked(HEADER)?;
            let name_len = u32::from_be_bytes(header[5..].try_into().ok()?);
            let text = std::str::from_utf8(text).ok()?;
            let (name, value) = text.split_at_checked(name_len as usize)?;
            Some(Member { name, value })
        };
        unwrapped().unwrap_or(Member {
            name: "",
            value: "",
        })
    }
}

pub(super) fn encode_behind<T: Serialize + ?Sized>(
    mut bytes: Vec<u8>,
    value: &T,
) -> serde_json::Result<Vec<u8>> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER]);
    let mut serializer = Serializer::with_formatter(&mut bytes, Bounded { depth: 0 });
    value.serialize(&mut serializer)?;
    write_header(&mut bytes[start..], 0);
    Ok(bytes)
}

/// Or why it cannot be decoded, in words that do not quote the value.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, &'static str> {
    serde_json::from_str(Member::unwrapped(value).value).map_err(|error| match error.classify() {
        Category::Eof => "the stored value ends early",
        Category::Syntax | Category::Io => "the stored value is no JSON",
        Category::Data => "the stored value has another shape",
    })
}

fn write_header(value: &mut [u8], name_len: usize) {
    // A session is far smaller than 4 GiB.
    let len = (value.len() - HEADER + 4) as u32;
    value[0] = BIN_32;
    value[1..5].copy_from_slice(&len.to_be_bytes());
    value[5..HEADER].copy_from_slice(&(name_len as u32).to_be_bytes());
}

/// Writes compact JSON, and stops when it nests too deep: see [`super::Bounded`].
struct Bounded {
    depth: usize,
}

impl Bounded {
    fn open(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("it is nested deeper than {MAX_DEPTH} levels");
            return Err(io::Error::other(message));
        }
        Ok(())
    }
}

impl Formatter for Bounded {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn a_value_comes_back_and_one_that_is_nested_too_deep_is_an_error() {
        let bytes = encode_behind(Vec::new(), &nested(100)).unwrap();
        assert_eq!(decode::<Value>(&bytes), Ok(nested(100)));
        let (name, value) = ("", "[1]");
        assert_eq!(
            Member { name, value }.wrapped(),
            encode_behind(Vec::new(), &[1]).unwrap()
        );
        let deep = nested(100_000);
        assert!(encode_behind(Vec::new(), &deep).is_err());
        // Dropping it would recurse just as deep.
        std::mem::forget(deep);
    }

    #[test]
    fn an_error_does_not_quote_the_value() {
        let (name, value) = ("\"k\"", "\"hunter2\"");
        assert_eq!(
            decode::<bool>(&Member { name, value }.wrapped()),
            Err("the stored value has another shape")
        );
    }
}
