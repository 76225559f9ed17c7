//! A session as a JSON object, as Flask-Session writes it with `SESSION_SERIALIZATION_FORMAT=json` and cachelib with its
//! `JSONSerializer`.
//!
//! In memory it is a MessagePack map like any other, whose values are the texts of the members: see [`Member`]. So a member
//! that nobody touches goes back as it came, to the last digit of a number and to the escapes in its name. Only the white
//! space between members is not kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::payload::{Edit, Pair, Payload};
use crate::value::Member;

/// `None` if it is not one object.
pub(super) fn read(text: &[u8]) -> Option<Payload> {
    let text = std::str::from_utf8(text).ok()?;
    let parsed = without_python_numbers(text);
    let Members(members) = serde_json::from_str(&parsed).ok()?;
    let mut end = 0;
    let mut pairs = Vec::with_capacity(members.len());
    for (key, value) in members {
        let start = value.get().as_ptr() as usize - parsed.as_ptr() as usize;
        let name = name_in(&text[end..start]);
        end = start + value.get().len();
        let value = &text[start..end];
        pairs.push(Pair::new(&key, &Member { name, value }.wrapped()));
    }
    // The last one of several members of one name counts, as it does for Python.
    let places: HashMap<_, _> = pairs.iter().map(Pair::key).zip(0..).collect();
    let last = pairs
        .iter()
        .enumerate()
        .filter(|(at, pair)| places[pair.key()] == *at);
    let edits = last.map(|(_, pair)| Edit {
        key: pair.key(),
        pair: Some(&pair.bytes),
    });
    Some(Payload::empty().edited(edits).into())
}

pub(super) fn write(data: &Payload) -> Vec<u8> {
    let mut text = Vec::with_capacity(data.size());
    text.push(b'{');
    for (key, value) in data.pairs() {
        if text.len() > 1 {
            text.push(b',');
        }
        let member = Member::unwrapped(value);
        match member.name {
            // Writing a text to memory cannot fail.
            "" => drop(serde_json::to_writer(&mut text, key)),
            name => text.extend_from_slice(name.as_bytes()),
        }
        text.push(b':');
        text.extend_from_slice(member.value.as_bytes());
    }
    text.push(b'}');
    text
}

/// The name of a member, as it is written, in what stands between the value before it and its own.
fn name_in(between: &str) -> &str {
    let name = between.trim_start_matches(['{', ',', ' ', '\t', '\r', '\n']);
    name.trim_end_matches([':', ' ', '\t', '\r', '\n'])
}

/// The same text, at every place, with numbers of JSON for those that only Python knows.
fn without_python_numbers(text: &str) -> Cow<'_, str> {
    const NUMBERS: [(&str, &str); 2] = [("NaN", "0.0"), ("Infinity", "1e000000")];
    let bytes = text.as_bytes();
    if NUMBERS
        .iter()
        .all(|(name, _)| memmem::find(bytes, name.as_bytes()).is_none())
    {
        return Cow::Borrowed(text);
    }
    let mut parsed = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let number = NUMBERS
            .iter()
            .find(|(name, _)| !quoted && rest.starts_with(name));
        if let Some((name, number)) = number {
            parsed.push_str(number);
            rest = &rest[name.len()..];
            continue;
        }
        quoted ^= next == '"' && !escaped;
        escaped = quoted && next == '\\' && !escaped;
        parsed.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Cow::Owned(parsed)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Option<String> {
        read(text.as_bytes()).map(|data| String::from_utf8(write(&data)).unwrap())
    }

    #[test]
    fn members_that_nobody_touches_come_back_as_they_were() {
        for text in [
            "{}",
            r#"{"_permanent":true,"n":18446744073709551616,"name":"hé","s":"h\u00e9\ud800","":{"b":[1.50,null]}}"#,
            r#"{"h\u00e9":1,"a\"b\\":"NaN, \"Infinity","\/":-0.0}"#,
            r#"{"nan":NaN,"all":[Infinity,-Infinity,{"NaN":NaN}],"t":"\\"}"#,
        ] {
            assert_eq!(again(text).as_deref(), Some(text));
        }
        let spaced = "{ \"a\" : 1 ,\n \"b\": [1, 2] }";
        assert_eq!(again(spaced).as_deref(), Some(r#"{"a":1,"b":[1, 2]}"#));
    }

    #[test]
    fn the_last_of_two_members_of_one_name_counts() {
        let text = r#"{"a":1,"b":2,"\u0061":3}"#;
        assert_eq!(again(text).as_deref(), Some(r#"{"b":2,"\u0061":3}"#));
    }

    #[test]
    fn what_is_not_one_object_is_none() {
        for text in [
            "",
            "null",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1}x",
            "{\"a\":[}",
            "{a:1}",
            "{\"a\":nan}",
        ] {
            assert_eq!(again(text), None, "{text}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_none());
    }
}
