//! Masters, replicas, and who is which.

use std::time::Duration;

use anysession::{Deletion, Expect, Write};
use anysession_testkit::servers::{Redis, RedisSentinels};
use tokio::time::Instant;

use crate::common::{LATER, NOW, chain, create, entry, load, new_key, of_user, open, update};

const LIMITS: &str = "connect_timeout=1s&timeout=500ms";

pub(crate) async fn a_log_out_that_no_replica_knows_is_an_error_if_it_must_be_replicated() {
    let mut master = Redis::setup().start().unwrap();
    let mut replica = Redis::setup().replica_of(&master).start().unwrap();
    replica
        .await_that(&["INFO", "replication"], |info| {
            info.contains("master_link_status:up")
        })
        .unwrap();
    master
        .await_that(&["INFO", "replication"], |info| {
            info.contains("state=online")
        })
        .unwrap();
    let relaxed = open(&format!("{}?{LIMITS}", master.url())).await;
    let strict = open(&format!("{}?{LIMITS}&durability=replicated", master.url())).await;
    let (first, version) = create(&*strict, of_user("ada", "x")).await;
    let version = update(&*strict, &first, &version, of_user("ada", "y")).await;
    assert_eq!(
        strict.delete(&first, &version).await.unwrap(),
        Deletion::Done
    );
    // It waits for nobody if it changed nothing, and so it is no error.
    let (second, version) = create(&*strict, entry("x")).await;
    let (third, third_version) = create(&*strict, entry("x")).await;
    let (fourth, fourth_version) = create(&*strict, entry("x")).await;

    replica.program().signal("STOP").unwrap();
    let mut monitor = master.monitor().unwrap();
    let mut waits = || {
        let sent = monitor.commands(&master).unwrap();
        sent.iter().filter(|name| *name == "wait").count()
    };
    let conflict = strict
        .put(&second, Expect::Absent, entry("y"), NOW)
        .await
        .unwrap();
    assert_eq!(conflict, Write::Conflict);
    for error in [
        strict.delete(&second, &version).await.unwrap_err(),
        strict
            .put(&third, Expect::Version(third_version), entry("y"), NOW)
            .await
            .unwrap_err(),
        strict
            .put(&new_key(), Expect::Absent, entry("y"), NOW)
            .await
            .unwrap_err(),
    ] {
        assert!(chain(&error).contains("no replica"), "{}", chain(&error));
    }
    assert!(waits() > 0, "a wait is seen");
    // Neither reads nor new deadlines wait, and other stores take the master's word.
    load(&*strict, &fourth).await;
    strict
        .touch(&fourth, &fourth_version, LATER, NOW)
        .await
        .unwrap();
    assert_eq!(
        relaxed.delete(&fourth, &fourth_version).await.unwrap(),
        Deletion::Done
    );
    assert_eq!(waits(), 0);
    replica.program().signal("CONT").unwrap();
}

pub(crate) async fn a_master_that_was_stopped_comes_back_as_a_replica_and_is_not_asked() {
    let mut sentinels = RedisSentinels::start().unwrap();
    let url = format!(
        "redis-sentinel://{}/{}?{LIMITS}",
        sentinels.addresses(),
        RedisSentinels::SERVICE
    );
    let store = open(&url).await;
    let (key, version) = create(&*store, entry("before")).await;
    let old = sentinels.master_port().unwrap();
    sentinels.servers()[1]
        .await_that(&["EXISTS", &format!("anysession:session:{key}")], |n| {
            n == "1"
        })
        .unwrap();

    sentinels.servers()[0].program().signal("STOP").unwrap();
    sentinels.await_failover(old).unwrap();
    // At most one request is spent on finding out that the old master is silent.
    let started = Instant::now();
    while store.load(&key).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let version = update(&*store, &key, &version, entry("after")).await;

    sentinels.servers()[0].program().signal("CONT").unwrap();
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it stays a master, or nobody answers"
        );
        let role = tokio::task::block_in_place(|| sentinels.servers()[0].command(&["ROLE"]));
        // Of so many, one may be late; what counts is what the others answer.
        let Ok(stored) = store.load(&key).await else {
            continue;
        };
        let stored = stored.unwrap();
        assert_eq!(
            (stored.entry.payload.as_ref(), &stored.version),
            (&b"after"[..], &version)
        );
        if role.is_ok_and(|role| role.starts_with("slave")) {
            break;
        }
    }
    let version = update(&*store, &key, &version, entry("later")).await;
    assert_eq!(store.delete(&key, &version).await.unwrap(), Deletion::Done);
}
