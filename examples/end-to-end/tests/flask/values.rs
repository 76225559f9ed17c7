//! The table of values: what Python puts into a session, as Rust reads it, and the other way round.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anysession::Session;
use anysession::flask::DateTime;
use end_to_end::{Result, Visitor, same};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::backend::Format;
use crate::site::Site;

/// For every row: Flask stores it, Rust reads it as what it is, and changes the key before it and adds one behind it, and
/// it is the same to the byte, and to Flask.
pub(crate) fn rust_reads_each_value_and_leaves_the_bytes_alone(site: &Site) -> Result {
    let rows: Vec<String> = serde_json::from_str(&Visitor::default().body(site.flask(), "/rows")?)?;
    for row in rows {
        check(site, &row).map_err(|error| format!("{row}: {error}"))?;
    }
    Ok(())
}

fn check(site: &Site, row: &str) -> Result {
    let visitor = Visitor::default();
    visitor.body(site.flask(), "/set/k/old")?;
    let stored = visitor.ask(site.flask(), &format!("/store/{row}"))?;
    let cookie = visitor.cookie().ok_or("no cookie")?;
    if is_refused(row, site.format) {
        // Python's json has written nothing by the time it fails.
        let lost = site.format == Format::PythonJson && site.raw(&cookie)?.is_empty();
        return match stored.status == 500 || lost {
            true => Ok(()),
            false => Err("Flask can store it now".into()),
        };
    }
    same!(stored.status, 200, "Flask storing it");
    let (before, shown) = (site.raw(&cookie)?, visitor.body(site.flask(), "/repr/v")?);
    site.request(&cookie, |session| {
        reads(row, session, site.format)?;
        session.insert("k", "new")?;
        Ok(session.insert("l", 7)?)
    })?;
    let expected = with_changes(&before, site.format)?;
    same!(
        site.raw(&cookie)?,
        expected,
        "the bytes after a write of Rust's"
    );
    same!(
        visitor.body(site.flask(), "/repr/v")?,
        shown,
        "what Flask reads"
    );
    Ok(())
}

/// What Flask's serializer does not take.
fn is_refused(row: &str, format: Format) -> bool {
    match format {
        Format::MessagePack => false,
        Format::Json => matches!(row, "ext" | "tuple-key" | "none-key"),
        Format::PythonJson => {
            matches!(
                row,
                "ext"
                    | "tuple-key"
                    | "bytes"
                    | "bytearray"
                    | "set"
                    | "dataclass"
                    | "enum"
                    | "uuid"
                    | "decimal"
            ) || row.starts_with("aware")
                || matches!(row, "naive" | "date" | "time" | "timedelta")
        }
    }
}

/// The bytes of a session, in hexadecimal, with `new` for `old` under `k` and 7 under `l`, which was not there.
fn with_changes(before: &str, format: Format) -> Result<String> {
    let hex = |text: &str| crate::site::hex(text.as_bytes());
    Ok(match format {
        Format::MessagePack => {
            let pairs = u8::from_str_radix(&before[..2], 16)? + 1;
            let changed = before.replacen(&hex("old"), &hex("new"), 1);
            format!("{pairs:02x}{}a16c07", &changed[2..])
        }
        Format::Json => {
            let changed = before.replacen(&hex("old"), &hex("new"), 1);
            format!(
                "{}{}",
                changed.strip_suffix("7d").ok_or("no object")?,
                hex(",\"l\":7}")
            )
        }
        // What stands between members is not kept, but each member is.
        Format::PythonJson => {
            let value = before.split_once(&hex(r#""v": "#)).ok_or("no value")?.1;
            let value = value.strip_suffix("7d").ok_or("no object")?;
            let head = hex(r#"{"_permanent":true,"k":"new","v":"#);
            format!("{head}{value}{}", hex(",\"l\":7}"))
        }
    })
}

/// Reads it as the type that it is.
fn reads(row: &str, session: &Session, format: Format) -> Result {
    let json = format != Format::MessagePack;
    match row {
        "none" => is(session, None::<u8>),
        "true" => is(session, true),
        "false" => is(session, false),
        "zero" => is(session, 0),
        "small" => is(session, 127_u8),
        "byte" => is(session, 200_u16),
        "negative" => is(session, -32_i8),
        "negative-byte" => is(session, -100_i64),
        "word" => is(session, 70_000_u32),
        "largest" => is(session, u64::MAX),
        "smallest" => is(session, i64::MIN),
        "float" => is(session, 1.5),
        // msgspec writes both as null; Python writes words that are no JSON.
        "nan" | "infinity" if format == Format::Json => is(session, None::<f64>),
        "nan" if format == Format::MessagePack => match read::<f64>(session)?.is_nan() {
            true => Ok(()),
            false => Err("it is a number".into()),
        },
        "infinity" if format == Format::MessagePack => is(session, f64::INFINITY),
        "nan" | "infinity" => match session.get::<f64>("v") {
            Ok(number) => Err(format!("words that are no JSON are read as {number:?}").into()),
            Err(_) => Ok(()),
        },
        "text" => is(session, "hé 🦀".to_owned()),
        "empty-text" => is(session, String::new()),
        "long-text" => is(session, "x".repeat(300)),
        "bytes" if json => is(session, "AP8=".to_owned()),
        "bytes" => is(session, ByteBuf::from([0, 255])),
        "bytearray" if json => is(session, "AQI=".to_owned()),
        "bytearray" => is(session, ByteBuf::from([1, 2])),
        "list" => is(session, (1, "two".to_owned(), None::<u8>)),
        "tuple" => is(session, (1, "two".to_owned())),
        "set" => is(session, vec![7]),
        "dict" => {
            #[derive(Deserialize, PartialEq, Debug)]
            struct Dict {
                b: u8,
                a: BTreeMap<String, Vec<bool>>,
            }
            let a = BTreeMap::from([("nested".to_owned(), vec![true])]);
            is(session, Dict { b: 1, a })
        }
        "int-keys" => is(
            session,
            HashMap::from([(1, "one".to_owned()), (-2, "minus two".to_owned())]),
        ),
        "none-key" if json => is(session, HashMap::from([("null".to_owned(), 1)])),
        "none-key" => is(session, HashMap::from([(None::<u8>, 1)])),
        "tuple-key" => is(session, HashMap::from([((1, 2), "pair".to_owned())])),
        "aware" => is_at(session, 1_704_144_845, 678_900_000),
        "aware-whole" => is_at(session, 1_704_164_645, 0),
        "aware-old" => is_at(session, -1, 0),
        "aware-far" => is_at(session, 19_880_899_200, 0),
        "naive" => is(session, "2024-01-02T03:04:05.678900".to_owned()),
        "date" => is(session, "2024-01-02".to_owned()),
        "time" => is(session, "03:04:05".to_owned()),
        "timedelta" => is(session, "P1DT2S".to_owned()),
        "uuid" => is(session, "12345678-1234-5678-1234-567812345678".to_owned()),
        "decimal" => is(session, "12.50".to_owned()),
        "enum" => is(session, "red".to_owned()),
        "dataclass" => is(
            session,
            BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), 2)]),
        ),
        "ext" => is(session, Ext((5, ByteBuf::from([1, 2, 3])))),
        _ => Err("nobody has said what this row is".into()),
    }
}

/// An extension of MessagePack, by the name that rmp-serde has for it.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename = "_ExtStruct")]
struct Ext((i8, ByteBuf));

fn read<T: DeserializeOwned>(session: &Session) -> Result<T> {
    Ok(session.get("v")?.ok_or("it is not there")?)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a row of the table reads better without a `&`"
)]
fn is<T: DeserializeOwned + PartialEq + Debug>(session: &Session, expected: T) -> Result {
    same!(read::<T>(session)?, expected, "what Rust reads");
    Ok(())
}

fn is_at(session: &Session, seconds: i64, nanos: u32) -> Result {
    let read = SystemTime::from(read::<DateTime>(session)?);
    same!(read, at(seconds, nanos), "what Rust reads");
    Ok(())
}

fn at(seconds: i64, nanos: u32) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let second = match seconds {
        0.. => UNIX_EPOCH + distance,
        _ => UNIX_EPOCH - distance,
    };
    second + Duration::from_nanos(nanos.into())
}

/// What Rust writes, Flask reads as what it would have written itself.
pub(crate) fn flask_reads_each_value_of_rust(site: &Site) -> Result {
    let format = site.format;
    let json = format != Format::MessagePack;
    let either = |messagepack, text| if json { text } else { messagepack };
    macro_rules! python {
        ($value:expr, $expected:expr $(,)?) => {
            flask_reads(site, &$value, $expected)?
        };
    }

    python!(None::<u8>, "None");
    python!((), "None");
    python!(true, "True");
    python!(127_u8, "127");
    python!(200_u16, "200");
    python!(-100_i64, "-100");
    python!(u64::MAX, "18446744073709551615");
    python!(i64::MIN, "-9223372036854775808");
    python!(1.5_f64, "1.5");
    python!(1.5_f32, "1.5");
    python!(f64::NAN, either("nan", "None"));
    python!(f64::INFINITY, either("inf", "None"));
    python!('x', "'x'");
    python!("hé 🦀", "'hé 🦀'");
    python!("\"\\\n\u{0}", r#"'"\\\n\x00'"#);
    python!(ByteBuf::from([0, 255]), either(r"b'\x00\xff'", "[0, 255]"));
    python!(vec![1, 2], "[1, 2]");
    python!((1, "two", None::<u8>), "[1, 'two', None]");
    python!(
        HashMap::from([(1, "one")]),
        either("{1: 'one'}", "{'1': 'one'}"),
    );
    python!(Point { y: 2, x: 1 }, "{'y': 2, 'x': 1}");
    python!(Shape::Dot, "'Dot'");
    python!(Shape::Circle(3), "{'Circle': 3}");
    python!(Duration::new(1, 5), "{'secs': 1, 'nanos': 5}");
    let zone = "tzinfo=datetime.timezone.utc)";
    for (seconds, nanos, date, text) in [
        (
            1_704_164_645,
            678_900_000,
            "2024, 1, 2, 3, 4, 5, 678900, ",
            "2024-01-02T03:04:05.678900Z",
        ),
        (
            1_704_164_645,
            0,
            "2024, 1, 2, 3, 4, 5, ",
            "2024-01-02T03:04:05Z",
        ),
        (-1, 0, "1969, 12, 31, 23, 59, 59, ", "1969-12-31T23:59:59Z"),
        (
            19_880_899_200,
            0,
            "2600, 1, 1, 0, 0, ",
            "2600-01-01T00:00:00Z",
        ),
    ] {
        let date = format!("datetime.datetime({date}{zone}");
        let text = format!("'{text}'");
        python!(
            DateTime::from(at(seconds, nanos)),
            if json { &text } else { &date }
        );
    }
    if !json {
        python!(HashMap::from([(None::<u8>, 1)]), "{None: 1}");
        python!(HashMap::from([((1, 2), "pair")]), "{(1, 2): 'pair'}");
        python!(Ext((5, ByteBuf::from([1]))), r"Ext(5, b'\x01')");
    }
    Ok(())
}

fn flask_reads<T: Serialize + Debug>(site: &Site, value: &T, expected: &str) -> Result {
    let visitor = Visitor::default();
    visitor.body(site.flask(), "/set/k/old")?;
    let cookie = visitor.cookie().ok_or("no cookie")?;
    site.request(&cookie, |session| Ok(session.insert("v", value)?))?;
    let read = visitor.body(site.flask(), "/repr/v")?;
    match read.starts_with(expected) {
        true => Ok(()),
        false => Err(format!("{value:?}: Flask reads {read} instead of {expected}").into()),
    }
}

#[derive(Serialize, Debug)]
struct Point {
    y: u8,
    x: u8,
}

#[derive(Serialize, Debug)]
enum Shape {
    Dot,
    Circle(u8),
}
