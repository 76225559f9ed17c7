//! What comes back is what was written: payloads, keys and users.

use super::subject::{NOW, Subject, entry, entry_of, key_of, new_key, new_user};
use crate::suite::{Failure, ensure};

pub(crate) async fn payloads_come_back_byte_for_byte(store: Subject) -> Result<(), Failure> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads = [
        ("an empty payload", Vec::new()),
        ("one NUL", vec![0]),
        ("every byte value", every_byte.clone()),
        ("no UTF-8", vec![0xff, 0xfe, 0x80, 0xc0, 0xed, 0xa0, 0x80]),
        ("quotes and line ends", b"'\"\\\r\n%s$1\t ".to_vec()),
        ("64 KiB", every_byte.repeat(256)),
        ("64 KiB and a byte", {
            let mut bytes = every_byte.repeat(256);
            bytes.push(1);
            bytes
        }),
        ("1 MiB", every_byte.repeat(4096)),
    ];
    let (key, mut version) = store.created(&entry("before")).await?;
    for (what, payload) in payloads {
        let written = entry(payload);
        let when = format!("after create with {what}");
        let (new, created) = store.created(&written).await?;
        store.expect(&new, &written, &created, &when).await?;

        version = store.update(&key, &version, &written).await?;
        let when = format!("after update to {what}");
        store.expect(&key, &written, &version, &when).await?;
    }
    Ok(())
}

pub(crate) async fn keys_that_are_alike_do_not_meet(store: Subject) -> Result<(), Failure> {
    let mut keys = vec![*new_key().as_bytes().first_chunk().unwrap_or(&[0; 32])];
    // One that differs in a single bit, at each end and around each half.
    for position in [0, 7, 8, 15, 16, 30, 31] {
        let mut key = keys[0];
        key[position] ^= 1;
        keys.push(key);
    }
    // Bytes that mean something to a path, a pattern, a string or a number, and the case of letters.
    for filler in [
        0x00, 0xff, b'/', b'.', b'*', b'%', b'_', b'\n', b':', b'{', b'a', b'A',
    ] {
        let mut key = keys[0];
        key[..4].fill(filler);
        key[16..].fill(filler);
        keys.push(key);
    }

    let mut versions = Vec::new();
    for (number, bytes) in keys.iter().enumerate() {
        let entry = entry(number.to_string());
        versions.push(store.create(&key_of(*bytes), &entry, NOW).await?);
    }
    for (number, bytes) in keys.iter().enumerate() {
        let (key, entry) = (key_of(*bytes), entry(number.to_string()));
        let when = format!("under {key}, with others like it");
        store.expect(&key, &entry, &versions[number], &when).await?;
        store.remove(&key, &versions[number]).await?;
    }
    Ok(())
}

pub(crate) async fn users_come_back_exactly(store: Subject) -> Result<(), Failure> {
    let unique = new_user();
    let long = |filler: &str| {
        let room = 255 - unique.len();
        unique.clone() + &filler.repeat(room / filler.len())
    };
    let users = [
        String::new(),
        format!("{unique} "),
        format!(" {unique}"),
        format!("{unique}-Ünïcode-日本語"),
        format!("{unique}-\u{1F980}\u{1F469}\u{200D}\u{1F4BB}"),
        format!("{unique}-e\u{301}"),
        format!("{unique}-\u{e9}"),
        format!("{unique}'\"\\/*%_:{{}}\n\t"),
        format!("../{unique}"),
        long("x"),
        long("\u{1F980}"),
    ];
    for user in users {
        let written = entry_of(&user, "payload");
        let (key, version) = store.created(&written).await?;
        let when = format!("after create for the user {user:?}");
        store.expect(&key, &written, &version, &when).await?;
        // The index of the empty user may be shared with everybody's, so only that it holds the key is checked.
        let keys = store.keys_of_user(&user).await?;
        ensure!(
            keys.contains(&key),
            "keys_of_user({user:?}) holds the key of that user's entry, but it answered {} others",
            keys.len()
        );
        store.remove(&key, &version).await?;
    }
    Ok(())
}

/// Not every backend can hold U+0000 in a text. To refuse is honest; to cut the user off there would make it another.
pub(crate) async fn a_user_with_a_nul_is_kept_exactly_or_refused(
    store: Subject,
) -> Result<(), Failure> {
    let user = new_user();
    let written = entry_of(&format!("{user}\0admin"), "payload");
    let key = new_key();
    let put = store.put(&key, anysession::Expect::Absent, written.clone(), NOW);
    match put.await {
        Ok(anysession::Write::Done(version)) => {
            let when = "after create for a user with a NUL";
            store.expect(&key, &written, &version, when).await?;
        }
        Ok(anysession::Write::Conflict) => {
            return Err(Failure::new(
                "create for a user with a NUL is done or an error, but put answered Conflict",
            ));
        }
        Err(_) => {
            store
                .expect_absent(&key, "after a user with a NUL was refused")
                .await?;
        }
    }
    let others = store.keys_of_user(&user).await?;
    ensure!(
        others.is_empty(),
        "an entry of {:?} is not one of {user:?}, but keys_of_user holds it",
        written.user
    );
    Ok(())
}
