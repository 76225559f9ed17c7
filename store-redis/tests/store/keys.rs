//! What lies in Redis, and for how long.

use std::time::Duration;

use anysession::{Deletion, Entry, Expect, Timestamp, Write};
use anysession_testkit::servers::Redis;

use crate::common::{
    LATER, NOW, create, delete, done, entry, load, new_key, of_user, open, update,
};

/// How long Redis keeps a record beyond its deadline, in milliseconds.
const LAG: u64 = 300_000;

pub(crate) async fn applications_with_different_prefixes_do_not_meet() {
    let server = Redis::setup().start().unwrap();
    let shop = open(&format!("{}?prefix=shop:", server.url())).await;
    let blog = open(&format!("{}?prefix=blog:", server.url())).await;
    let (key, version) = create(&*shop, of_user("ada", "x")).await;
    assert_eq!(blog.load(&key).await.unwrap(), None);
    assert_eq!(blog.keys_of_user("ada").await.unwrap(), []);
    assert_eq!(
        blog.delete(&key, &version).await.unwrap(),
        Deletion::Conflict
    );
    let keys = server.command(&["KEYS", "*"]).unwrap();
    let session = format!("shop:session:{key}");
    assert!(keys.lines().any(|name| name == session), "{keys}");
    let index = keys
        .lines()
        .filter(|name| name.starts_with("shop:user:"))
        .count();
    assert_eq!((index, keys.lines().count()), (1, 2), "{keys}");
}

pub(crate) async fn redis_removes_a_session_some_time_after_its_deadline() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (key, version) = create(&*store, entry("x")).await;
    assert_eq!(
        removal(&server, &format!("anysession:session:{key}")),
        LATER.as_millis() + LAG
    );
    let later = LATER + Duration::from_millis(1);
    store.touch(&key, &version, later, NOW).await.unwrap();
    assert_eq!(
        removal(&server, &format!("anysession:session:{key}")),
        later.as_millis() + LAG
    );
}

/// The application's clock is the one that is set here, since the server's cannot be.
pub(crate) async fn a_server_clock_that_is_off_changes_no_answer() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let time = server.command(&["TIME"]).unwrap();
    let server_time =
        Timestamp::from_millis(time.lines().next().unwrap().parse::<u64>().unwrap() * 1000);
    let off = Duration::from_secs(90);
    for now in [server_time.before(off), server_time + off] {
        let deadline = now + Duration::from_secs(30);
        let short = |payload: &str| Entry {
            deadline,
            ..of_user("ada", payload)
        };
        let key = new_key();
        let version = done(
            store
                .put(&key, Expect::Absent, short("a"), now)
                .await
                .unwrap(),
        );
        assert_eq!(load(&*store, &key).await.entry.deadline, deadline);
        assert_eq!(
            store.keys_of_user("ada").await.unwrap(),
            std::slice::from_ref(&key)
        );
        let last = deadline.before(Duration::from_millis(1));
        let expect = Expect::Version(version);
        let version = done(store.put(&key, expect, short("b"), last).await.unwrap());
        let longer = deadline + Duration::from_secs(1);
        store.touch(&key, &version, longer, last).await.unwrap();
        assert_eq!(load(&*store, &key).await.entry.deadline, longer);
        // It is over when the application's clock says so.
        store
            .touch(&key, &version, longer + off, longer)
            .await
            .unwrap();
        assert_eq!(load(&*store, &key).await.entry.deadline, longer);
        let revive = store.put(&key, Expect::Version(version), short("c"), longer);
        assert_eq!(revive.await.unwrap(), Write::Conflict);
        let anew = Entry {
            deadline: longer + off,
            ..of_user("ada", "d")
        };
        let version = done(store.put(&key, Expect::Absent, anew, longer).await.unwrap());
        delete(&*store, &key, &version).await;
    }
}

pub(crate) async fn the_edges_of_time_are_no_errors() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let millis = Timestamp::from_millis;
    let times = [
        millis(0),
        millis(1),
        millis(999),
        NOW,
        millis((1 << 53) - 2),
        millis((1 << 53) - 1),
        millis(1 << 53),
        millis(i64::MAX.unsigned_abs()),
        Timestamp::MAX,
    ];
    for deadline in times {
        for now in times {
            let key = new_key();
            let timed = Entry {
                deadline,
                ..of_user("ada", "x")
            };
            let version = done(
                store
                    .put(&key, Expect::Absent, timed.clone(), now)
                    .await
                    .unwrap(),
            );
            let found = store.load(&key).await.unwrap();
            if let Some(found) = &found {
                assert_eq!(found.entry.deadline, deadline.min(millis((1 << 53) - 1)));
            }
            let alive = found.is_some_and(|found| found.entry.deadline > now);
            let again = store
                .put(&key, Expect::Version(version.clone()), timed, now)
                .await;
            assert_eq!(
                matches!(again.unwrap(), Write::Done(_)),
                alive,
                "{deadline:?} {now:?}"
            );
            store.touch(&key, &version, deadline, now).await.unwrap();
            assert_eq!(
                alive,
                deadline > now && now < millis((1 << 53) - 1) && deadline > millis(1000)
            );
        }
    }
}

pub(crate) async fn what_another_wrote_is_no_session_and_stays() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (key, version) = create(&*store, of_user("ada", "x")).await;
    let name = format!("anysession:session:{key}");
    let ours = Expect::Version(version.clone());
    for foreign in [
        "",
        "x",
        "{\"user\":\"ada\"}, which is longer than a header",
        "\u{2}a newer format of a record",
    ] {
        server.command(&["SET", &name, foreign]).unwrap();
        let absent = foreign.is_empty();
        assert_eq!(store.load(&key).await.unwrap(), None);
        store
            .touch(&key, &version, LATER + Duration::from_secs(1), NOW)
            .await
            .unwrap();
        assert_eq!(
            store
                .put(&key, ours.clone(), entry("y"), NOW)
                .await
                .unwrap(),
            Write::Conflict
        );
        assert_eq!(
            store.delete(&key, &version).await.unwrap(),
            Deletion::Conflict
        );
        if !absent {
            let create = store
                .put(&key, Expect::Absent, entry("y"), NOW)
                .await
                .unwrap();
            assert_eq!(create, Write::Conflict);
        }
        assert_eq!(server.command(&["GET", &name]).unwrap(), foreign);
        assert_eq!(
            store.keys_of_user("ada").await.unwrap().len(),
            usize::from(!absent)
        );
        // What the index lost with the empty value comes back with the record.
        server.command(&["DEL", &name]).unwrap();
        done(
            store
                .put(&key, Expect::Absent, of_user("ada", "x"), NOW)
                .await
                .unwrap(),
        );
    }
    // Not even a string.
    server.command(&["DEL", &name]).unwrap();
    server.command(&["RPUSH", &name, "x"]).unwrap();
    assert!(store.load(&key).await.is_err());
    assert!(
        store
            .put(&key, Expect::Absent, entry("y"), NOW)
            .await
            .is_err()
    );
    assert!(store.delete(&key, &version).await.is_err());
    assert_eq!(server.command(&["LRANGE", &name, "0", "-1"]).unwrap(), "x");
}

pub(crate) async fn a_record_in_a_newer_format_or_cut_off_is_no_session_and_stays() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    for damage in [
        "redis.call('SETRANGE', KEYS[1], 0, '\\2')",
        "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 12))",
    ] {
        let (key, version) = create(&*store, entry("x")).await;
        let name = format!("anysession:session:{key}");
        let run = |script| server.command(&["EVAL", script, "1", &name]).unwrap();
        run(damage);
        let sum = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
        let before = run(sum);
        assert_eq!(store.load(&key).await.unwrap(), None);
        let later = LATER + Duration::from_secs(1);
        store.touch(&key, &version, later, NOW).await.unwrap();
        for expect in [Expect::Version(version.clone()), Expect::Absent] {
            let put = store.put(&key, expect, entry("y"), NOW).await;
            assert_eq!(put.unwrap(), Write::Conflict);
        }
        let deleted = store.delete(&key, &version).await;
        assert_eq!(deleted.unwrap(), Deletion::Conflict);
        assert_eq!(run(sum), before);
    }
}

pub(crate) async fn the_index_of_a_user_expires_with_the_last_session() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (key, version) = create(&*store, of_user("ada", "x")).await;
    let longer = Entry {
        deadline: LATER + Duration::from_secs(60),
        ..of_user("ada", "y")
    };
    create(&*store, longer).await;
    let names = server.command(&["KEYS", "anysession:user:*"]).unwrap();
    let of_ada = |server: &Redis| removal(server, names.trim());
    assert_eq!(of_ada(&server), LATER.as_millis() + 60_000 + LAG);
    // A session that is only read moves its index too, or would drop out of it one day.
    store
        .touch(&key, &version, LATER + Duration::from_secs(90), NOW)
        .await
        .unwrap();
    assert_eq!(of_ada(&server), LATER.as_millis() + 90_000 + LAG);
    // Sessions whose time has passed leave the index with the next write.
    let now = LATER + Duration::from_secs(70);
    let last = Entry {
        deadline: now + Duration::from_secs(5),
        ..of_user("ada", "z")
    };
    done(
        store
            .put(&new_key(), Expect::Absent, last, now)
            .await
            .unwrap(),
    );
    assert_eq!(server.command(&["ZCARD", names.trim()]).unwrap(), "2");
    assert_eq!(of_ada(&server), LATER.as_millis() + 90_000 + LAG);
}

pub(crate) async fn the_index_is_pruned_when_it_is_read() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (deleted, version) = create(&*store, of_user("ada", "x")).await;
    delete(&*store, &deleted, &version).await;
    let (moved, version) = create(&*store, of_user("ada", "x")).await;
    let names = server.command(&["KEYS", "anysession:user:*"]).unwrap();
    let entries = || server.command(&["ZCARD", names.trim()]).unwrap();
    let version = update(&*store, &moved, &version, of_user("bob", "x")).await;
    assert_eq!(entries(), "2");
    assert_eq!(store.keys_of_user("ada").await.unwrap(), []);
    assert_eq!(entries(), "0");
    assert_eq!(
        store.keys_of_user("bob").await.unwrap(),
        std::slice::from_ref(&moved)
    );
    update(&*store, &moved, &version, of_user("ada", "x")).await;
    assert_eq!(
        store.keys_of_user("ada").await.unwrap(),
        std::slice::from_ref(&moved)
    );
    assert_eq!(store.keys_of_user("bob").await.unwrap(), []);
}

/// When Redis removes a key, in milliseconds since 1970.
fn removal(server: &Redis, key: &str) -> u64 {
    server
        .command(&["PEXPIRETIME", key])
        .unwrap()
        .parse()
        .unwrap()
}
