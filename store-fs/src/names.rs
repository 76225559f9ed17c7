//! What the files are called. A name is made of hexadecimal digits and nothing that a visitor or an application chose,
//! so no name can leave its folder; and only what these functions recognise is ever listed, swept or deleted.

use std::sync::atomic::{AtomicU64, Ordering};

use anysession::StoreKey;

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const KEY_DIGITS: usize = 64;
const TEMP_PREFIX: &str = "tmp-";

/// The folder, and the lock, that a key belongs to.
pub(crate) fn shard_of(key: &StoreKey) -> u8 {
    key.as_bytes().first().copied().unwrap_or_default()
}

pub(crate) fn shard_name(shard: u8) -> String {
    hex(&[shard])
}

/// The file that holds the record of a key, inside its shard.
pub(crate) fn record_name(key: &StoreKey) -> String {
    hex(key.as_bytes())
}

/// The same with its shard before it.
pub(crate) fn record_path(key: &StoreKey) -> String {
    let mut path = String::with_capacity(3 + KEY_DIGITS);
    push_hex(&mut path, &[shard_of(key)]);
    path.push('/');
    push_hex(&mut path, key.as_bytes());
    path
}

/// The key whose record has this name. Anything else, upper case digits too, is not a file of ours.
pub(crate) fn parse_record_name(name: &[u8]) -> Option<StoreKey> {
    if name.len() != KEY_DIGITS {
        return None;
    }
    let bytes: Option<Vec<u8>> = name
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect();
    StoreKey::from_bytes(&bytes?)
}

/// A name that no other file of this process had. Another machine, or another container, can have the same process id:
/// temporary files are made with `O_EXCL`, and the next name is taken if this one exists.
pub(crate) fn next_temp_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{TEMP_PREFIX}{:08x}-{number:016x}", std::process::id())
}

/// Whether [`next_temp_name`], of whatever process, made this name.
pub(crate) fn is_temp_name(name: &[u8]) -> bool {
    let Some((process, number)) = name
        .strip_prefix(TEMP_PREFIX.as_bytes())
        .and_then(|rest| rest.split_at_checked(8))
    else {
        return false;
    };
    let Some(number) = number.strip_prefix(b"-") else {
        return false;
    };
    number.len() == 16
        && [process, number]
            .concat()
            .iter()
            .all(|&byte| digit(byte).is_some())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_name_is_the_key_and_nothing_else_is_one() {
        let key = StoreKey::from_bytes(&[0xab; 32]).unwrap();
        let name = record_name(&key);
        assert_eq!(name, key.to_string());
        assert_eq!(record_path(&key), format!("ab/{name}"));
        assert_eq!(parse_record_name(name.as_bytes()), Some(key));
        let foreign = [
            String::new(),
            name[1..].to_owned(),
            format!("{name}0"),
            name.to_uppercase(),
            format!("{}.bak", &name[4..]),
            "é".repeat(32),
        ];
        for name in foreign {
            assert_eq!(parse_record_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn only_our_own_temporary_names_are_known() {
        assert!(is_temp_name(next_temp_name().as_bytes()));
        for foreign in [
            "",
            "tmp-",
            "tmp-1",
            "tmp-0000000g-0000000000000000",
            "tmpfile",
        ] {
            assert!(!is_temp_name(foreign.as_bytes()), "{foreign}");
        }
        assert!(!is_temp_name(format!("{}0", next_temp_name()).as_bytes()));
    }
}
