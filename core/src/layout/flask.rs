//! The layout of Flask-Session 0.8: the bare map, under the id itself.
//!
//! What the session says about itself are keys of the map, as Flask and flask-login keep them: `_permanent`, `_user_id`
//! and `_fresh`. Nothing says when it was begun or written. The version of a record is its bytes.
//!
//! A tombstone cannot lie under the old id, where Flask has to find nothing. It lies beside, under the hash of the id,
//! which no cookie reaches: an array of a mark, when the id was replaced (milliseconds), and the new id and the user, or nil.

use serde::{Deserialize, Serialize};

use super::{Decoded, Unreadable, json};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::flask::Format;
use crate::id::StoreKey;
use crate::payload::{Draft, Edit, Pair, Payload};
use crate::record::{Record, Tombstone};
use crate::store::Entry;
use crate::value;

pub(super) const PERMANENT: &str = "_permanent";
const USER: &str = "_user_id";
const FRESH: &str = "_fresh";
const LOGIN_ID: &str = "_id";

const MARK: &str = "anysession";

#[derive(Serialize, Deserialize)]
struct Grave<'a>(
    &'a str,
    u64,
    #[serde(borrow)] Option<&'a str>,
    #[serde(borrow)] Option<&'a str>,
);

pub(super) fn grave(key: &StoreKey) -> Option<StoreKey> {
    key.plain()?;
    Some(StoreKey::from_digest(*key.digest()))
}

pub(super) fn new_data(format: Format, permanent: bool) -> Payload {
    let pair = permanent.then(|| pair(format, PERMANENT, &true));
    with(&Payload::empty(), pair.into_iter())
}

/// Who is signed in, and for how long, is no data.
pub(super) fn cleared(data: &Payload) -> Payload {
    let kept = [PERMANENT, USER, FRESH, LOGIN_ID].into_iter();
    let kept = kept.filter_map(|key| Some(Pair::new(key, data.find(key)?)));
    with(&Payload::empty(), kept)
}

/// The data as MessagePack, without what a native record says beside it.
pub(super) fn without_settings(format: Format, data: &Payload) -> Result<Draft, Error> {
    let data = match format {
        Format::MessagePack => data.clone(),
        Format::Json => {
            let pairs = in_format(data, Format::Json, Format::MessagePack)?;
            with(&Payload::empty(), pairs.into_iter())
        }
    };
    let removed = [PERMANENT, USER, FRESH, LOGIN_ID].map(|key| Edit {
        key: key.as_bytes(),
        pair: None,
    });
    Ok(data.edited(removed.into_iter()))
}

fn in_format(data: &Payload, from: Format, to: Format) -> Result<Vec<Pair>, Error> {
    data.pairs()
        .map(|(key, value)| {
            let value: serde_json::Value = value::decode(from, key, value)?;
            value::encode_pair(to, key, &value)
        })
        .collect()
}

/// What was written while another format was configured, in the one that is configured now; `None` if that one has no
/// way to say it.
fn converted(data: &Payload, from: Format, to: Format) -> Option<Payload> {
    let pairs = in_format(data, from, to).ok()?;
    (pairs.len() == data.len()).then(|| with(&Payload::empty(), pairs.into_iter()))
}

/// As Flask judges whether a session is true.
pub(super) fn is_nothing(data: &Payload) -> bool {
    data.len() == usize::from(data.find(PERMANENT).is_some())
}

pub(super) fn seal(format: Format, record: &mut Record, data: Draft, deadline: Timestamp) -> Entry {
    let data = Payload::from(data);
    let permanent =
        (record.permanent).filter(|permanent| *permanent != is_permanent(format, &data));
    let permanent = permanent.map(|permanent| pair(format, PERMANENT, &permanent));
    // Only a log-in of this request is known by its time.
    let user = (record.user.as_deref()).filter(|_| record.signed_in.is_some());
    let signed_in = user.map(|user| [pair(format, USER, user), pair(format, FRESH, &true)]);
    let data = with(
        &data,
        permanent.into_iter().chain(signed_in.into_iter().flatten()),
    );
    record.permanent = Some(is_permanent(format, &data));
    record.user = user_of(format, &data).map(Into::into);
    let payload = match format {
        Format::MessagePack => data.to_bytes(),
        Format::Json => json::write(&data).into(),
    };
    record.data = data;
    Entry {
        payload,
        deadline,
        user: None,
    }
}

pub(super) fn encode_tombstone(tombstone: &Tombstone, deadline: Timestamp) -> Entry {
    let (successor, user) = (tombstone.successor.plain(), tombstone.user.as_deref());
    bury(
        &Grave(MARK, tombstone.replaced.as_millis(), successor, user),
        deadline,
    )
}

pub(super) fn encode_destroyed(deadline: Timestamp) -> Entry {
    bury(&Grave(MARK, 0, None, None), deadline)
}

fn bury(grave: &Grave<'_>, deadline: Timestamp) -> Entry {
    let payload = rmp_serde::to_vec(grave)
        .unwrap_or_else(|_| unreachable!("an array of texts and numbers can be written"));
    Entry {
        payload: payload.into(),
        deadline,
        user: None,
    }
}

pub(super) fn decode(
    format: Format,
    entry: Entry,
    size_limit: usize,
) -> Result<Decoded, Unreadable> {
    let bytes = entry.payload;
    match *bytes {
        // What Flask takes for a session that is not there.
        [] | [0xc0] => return Ok(Decoded::Nothing),
        // The map that has no pairs is this byte alone; a pickle begins with it too.
        [0x80, _, ..] => return Err(Unreadable::Pickled),
        _ => {}
    }
    if let Ok(Grave(MARK, replaced, successor, user)) = rmp_serde::from_slice(&bytes) {
        return Ok(match successor {
            None => Decoded::Destroyed,
            Some(successor) => Decoded::Tombstone(Tombstone {
                successor: StoreKey::from_plain(successor),
                replaced: Timestamp::from_millis(replaced),
                user: user.map(Into::into),
            }),
        });
    }
    if bytes.len() > size_limit {
        return Err(Unreadable::TooLarge);
    }
    // Neither format begins as the other does.
    let written = match bytes.first() {
        Some(b'{') => Format::Json,
        Some(0x80..=0x8f | 0xde | 0xdf) => Format::MessagePack,
        _ => format,
    };
    let data = match written {
        Format::MessagePack => Payload::whole(bytes),
        Format::Json => json::read(&bytes),
    };
    let data = match written == format {
        true => data,
        false => data.and_then(|data| converted(&data, written, format)),
    };
    let data = data.ok_or(Unreadable::Corrupt)?;
    Ok(Decoded::Record(Record {
        created: Timestamp::from_millis(0),
        written: Timestamp::from_millis(0),
        ends: Timestamp::MAX,
        lifetime: None,
        permanent: Some(is_permanent(format, &data)),
        user: user_of(format, &data).map(Into::into),
        signed_in: None,
        data,
    }))
}

fn is_permanent(format: Format, data: &Payload) -> bool {
    read(format, data, PERMANENT).unwrap_or(false)
}

/// flask-login keeps a text, whatever the application's own type is; some applications write a number themselves.
fn user_of(format: Format, data: &Payload) -> Option<String> {
    let number = || read::<i64>(format, data, USER).map(|number| number.to_string());
    read(format, data, USER).or_else(number)
}

fn read<T: serde::de::DeserializeOwned>(format: Format, data: &Payload, key: &str) -> Option<T> {
    value::decode(format, key, data.find(key)?).ok()
}

fn pair<T: Serialize + ?Sized>(format: Format, key: &str, value: &T) -> Pair {
    value::encode_pair(format, key, value)
        .unwrap_or_else(|_| unreachable!("a text and a boolean can be written"))
}

/// The same map with these pairs in it.
fn with(data: &Payload, pairs: impl Iterator<Item = Pair>) -> Payload {
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() {
        return data.clone();
    }
    let edits = pairs.iter().map(|pair| Edit {
        key: pair.key(),
        pair: Some(&pair.bytes),
    });
    data.edited(edits).into()
}

#[cfg(test)]
mod tests;
