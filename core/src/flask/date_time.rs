//! A point in time as a value in a session.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::calendar::Date;
use crate::clock::Timestamp;

/// A `datetime` of Python with a time zone, as Flask-Session keeps it: in MessagePack a timestamp, in JSON a text.
///
/// A `datetime` without a time zone is a text there, as is a `date`: read them as `String`.
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// # use anysession::{Error, Session, flask::DateTime};
/// # fn seen(session: &Session) -> Result<(), Error> {
/// session.insert("seen", DateTime::from(SystemTime::now()))?;
/// let seen: Option<SystemTime> = session.get::<DateTime>("seen")?.map(SystemTime::from);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// Since 1970-01-01T00:00:00Z, before it negative.
    seconds: i64,
    nanos: u32,
}

/// Later than the last one, and within what `SystemTime` holds.
const LAST_MILLI: u64 = 253_402_300_800_000;
const NANOS: u32 = 1_000_000_000;
/// What Python holds: the years from 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl DateTime {
    fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (SECONDS.contains(&seconds) && nanos < NANOS).then_some(DateTime { seconds, nanos })
    }

    /// MessagePack's three forms of a timestamp, of which the shortest is written.
    fn to_bytes(self) -> Vec<u8> {
        match (u32::try_from(self.seconds), u64::try_from(self.seconds)) {
            (Ok(seconds), _) if self.nanos == 0 => seconds.to_be_bytes().into(),
            (_, Ok(seconds)) if seconds < 1 << 34 => {
                (u64::from(self.nanos) << 34 | seconds).to_be_bytes().into()
            }
            _ => [&self.nanos.to_be_bytes()[..], &self.seconds.to_be_bytes()].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seconds, nanos) = match *bytes {
            [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
            [..] if bytes.len() == 8 => {
                let both = u64::from_be_bytes(bytes.try_into().ok()?);
                (
                    (both & ((1 << 34) - 1)).try_into().ok()?,
                    (both >> 34) as u32,
                )
            }
            [..] => {
                let (nanos, seconds) = bytes.split_first_chunk()?;
                let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
                (seconds, u32::from_be_bytes(*nanos))
            }
        };
        DateTime::new(seconds, nanos)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<u32> {
            let digits = text.get(range)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| all)
        };
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        let in_place = |(at, byte)| text.as_bytes().get(at) == Some(&byte);
        if !separators.into_iter().all(in_place)
            || !matches!(text.as_bytes()[10], b'T' | b't' | b' ')
        {
            return None;
        }
        let date = Date {
            year: number(0..4)?.into(),
            month: number(5..7)?,
            day: number(8..10)?,
        };
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let rest = text.get(19..)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("0", rest),
        };
        let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        let offset = match zone.as_bytes() {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let at = text.len() - 5;
                let minutes = i64::from(number(at..at + 2)? * 60 + number(at + 3..at + 5)?);
                if *sign == b'-' { -minutes } else { minutes }
            }
            _ => return None,
        };
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        DateTime::new(date.days()? * 86_400 + seconds - offset * 60, nanos)
    }
}

/// As Flask-Session writes it: six digits or none behind the second.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::of_days(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match self.nanos / 1000 {
            0 => {}
            micros => write!(f, ".{micros:06}")?,
        }
        f.write_str("Z")
    }
}

/// What is out of the years 1 to 9999 becomes the nearest that is not.
impl From<SystemTime> for DateTime {
    fn from(time: SystemTime) -> Self {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (
                i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                after.subsec_nanos(),
            ),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).map_or(i64::MIN, |seconds| -seconds);
                match before.subsec_nanos() {
                    0 => (seconds, 0),
                    nanos => (seconds.saturating_sub(1), NANOS - nanos),
                }
            }
        };
        let (first, last) = (*SECONDS.start(), *SECONDS.end());
        match seconds {
            ..-62_135_596_800 => DateTime {
                seconds: first,
                nanos: 0,
            },
            253_402_300_800.. => DateTime {
                seconds: last,
                nanos: NANOS - 1,
            },
            _ => DateTime { seconds, nanos },
        }
    }
}

impl From<Timestamp> for DateTime {
    fn from(time: Timestamp) -> Self {
        let since = Duration::from_millis(time.as_millis().min(LAST_MILLI));
        (UNIX_EPOCH + since).into()
    }
}

/// RFC 3339, such as `2024-01-02T03:04:05.6789+01:00`; a space will do instead of the `T`.
impl FromStr for DateTime {
    type Err = NoDateTime;

    fn from_str(text: &str) -> Result<Self, NoDateTime> {
        DateTime::parse(text).ok_or(NoDateTime(()))
    }
}

/// A text is no time with its zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2024-01-02T03:04:05Z")]
pub struct NoDateTime(());

impl From<DateTime> for SystemTime {
    fn from(time: DateTime) -> Self {
        let whole = Duration::from_secs(time.seconds.unsigned_abs());
        let second = match time.seconds < 0 {
            true => UNIX_EPOCH - whole,
            false => UNIX_EPOCH + whole,
        };
        second + Duration::from_nanos(time.nanos.into())
    }
}

/// What MessagePack for serde calls a value of an extension.
const EXTENSION: &str = "_ExtStruct";
const TIMESTAMP: i8 = -1;

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Bytes(Vec<u8>);

        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => {
                serializer.serialize_newtype_struct(EXTENSION, &(TIMESTAMP, Bytes(self.to_bytes())))
            }
        }
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_str(Time),
            false => deserializer.deserialize_newtype_struct(EXTENSION, Time),
        }
    }
}

struct Time;

impl<'de> Visitor<'de> for Time {
    type Value = DateTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time with its zone")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DateTime, E> {
        DateTime::parse(text).ok_or_else(|| E::custom("no time with a zone"))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<DateTime, D::Error> {
        inner.deserialize_any(Time)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<DateTime, A::Error> {
        let (kind, bytes) = (seq.next_element::<i8>()?, seq.next_element::<Raw>()?);
        let time = bytes.and_then(|Raw(bytes)| DateTime::from_bytes(&bytes));
        time.filter(|_| kind == Some(TIMESTAMP))
            .ok_or_else(|| A::Error::custom("no timestamp"))
    }
}

/// The bytes of an extension.
struct Raw(Vec<u8>);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.into()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flask::Format;
    use crate::value::{decode, encode};

    /// Written by Python: `msgspec.msgpack.encode` and `msgspec.json.encode`.
    const TIMES: &[(&[u8], &str)] = &[
        (&[0xd6, 0xff, 0, 0, 0, 0], "1970-01-01T00:00:00Z"),
        (
            &[0xd6, 0xff, 0x65, 0x93, 0x79, 0x65],
            "2024-01-02T02:48:05Z",
        ),
        (
            &[0xd7, 0xff, 0xa1, 0xdc, 0xc4, 0x80, 0x65, 0x93, 0x79, 0x65],
            "2024-01-02T02:48:05.678900Z",
        ),
        (
            &[
                0xc7, 12, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ],
            "1969-12-31T23:59:59Z",
        ),
    ];

    #[test]
    fn a_time_is_read_and_written_as_flask_session_does() {
        for (bytes, text) in TIMES {
            let time: DateTime = decode(Format::MessagePack, "t", bytes).unwrap();
            assert_eq!(time.to_string(), *text);
            assert_eq!(encode(Format::MessagePack, "t", &time).unwrap(), *bytes);
            let json = encode(Format::Json, "t", text).unwrap();
            assert_eq!(decode::<DateTime>(Format::Json, "t", &json).unwrap(), time);
            assert_eq!(encode(Format::Json, "t", &time).unwrap(), json);
            assert_eq!(DateTime::from(SystemTime::from(time)), time);
        }
    }

    #[test]
    fn a_zone_is_reckoned_with() {
        let utc = DateTime::parse("2024-01-02T02:48:05.5Z");
        for text in [
            "2024-01-02T03:48:05.500000+01:00",
            "2024-01-01 20:03:05.5-06:45",
        ] {
            assert_eq!(DateTime::parse(text), utc, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_with_a_zone_is_refused() {
        for text in [
            "",
            "2024-01-02",
            "2024-01-02T03:04:05",
            "2024-13-02T03:04:05Z",
            "2024-02-30T03:04:05Z",
            "2024-01-02T24:00:00Z",
            "2024-01-02T03:04:05.Z5",
            "+024-01-02T03:04:05Z",
            "2024-01-02T03:04:05+1:00",
            "é024-01-02T03:04:05Z",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
        let other = [0xd6, 1, 0, 0, 0, 0];
        assert!(decode::<DateTime>(Format::MessagePack, "t", &other).is_err());
    }
}
