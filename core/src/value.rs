//! A value of the application's, to bytes and back.

mod json;

use std::io;

use rmp_serde::Serializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::flask::Format;
use crate::payload::{Pair, begin_pair, skip_one};

pub(crate) use json::Member;

/// How deep a value may be nested: as deep as JSON parsers allow. What is stored can then be read back by anybody, and
/// no value exhausts the stack.
const MAX_DEPTH: usize = 128;

pub(crate) fn encode<T: Serialize + ?Sized>(
    format: Format,
    key: &str,
    value: &T,
) -> Result<Vec<u8>, Error> {
    encode_behind(format, Vec::new(), key, value)
}

/// A key and its value, as they stand in a payload.
pub(crate) fn encode_pair<T: Serialize + ?Sized>(
    format: Format,
    key: &str,
    value: &T,
) -> Result<Pair, Error> {
    /// Most values fit, so that the pair is allocated once.
    const EXPECTED: usize = 48;
    let key_bytes = begin_pair(key, EXPECTED);
    let value_at = key_bytes.len();
    let bytes = encode_behind(format, key_bytes, key, value)?;
    Ok(Pair { bytes, value_at })
}

fn encode_behind<T: Serialize + ?Sized>(
    format: Format,
    bytes: Vec<u8>,
    key: &str,
    value: &T,
) -> Result<Vec<u8>, Error> {
    if format == Format::Json {
        return json::encode_behind(bytes, value).map_err(|error| Error::encode(key, error));
    }
    let bounded = Bounded {
        walked: bytes.len(),
        bytes,
        open: Vec::new(),
    };
    let mut serializer = Serializer::new(bounded).with_struct_map();
    value
        .serialize(&mut serializer)
        .map_err(|error| Error::encode(key, error))?;
    Ok(serializer.into_inner().bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(
    format: Format,
    key: &str,
    bytes: &[u8],
) -> Result<T, Error> {
    if format == Format::Json {
        return json::decode(bytes).map_err(|why| Error::decode::<T>(key, why));
    }
    rmp_serde::from_slice(bytes).map_err(|error| Error::decode::<T>(key, without_values(&error)))
}

/// Why a value could not be read, in words of our own: the library's may quote the value, and errors are logged.
fn without_values(error: &rmp_serde::decode::Error) -> &'static str {
    use rmp_serde::decode::Error as Cause;
    match error {
        Cause::InvalidMarkerRead(_) | Cause::InvalidDataRead(_) => "the stored value ends early",
        Cause::TypeMismatch(_) | Cause::Syntax(_) => "the stored value has another shape",
        Cause::OutOfRange => "the stored number is out of range",
        Cause::LengthMismatch(_) => "the stored list has another length",
        Cause::Utf8Error(_) => "the stored text is not UTF-8",
        Cause::DepthLimitExceeded => "the stored value is nested too deep",
        Cause::Uncategorized(_) => "the stored value is refused by its type",
    }
}

/// Takes MessagePack as it is written, and stops the writer when it nests too deep: only then does a recursive
/// `Serialize` come back before the stack ends.
struct Bounded {
    bytes: Vec<u8>,
    walked: usize,
    /// How many values each open array or map still expects.
    open: Vec<u64>,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        while let Some((end, contained)) = skip_one(&self.bytes, self.walked) {
            self.walked = end;
            if contained > 0 {
                self.open.push(contained);
                if self.open.len() > MAX_DEPTH {
                    let message = format!("it is nested deeper than {MAX_DEPTH} levels");
                    return Err(io::Error::other(message));
                }
                continue;
            }
            while let Some(left) = self.open.last_mut() {
                *left -= 1;
                if *left > 0 {
                    break;
                }
                self.open.pop();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    const MP: Format = Format::MessagePack;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn what_is_nested_as_deep_as_allowed_comes_back() {
        let value = nested(MAX_DEPTH);
        let bytes = encode(MP, "deep", &value).unwrap();
        assert_eq!(decode::<Value>(MP, "deep", &bytes).unwrap(), value);
        assert!(encode(MP, "deep", &nested(MAX_DEPTH + 1)).is_err());
    }

    #[test]
    fn a_hundred_thousand_levels_are_an_error_and_not_the_end_of_the_stack() {
        let value = nested(100_000);
        assert!(encode(MP, "deep", &value).is_err());
        // Dropping it would recurse just as deep.
        std::mem::forget(value);
    }

    #[test]
    fn wide_values_are_not_deep() {
        let value: Vec<Vec<BTreeMap<String, u8>>> =
            vec![vec![BTreeMap::from([("a".into(), 1), ("b".into(), 2)]); 40]; 40];
        let bytes = encode(MP, "wide", &value).unwrap();
        assert_eq!(
            decode::<Vec<Vec<BTreeMap<String, u8>>>>(MP, "wide", &bytes).unwrap(),
            value
        );
    }

    #[test]
    fn edges_of_numbers_and_texts_come_back() {
        let numbers = (i64::MIN, u64::MAX, i128::MAX, f64::MIN_POSITIVE, -0.0_f64);
        let bytes = encode(MP, "n", &numbers).unwrap();
        assert_eq!(
            decode::<(i64, u64, i128, f64, f64)>(MP, "n", &bytes).unwrap(),
            numbers
        );
        let bytes = encode(MP, "nan", &f64::NAN).unwrap();
        assert!(decode::<f64>(MP, "nan", &bytes).unwrap().is_nan());
        for text in ["", "\u{0}", "\u{1f980}", "a\u{301}"] {
            assert_eq!(
                decode::<String>(MP, "t", &encode(MP, "t", text).unwrap()).unwrap(),
                text
            );
        }
    }
}
