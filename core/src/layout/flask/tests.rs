//! With what Flask-Session 0.8 wrote (msgspec 0.22): `{"_permanent": True, "v": value, "after": 1}`.

use std::collections::BTreeMap;

use super::*;
use crate::changes::Changes;
use crate::id::SessionId;
use crate::layout::Layout;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A value, and the session as MessagePack and as JSON, which not every value has.
const SESSIONS: &[(&str, &str, &str)] = &[
    (
        "none",
        "83aa5f7065726d616e656e74c3a176c0a5616674657201",
        r#"{"_permanent":true,"v":null,"after":1}"#,
    ),
    (
        "bool",
        "83aa5f7065726d616e656e74c3a176c3a5616674657201",
        r#"{"_permanent":true,"v":true,"after":1}"#,
    ),
    (
        "int_min",
        "83aa5f7065726d616e656e74c3a176d38000000000000000a5616674657201",
        r#"{"_permanent":true,"v":-9223372036854775808,"after":1}"#,
    ),
    (
        "int_max",
        "83aa5f7065726d616e656e74c3a176cfffffffffffffffffa5616674657201",
        r#"{"_permanent":true,"v":18446744073709551615,"after":1}"#,
    ),
    (
        "small",
        "83aa5f7065726d616e656e74c3a176ffa5616674657201",
        r#"{"_permanent":true,"v":-1,"after":1}"#,
    ),
    (
        "float",
        "83aa5f7065726d616e656e74c3a176cb3ff8000000000000a5616674657201",
        r#"{"_permanent":true,"v":1.5,"after":1}"#,
    ),
    (
        "nan",
        "83aa5f7065726d616e656e74c3a176cb7ff8000000000000a5616674657201",
        r#"{"_permanent":true,"v":null,"after":1}"#,
    ),
    (
        "inf",
        "83aa5f7065726d616e656e74c3a176cbfff0000000000000a5616674657201",
        r#"{"_permanent":true,"v":null,"after":1}"#,
    ),
    (
        "str",
        "83aa5f7065726d616e656e74c3a176a368c3a9a5616674657201",
        r#"{"_permanent":true,"v":"hé","after":1}"#,
    ),
    (
        "bytes",
        "83aa5f7065726d616e656e74c3a176c40200ffa5616674657201",
        r#"{"_permanent":true,"v":"AP8=","after":1}"#,
    ),
    (
        "list",
        "83aa5f7065726d616e656e74c3a1769201a161a5616674657201",
        r#"{"_permanent":true,"v":[1,"a"],"after":1}"#,
    ),
    (
        "tuple",
        "83aa5f7065726d616e656e74c3a17692019102a5616674657201",
        r#"{"_permanent":true,"v":[1,[2]],"after":1}"#,
    ),
    (
        "dict",
        "83aa5f7065726d616e656e74c3a17682a16201a16181a17ac0a5616674657201",
        r#"{"_permanent":true,"v":{"b":1,"a":{"z":null}},"after":1}"#,
    ),
    (
        "keys",
        "83aa5f7065726d616e656e74c3a1768301a36f6e65c0a36e696c920102a470616972a5616674657201",
        "",
    ),
    (
        "aware",
        "83aa5f7065726d616e656e74c3a176d7ffa1dcc48065937d25a5616674657201",
        r#"{"_permanent":true,"v":"2024-01-02T03:04:05.678900Z","after":1}"#,
    ),
    (
        "aware32",
        "83aa5f7065726d616e656e74c3a176d6ff65937d25a5616674657201",
        r#"{"_permanent":true,"v":"2024-01-02T03:04:05Z","after":1}"#,
    ),
    (
        "old",
        "83aa5f7065726d616e656e74c3a176c70cff00000000ffffffffed300880a5616674657201",
        r#"{"_permanent":true,"v":"1960-01-01T00:00:00Z","after":1}"#,
    ),
    (
        "naive",
        "83aa5f7065726d616e656e74c3a176ba323032342d30312d30325430333a30343a30352e363738393030a5616674657201",
        r#"{"_permanent":true,"v":"2024-01-02T03:04:05.678900","after":1}"#,
    ),
    (
        "date",
        "83aa5f7065726d616e656e74c3a176aa323032342d30312d3032a5616674657201",
        r#"{"_permanent":true,"v":"2024-01-02","after":1}"#,
    ),
    (
        "timedelta",
        "83aa5f7065726d616e656e74c3a176a6503144543253a5616674657201",
        r#"{"_permanent":true,"v":"P1DT2S","after":1}"#,
    ),
    (
        "uuid",
        "83aa5f7065726d616e656e74c3a176d92430303030303030302d303030302d303030302d303030302d303030303030303030303037a5616674657201",
        r#"{"_permanent":true,"v":"00000000-0000-0000-0000-000000000007","after":1}"#,
    ),
    (
        "decimal",
        "83aa5f7065726d616e656e74c3a176a4312e3530a5616674657201",
        r#"{"_permanent":true,"v":"1.50","after":1}"#,
    ),
    (
        "enum",
        "83aa5f7065726d616e656e74c3a176a161a5616674657201",
        r#"{"_permanent":true,"v":"a","after":1}"#,
    ),
    (
        "dataclass",
        "83aa5f7065726d616e656e74c3a17682a17801a179a179a5616674657201",
        r#"{"_permanent":true,"v":{"x":1,"y":"y"},"after":1}"#,
    ),
    (
        "ext",
        "83aa5f7065726d616e656e74c3a176d5050102a5616674657201",
        "",
    ),
];

const NO_TEXT_KEYS: &str = "8501a36f6e65aa5f7065726d616e656e74c3c002a1780392010204";

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let text = |pair| std::str::from_utf8(pair).unwrap();
    pairs
        .map(|pair| u8::from_str_radix(text(pair), 16).unwrap())
        .collect()
}

fn key() -> StoreKey {
    let id = SessionId::from_flask_cookie(b"an-id_of.Flask").unwrap();
    Layout::Flask(Format::Json).store_key(&id)
}

fn entry(payload: impl Into<Vec<u8>>) -> Entry {
    Entry {
        payload: payload.into().into(),
        deadline: NOON,
        user: None,
    }
}

fn decoded(format: Format, payload: impl Into<Vec<u8>>) -> Result<Record, Unreadable> {
    match Layout::Flask(format).decode(&key(), entry(payload), 1 << 16)? {
        Decoded::Record(record) => Ok(record),
        _ => panic!("no record where one was stored"),
    }
}

fn written(format: Format, record: &mut Record, changes: &Changes) -> Vec<u8> {
    let layout = Layout::Flask(format);
    let draft = changes.draft(&record.data, layout);
    layout
        .seal(&key(), record, draft, NOON, true)
        .payload
        .to_vec()
}

fn insert<T: Serialize>(changes: &mut Changes, format: Format, key: &str, value: T) {
    changes.insert(key, value::encode_pair(format, key, &value).unwrap());
}

#[test]
fn what_is_not_touched_goes_back_byte_for_byte() {
    for (value, bytes, json) in SESSIONS {
        let (bytes, json) = (unhex(bytes), json.as_bytes());
        for (format, payload) in [(Format::MessagePack, &bytes[..]), (Format::Json, json)] {
            if payload.is_empty() {
                continue;
            }
            let mut record = decoded(format, payload).unwrap();
            assert_eq!(record.permanent, Some(true), "{value}");
            assert_eq!(record.data.len(), 3);
            let same = written(format, &mut record, &Changes::default());
            assert_eq!(same, payload, "{value}");

            // In its place, before the key that follows.
            let mut changes = Changes::default();
            insert(&mut changes, format, "after", 2);
            let changed = written(format, &mut record, &changes);
            let expected = match format {
                Format::MessagePack => [&payload[..payload.len() - 1], &[2]].concat(),
                Format::Json => [&payload[..payload.len() - 2], b"2}"].concat(),
            };
            assert_eq!(changed, expected, "{value}");
        }
    }
}

#[test]
fn what_was_written_in_the_other_format_is_read_and_written_in_this_one() {
    let session = |name| {
        let (_, bytes, json) = SESSIONS.iter().find(|(value, ..)| *value == name).unwrap();
        (unhex(bytes), json.as_bytes().to_vec())
    };
    for name in ["none", "int_max", "float", "str", "list"] {
        let (bytes, json) = session(name);
        for (format, other, own) in [
            (Format::MessagePack, json.clone(), bytes.clone()),
            (Format::Json, bytes, json),
        ] {
            let mut record = decoded(format, other).unwrap();
            assert_eq!(record.permanent, Some(true), "{name}");
            let again = written(format, &mut record, &Changes::default());
            assert_eq!(again, own, "{name} in {format:?}");
        }
    }
    // What the configured one has no word for.
    for bytes in [session("bytes").0, unhex(NO_TEXT_KEYS)] {
        assert_eq!(decoded(Format::Json, bytes), Err(Unreadable::Corrupt));
    }
}

#[test]
fn keys_that_are_no_text_stay() {
    let mut record = decoded(Format::MessagePack, unhex(NO_TEXT_KEYS)).unwrap();
    let mut changes = Changes::default();
    insert(&mut changes, Format::MessagePack, "x", "y");
    insert(&mut changes, Format::MessagePack, "new", 1);
    let expected = "8601a36f6e65aa5f7065726d616e656e74c3c002a178a1799201020 4a36e657701";
    let changed = written(Format::MessagePack, &mut record, &changes);
    assert_eq!(changed, unhex(&expected.replace(' ', "")));
}

#[test]
fn values_that_json_does_not_know_are_read_through_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i32,
        y: String,
    }
    let find = |name: &str| {
        let (_, bytes, _) = SESSIONS.iter().find(|(value, ..)| *value == name).unwrap();
        let record = decoded(Format::MessagePack, unhex(bytes)).unwrap();
        record.data.find("v").unwrap().to_vec()
    };
    let point: Point = value::decode(Format::MessagePack, "v", &find("dataclass")).unwrap();
    assert_eq!((point.x, point.y.as_str()), (1, "y"));
    let time: crate::flask::DateTime =
        value::decode(Format::MessagePack, "v", &find("old")).unwrap();
    assert_eq!(time.to_string(), "1960-01-01T00:00:00Z");
    let dict: BTreeMap<String, serde_json::Value> =
        value::decode(Format::MessagePack, "v", &find("dict")).unwrap();
    assert_eq!(dict.len(), 2);
}

#[test]
fn who_is_signed_in_and_for_how_long_are_keys_of_the_map() {
    for format in [Format::MessagePack, Format::Json] {
        let payload: Vec<u8> = match format {
            Format::MessagePack => unhex("82a85f757365725f6964a134a17801"),
            Format::Json => br#"{"_user_id":"4","x":1}"#.to_vec(),
        };
        let mut record = decoded(format, payload).unwrap();
        assert_eq!(record.user.as_deref(), Some("4"));
        assert_eq!(record.permanent, Some(false));

        record.permanent = Some(true);
        (record.user, record.signed_in) = (Some("7".into()), Some(NOON));
        let bytes = written(format, &mut record, &Changes::default());
        let again = decoded(format, bytes.clone()).unwrap();
        assert_eq!(
            (again.user.as_deref(), again.permanent),
            (Some("7"), Some(true))
        );
        assert_eq!(read(format, &again.data, FRESH), Some(true));
        assert!(again.data.keys().eq(record.data.keys()));

        // Flask's own log-out takes the key away.
        let mut changes = Changes::default();
        changes.set(USER, None);
        record.signed_in = None;
        let bytes = written(format, &mut record, &changes);
        assert_eq!(decoded(format, bytes).unwrap().user, None);
    }
}

#[test]
fn clearing_keeps_who_is_signed_in() {
    let payload = br#"{"_permanent":true,"x":1,"_user_id":"4","_fresh":false,"y":2}"#;
    let mut record = decoded(Format::Json, *payload).unwrap();
    let mut changes = Changes::default();
    changes.clear();
    let cleared = written(Format::Json, &mut record, &changes);
    assert_eq!(
        cleared,
        br#"{"_permanent":true,"_user_id":"4","_fresh":false}"#
    );
}

#[test]
fn a_session_of_nothing_or_permanent_only_is_nothing() {
    for (text, nothing) in [
        ("{}", true),
        (r#"{"_permanent":true}"#, true),
        (r#"{"_permanent":true,"x":1}"#, false),
        (r#"{"x":1}"#, false),
    ] {
        let record = decoded(Format::Json, text).unwrap();
        assert_eq!(is_nothing(&record.data), nothing, "{text}");
    }
    assert!(is_nothing(&new_data(Format::MessagePack, true)));
}

#[test]
fn what_flask_takes_for_missing_is_missing_and_a_pickle_is_not_read() {
    let layout = Layout::Flask(Format::MessagePack);
    for missing in [&b""[..], b"\xc0"] {
        let decoded = layout.decode(&key(), entry(missing), 1 << 16);
        assert!(matches!(decoded, Ok(Decoded::Nothing)));
    }
    let pickle = b"\x80\x05\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01x\x94K\x01s.";
    for format in [Format::MessagePack, Format::Json] {
        assert_eq!(decoded(format, *pickle), Err(Unreadable::Pickled));
    }
    assert!(
        decoded(Format::MessagePack, [0x80])
            .unwrap()
            .data
            .keys()
            .next()
            .is_none()
    );
}

#[test]
fn what_is_damaged_is_corrupt() {
    for (_, bytes, json) in SESSIONS {
        let bytes = unhex(bytes);
        for len in 2..bytes.len() {
            let cut = decoded(Format::MessagePack, &bytes[..len]);
            assert_eq!(cut, Err(Unreadable::Corrupt));
        }
        let longer = [&bytes[..], &[0xc0]].concat();
        assert_eq!(
            decoded(Format::MessagePack, longer),
            Err(Unreadable::Corrupt)
        );
        for len in 1..json.len() {
            let cut = decoded(Format::Json, &json.as_bytes()[..len]);
            assert_eq!(cut, Err(Unreadable::Corrupt));
        }
    }
    for other in [&b"aS\x01"[..], b"{", b"\x92\x01\x02", b"\xff"] {
        assert_eq!(
            decoded(Format::MessagePack, other),
            Err(Unreadable::Corrupt)
        );
    }
    let large = [&[0x81, 0xa1, b'x', 0xda, 0xff, 0xff][..], &[b'y'; 0xffff]].concat();
    assert_eq!(
        decoded(Format::MessagePack, large),
        Err(Unreadable::TooLarge)
    );
}

#[test]
fn a_tombstone_lies_beside_and_names_the_new_id() {
    let layout = Layout::Flask(Format::MessagePack);
    let successor = StoreKey::from_plain("the-new-one");
    for user in [None, Some("ada".into())] {
        let tombstone = Tombstone {
            successor: successor.clone(),
            replaced: NOON,
            user,
        };
        let entry = layout.encode_tombstone(&key(), &tombstone, NOON);
        let Ok(Decoded::Tombstone(decoded)) = layout.decode(&key(), entry, 1 << 16) else {
            panic!("no tombstone where one was stored")
        };
        assert_eq!(decoded, tombstone);
    }
    let entry = encode_destroyed(NOON);
    assert!(matches!(
        layout.decode(&key(), entry, 1 << 16),
        Ok(Decoded::Destroyed)
    ));
    let grave = layout.grave(&key()).unwrap();
    assert_eq!((grave.plain(), layout.grave(&grave)), (None, None));
}

#[test]
fn no_key_and_no_tombstone_shows_an_id() {
    assert_eq!(key().plain(), Some("an-id_of.Flask"));
    let shown = format!("{:?} {} {} {}", key(), key(), key().short(), key().handle());
    assert!(!shown.contains("Flask"), "{shown}");
}
