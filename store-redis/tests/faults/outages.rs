//! A server that is away, full, or no longer the master.

use std::time::Duration;

use anysession::{Deletion, Expect, Store, StoreError};
use anysession_redis::{RedisOptions, RedisStore};
use anysession_testkit::servers::{Redis, RedisCluster};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_read_routing::RandomReplicaStrategy;
use tokio::time::Instant;

use crate::common::{
    BOUNDED, LATER, NOW, chain, create, done, entry, load, new_key, of_user, open, update,
};

const LIMITS: &str = "connect_timeout=500ms&timeout=500ms";
const RECOVERY: Duration = Duration::from_secs(5);

pub(crate) async fn an_outage_costs_bounded_time_and_is_over_within_seconds() {
    let mut server = Redis::setup().append_only().start().unwrap();
    let store = open(&format!("{}?{LIMITS}", server.url())).await;
    let (key, version) = create(&*store, of_user("ada", "x")).await;
    for round in 0..2 {
        // Dead, and then stopped: a server that is dead says so, one that is stopped does not.
        match round {
            0 => server.program().kill(),
            _ => server.program().signal("STOP").unwrap(),
        }
        for error in every_verb_in_time(&*store).await {
            assert!(!error.is_full(), "{}", chain(&error));
        }
        match round {
            0 => server.restart().unwrap(),
            _ => server.program().signal("CONT").unwrap(),
        }
        let back = recovers(&*store, &key).await;
        println!("answered again {back:?} after the server was back");
    }
    assert_eq!(load(&*store, &key).await.version, version);
}

pub(crate) async fn an_outage_of_a_cluster_costs_bounded_time_and_is_over_within_seconds() {
    let mut cluster = RedisCluster::start().unwrap();
    let url = format!("redis-cluster://{}?{LIMITS}", cluster.addresses());
    let store = open(&url).await;
    for node in cluster.nodes() {
        node.program().kill();
    }
    every_verb_in_time(&*store).await;
    for node in cluster.nodes() {
        node.restart().unwrap();
    }
    for node in cluster.nodes() {
        node.await_that(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok")
        })
        .unwrap();
    }
    for _ in 0..20 {
        recovers(&*store, &new_key()).await;
    }
    create(&*store, of_user("ada", "x")).await;
}

pub(crate) async fn a_node_that_dies_is_replaced_by_its_replica() {
    let mut cluster = RedisCluster::start().unwrap();
    let url = format!("redis-cluster://{}?{LIMITS}", cluster.addresses());
    let store = open(&url).await;
    let mut sessions = Vec::new();
    for number in 0..30 {
        sessions.push(create(&*store, of_user("ada", &number.to_string())).await);
    }
    cluster.add_node().unwrap();
    let master = cluster.nodes()[0].command(&["CLUSTER", "MYID"]).unwrap();
    let replica = &mut cluster.nodes()[3];
    // Refused until the nodes have told each other who they are.
    replica
        .await_that(&["CLUSTER", "REPLICATE", &master], |answer| answer == "OK")
        .unwrap();
    replica
        .await_that(&["INFO", "replication"], |info| {
            info.contains("master_link_status:up")
        })
        .unwrap();

    // Nodes tell clients of a replica only when they have heard how far it is.
    let replica = cluster.nodes()[3].port().to_string();
    for node in cluster.nodes() {
        node.await_that(&["CLUSTER", "SLOTS"], |slots| slots.contains(&replica))
            .unwrap();
    }
    // A replica may not know yet what was done, so it is not asked, whatever the application reads elsewhere.
    let nodes = cluster.addresses();
    let nodes = nodes.split(',').map(|node| format!("redis://{node}"));
    let builder = ClusterClientBuilder::new(nodes).read_routing_strategy(RandomReplicaStrategy);
    let reading = RedisStore::from_cluster(builder, RedisOptions::default())
        .await
        .unwrap();
    for (key, _) in &sessions {
        load(&reading, key).await;
    }
    let asked = cluster.nodes()[3]
        .command(&["INFO", "commandstats"])
        .unwrap();
    assert!(!asked.contains("cmdstat_get:"), "{asked}");

    cluster.nodes()[0].program().kill();
    cluster.nodes()[3]
        .await_that(&["ROLE"], |role| role.starts_with("master"))
        .unwrap();
    for node in &mut cluster.nodes()[1..] {
        node.await_that(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok")
        })
        .unwrap();
    }
    for (key, version) in &sessions {
        recovers(&*store, key).await;
        update(&*store, key, version, of_user("ada", "again")).await;
    }
    assert_eq!(
        store.keys_of_user("ada").await.unwrap().len(),
        sessions.len()
    );
}

/// A record whose index entry is there first could lose it to whoever lists the user's sessions meanwhile.
pub(crate) async fn in_a_cluster_the_index_is_never_ahead_of_the_record() {
    let mut cluster = RedisCluster::start().unwrap();
    let store = open(&format!("redis-cluster://{}?{LIMITS}", cluster.addresses())).await;
    let (key, user) = loop {
        // Two keys on different nodes: the first third of the slots is the first node's.
        let (key, user) = (new_key(), format!("user of {}", new_key()));
        store
            .put(&key, Expect::Absent, of_user(&user, "x"), NOW)
            .await
            .map(done)
            .unwrap();
        let count = |node: &Redis, kind: &str| {
            let keys = node
                .command(&["KEYS", &format!("anysession:{kind}:*")])
                .unwrap();
            keys.lines().count()
        };
        let [first, .., last] = cluster.nodes() else {
            unreachable!()
        };
        if count(first, "session") == 1 && count(last, "user") == 1 {
            break (key, user);
        }
        for node in cluster.nodes() {
            node.command(&["FLUSHALL"]).unwrap();
        }
    };
    for node in cluster.nodes() {
        node.command(&["FLUSHALL"]).unwrap();
    }
    cluster.nodes()[0].program().signal("STOP").unwrap();
    store
        .put(&key, Expect::Absent, of_user(&user, "x"), NOW)
        .await
        .unwrap_err();
    assert_eq!(cluster.nodes()[2].command(&["DBSIZE"]).unwrap(), "0");
    cluster.nodes()[0].program().signal("CONT").unwrap();
}

pub(crate) async fn a_server_that_is_full_says_so_and_loses_nothing() {
    let server = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (key, version) = create(&*store, of_user("ada", "x")).await;
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .unwrap();
    for refused in [
        store
            .put(&new_key(), Expect::Absent, entry("y"), NOW)
            .await
            .unwrap_err(),
        store
            .put(&new_key(), Expect::Absent, of_user("bob", "y"), NOW)
            .await
            .unwrap_err(),
        store
            .put(&key, Expect::Version(version.clone()), entry("y"), NOW)
            .await
            .unwrap_err(),
    ] {
        assert!(refused.is_full(), "{}", chain(&refused));
    }
    let stored = load(&*store, &key).await;
    assert_eq!(
        (stored.version, stored.entry),
        (version.clone(), of_user("ada", "x"))
    );
    assert_eq!(
        store.keys_of_user("ada").await.unwrap(),
        std::slice::from_ref(&key)
    );
    assert_eq!(store.delete(&key, &version).await.unwrap(), Deletion::Done);
    server
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .unwrap();
    create(&*store, entry("y")).await;
}

pub(crate) async fn a_server_that_became_a_replica_is_left_for_one_that_is_not() {
    let server = Redis::setup().start().unwrap();
    let other = Redis::setup().start().unwrap();
    let store = open(&server.url()).await;
    let (key, version) = create(&*store, entry("x")).await;
    // All but that of redis-cli itself.
    let connections = || -> Vec<String> {
        let clients = server
            .command(&["CLIENT", "LIST", "TYPE", "normal"])
            .unwrap();
        let ours = clients
            .lines()
            .filter(|client| !client.contains("cmd=client"));
        ours.map(|client| client.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let before = connections();
    assert_eq!(before.len(), 1, "{before:?}");
    let port = other.port().to_string();
    server.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let refused = store
        .put(&new_key(), Expect::Absent, entry("y"), NOW)
        .await
        .unwrap_err();
    assert!(chain(&refused).contains("READONLY"), "{}", chain(&refused));
    server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    // The same name may lead to another server now, so it was looked up anew.
    let written = store.put(&key, Expect::Absent, entry("z"), NOW).await;
    assert!(written.is_ok(), "{version:?}");
    assert_ne!(before, connections());
}

/// Tries every verb, checks that each fails in time, and gives the errors.
async fn every_verb_in_time(store: &dyn Store) -> Vec<StoreError> {
    let version = anysession::Version::from_bytes(bytes::Bytes::from_static(&[0; 8]));
    let mut errors = Vec::new();
    for round in 0..3 {
        let started = Instant::now();
        let error = match round {
            _ if round % 3 == 0 => store.load(&new_key()).await.map(drop),
            1 => store
                .put(&new_key(), Expect::Absent, of_user("ada", "y"), NOW)
                .await
                .map(drop),
            _ => store.keys_of_user("ada").await.map(drop),
        };
        errors.push(error.unwrap_err());
        assert!(started.elapsed() < BOUNDED, "{:?}", started.elapsed());
    }
    // Many at once wait no longer than one: one after the other would take longer than this.
    let started = Instant::now();
    let key = new_key();
    let waiting = (0..32).map(|number| {
        let (key, version) = (&key, &version);
        async move {
            match number % 2 {
                0 => store.delete(key, version).await.map(drop),
                _ => store.touch(key, version, LATER, NOW).await,
            }
        }
    });
    for answer in futures_util::future::join_all(waiting).await {
        errors.push(answer.unwrap_err());
    }
    assert!(started.elapsed() < BOUNDED, "{:?}", started.elapsed());
    errors
}

async fn recovers(store: &dyn Store, key: &anysession::StoreKey) -> Duration {
    let started = Instant::now();
    while let Err(error) = store.load(key).await {
        assert!(started.elapsed() < RECOVERY, "{}", chain(&error));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nobody who comes later is told of the outage.
    for _ in 0..10 {
        store.load(key).await.unwrap();
    }
    started.elapsed()
}
