//! Which commands a server is sent, and how many.

use std::collections::HashMap;
use std::sync::Arc;

use anysession::{Deletion, Entry, Expect, Store, Write};
use anysession_redis::{RedisOptions, RedisStore};
use anysession_testkit::RequestCosts;
use anysession_testkit::servers::{Proxy, Redis, RedisCluster};

use crate::common::{LATER, NOW, create, delete, entry, load, new_key, of_user, open, update};

pub(crate) async fn every_verb_is_one_round_trip() {
    let server = Redis::setup().start().unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let store = open(&format!("redis://{}", proxy.address())).await;
    warm(&*store).await;
    for user in [None, Some("ada")] {
        let entry = match user {
            Some(user) => of_user(user, "x"),
            None => entry("x"),
        };
        let before = proxy.round_trips();
        let trips = || proxy.round_trips() - before;
        let (key, version) = create(&*store, entry.clone()).await;
        assert_eq!(trips(), 1, "create");
        load(&*store, &key).await;
        assert_eq!(trips(), 2, "load");
        let version = update(&*store, &key, &version, entry).await;
        assert_eq!(trips(), 3, "update");
        let later = LATER + std::time::Duration::from_secs(1);
        store.touch(&key, &version, later, NOW).await.unwrap();
        assert_eq!(trips(), 4, "touch");
        assert_eq!(load(&*store, &key).await.entry.deadline, later);
        assert_eq!(trips(), 5, "load");
        assert_eq!(store.delete(&key, &version).await.unwrap(), Deletion::Done);
        assert_eq!(trips(), 6, "delete");
        store.delete_expired(LATER, 100).await.unwrap();
        assert_eq!(trips(), 6, "delete_expired asks nobody");
    }
}

/// Of whole requests, on one connection each way that leads to one server: as round trips.
pub(crate) async fn requests_cost_the_round_trips_that_are_promised() {
    let server = Redis::setup().start().unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = format!("redis://{}", proxy.address());
    let client = redis::Client::open(url.as_str()).unwrap();
    let managed = redis::aio::ConnectionManager::new(client).await.unwrap();
    let managed = RedisStore::from_manager(managed, RedisOptions::default()).await;
    for store in [open(&url).await, Arc::new(managed.unwrap()) as _] {
        let costs = RequestCosts::of(store, || proxy.round_trips()).await;
        assert_eq!(costs.unwrap(), RequestCosts::PROMISED);
    }
}

/// The same as the server sees them: the commands that it was sent, without those that its scripts run.
pub(crate) async fn requests_cost_the_commands_that_are_promised() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let mut monitor = server.monitor().unwrap();
    let mut sent = 0;
    let costs = RequestCosts::of(store, || {
        sent += monitor.commands(&server).unwrap().len();
        sent
    });
    // Who signs in is entered into the index of the user behind the record, in the same packet.
    let promised = RequestCosts {
        log_in: RequestCosts::PROMISED.log_in + 1,
        ..RequestCosts::PROMISED
    };
    assert_eq!(costs.await.unwrap(), promised);
}

/// As the servers see them: the commands that a verb sends, without those that its script runs.
pub(crate) async fn every_verb_is_one_round_trip_also_for_a_user_and_in_a_cluster() {
    let mut cluster = RedisCluster::start().unwrap();
    let store = open(&format!("redis-cluster://{}", cluster.addresses())).await;
    // Each script on each node.
    for _ in 0..64 {
        warm(&*store).await;
    }
    let nodes = cluster.nodes();
    let mut monitors: Vec<_> = nodes.iter().map(|node| node.monitor().unwrap()).collect();
    let mut sent = || {
        let each = monitors.iter_mut().zip(&*nodes);
        let sent = each.flat_map(|(monitor, node)| monitor.commands(node).unwrap());
        // What the nodes tell each other, and what is asked about them.
        let sent = sent.filter(|name| !["cluster", "replconf", "readonly"].contains(&&**name));
        sent.collect::<Vec<_>>()
    };
    let (key, version) = create(&*store, entry("x")).await;
    assert_eq!(sent(), ["set"], "create");
    let version = update(&*store, &key, &version, entry("x")).await;
    assert_eq!(sent(), ["evalsha"], "update");
    load(&*store, &key).await;
    assert_eq!(sent(), ["get"], "load");
    store.touch(&key, &version, LATER, NOW).await.unwrap();
    assert_eq!(sent(), ["evalsha"], "touch");
    let version = update(&*store, &key, &version, of_user("ada", "x")).await;
    assert_eq!(
        sent(),
        ["evalsha"; 2],
        "a record, and the index of its user"
    );
    let version = update(&*store, &key, &version, of_user("ada", "y")).await;
    assert_eq!(sent(), ["evalsha"; 2], "the same, side by side");
    delete(&*store, &key, &version).await;
    assert_eq!(sent(), ["evalsha"], "delete");
}

/// A key whose record has expired is taken for Redis: then the script decides.
pub(crate) async fn what_has_expired_is_replaced_by_what_begins() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    warm(&*store).await;
    let (key, _) = create(&*store, entry("old")).await;
    let mut monitor = server.monitor().unwrap();
    let new = Entry {
        deadline: LATER + std::time::Duration::from_secs(60),
        ..of_user("ada", "new")
    };
    let put = store.put(&key, Expect::Absent, new.clone(), LATER).await;
    assert!(matches!(put.unwrap(), Write::Done(_)));
    let sent = monitor.commands(&server).unwrap();
    assert_eq!(
        sent,
        ["set", "evalsha", "evalsha", "evalsha", "eval", "eval"]
    );
    assert_eq!(load(&*store, &key).await.entry, new);
    let put = store.put(&key, Expect::Absent, new.clone(), LATER).await;
    assert_eq!(put.unwrap(), Write::Conflict);
    assert_eq!(store.keys_of_user("ada").await.unwrap(), [key]);
}

pub(crate) async fn no_command_looks_through_the_keys_of_others() {
    let mut servers = vec![Redis::setup().start().unwrap()];
    let store = open(&servers[0].url()).await;
    let client = redis::Client::open(servers[0].url()).unwrap();
    let managed = redis::aio::ConnectionManager::new(client).await.unwrap();
    let managed = RedisStore::from_manager(managed, RedisOptions::default())
        .await
        .unwrap();
    for store in [store, Arc::new(managed) as _] {
        warm(&*store).await;
        let (stale, version) = create(&*store, of_user("ada", "x")).await;
        delete(&*store, &stale, &version).await;
        store.keys_of_user("ada").await.unwrap();
        store.delete_expired(LATER, 100).await.unwrap();
    }
    let used = calls(&mut servers);
    // `command` is the first thing that redis-cli asks, `info` is how these numbers come here.
    let expected = [
        "auth",
        "client|setinfo",
        "client|setname",
        "command|docs",
        "del",
        "eval",
        "evalsha",
        "get",
        "getrange",
        "hello",
        "info",
        "pexpireat",
        "ping",
        "select",
        "set",
        "setrange",
        "zadd",
        "zrange",
        "zrem",
        "zremrangebyscore",
    ];
    for command in used.keys() {
        assert!(expected.contains(&command.as_str()), "{command}");
    }
    assert!(used.contains_key("zrem"), "the index was pruned: {used:?}");
}

pub(crate) async fn a_server_that_forgot_its_scripts_learns_them_again() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let forget = || server.command(&["SCRIPT", "FLUSH"]).unwrap();
    forget();
    let (key, version) = create(&*store, of_user("ada", "a")).await;
    assert_eq!(
        store.keys_of_user("ada").await.unwrap(),
        std::slice::from_ref(&key)
    );
    forget();
    let version = update(&*store, &key, &version, of_user("ada", "b")).await;
    forget();
    store
        .touch(
            &key,
            &version,
            LATER + std::time::Duration::from_secs(1),
            NOW,
        )
        .await
        .unwrap();
    let stored = load(&*store, &key).await;
    assert_eq!(
        (stored.entry.payload.as_ref(), &stored.version),
        (&b"b"[..], &version)
    );
    assert!(stored.entry.deadline > LATER);
    // The record's script is known and that of the index is not: what was written is not written again.
    forget();
    let (another, of_another) = create(&*store, entry("")).await;
    update(&*store, &another, &of_another, entry("")).await;
    let version = update(&*store, &key, &version, of_user("bob", "c")).await;
    assert_eq!(
        store.keys_of_user("bob").await.unwrap(),
        std::slice::from_ref(&key)
    );
    forget();
    assert_eq!(store.delete(&key, &version).await.unwrap(), Deletion::Done);
}

/// The scripts of all that is usual are known after this, and every connection made.
async fn warm(store: &dyn Store) {
    // In a Cluster the index of another user may be on another node.
    let user = format!("warm-{}", new_key());
    let (key, version) = create(store, of_user(&user, "")).await;
    let version = update(store, &key, &version, of_user(&user, "")).await;
    store.touch(&key, &version, LATER, NOW).await.unwrap();
    delete(store, &key, &version).await;
    store.load(&new_key()).await.unwrap();
}

/// How often each command was carried out, on all servers together.
fn calls(servers: &mut [Redis]) -> HashMap<String, u64> {
    let mut calls = HashMap::new();
    for server in servers {
        let stats = server.command(&["INFO", "commandstats"]).unwrap();
        for line in stats.lines() {
            let Some((name, numbers)) = line
                .trim()
                .strip_prefix("cmdstat_")
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let number = numbers
                .strip_prefix("calls=")
                .unwrap()
                .split(',')
                .next()
                .unwrap();
            *calls.entry(name.to_owned()).or_default() += number.parse::<u64>().unwrap();
        }
    }
    calls
}
