//! Many requests at once while the servers suffer, and the history of it held against what is promised.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anysession::Store;
use anysession_redis::{RedisOptions, RedisStore};
use anysession_testkit::servers::{Redis, RedisCluster, RedisSentinels};
use anysession_testkit::{Keeps, Storm};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::common::open;

const LIMITS: &str = "connect_timeout=1s&timeout=1s";
/// At a time: what follows is told by what happens meanwhile.
const OPERATIONS: usize = 1_600;

/// Rages while `suffer` does something to the servers, and once more when it is over.
async fn rage_and_judge(what: &str, url: &str, keeps: Keeps, suffer: impl FnOnce()) {
    rage_on([open(url).await, open(url).await], what, keeps, suffer).await;
}

async fn rage_on(stores: [Arc<dyn Store>; 2], what: &str, keeps: Keeps, suffer: impl FnOnce()) {
    let storm = Arc::new(Storm::on(stores));
    // There is something to lose.
    storm.rage(OPERATIONS).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let raging = tokio::spawn({
        let (storm, is_over) = (Arc::clone(&storm), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Relaxed) {
                storm.rage(OPERATIONS).await;
            }
        }
    });
    tokio::task::block_in_place(suffer);
    is_over.store(true, Ordering::Relaxed);
    raging.await.unwrap();
    storm.rage(OPERATIONS).await;
    let report = storm
        .judge(keeps)
        .await
        .unwrap_or_else(|anomaly| panic!("{what}: {anomaly}"));
    println!("{what}: {report}");
    assert!(report.conflicts > 0, "requests met");
}

pub(crate) async fn a_killed_server_with_an_append_only_file_loses_nothing_in_a_storm() {
    let mut server = Redis::setup().append_only().start().unwrap();
    let url = format!("{}?{LIMITS}", server.url());
    let suffer = || {
        for _ in 0..3 {
            writes_pass_by(&server, 300);
            server.program().kill();
            server.restart().unwrap();
        }
    };
    rage_and_judge("kill -9, append-only file", &url, Keeps::Everything, suffer).await;
}

/// One handle on the store's own connection, one on a connection of the application.
pub(crate) async fn a_managed_connection_of_the_application_loses_nothing_in_a_storm() {
    let mut server = Redis::setup().append_only().start().unwrap();
    let url = format!("{}?{LIMITS}", server.url());
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(1)))
        .set_max_delay(Duration::from_millis(200));
    let client = redis::Client::open(server.url()).unwrap();
    let managed = ConnectionManager::new_with_config(client, config);
    let managed = RedisStore::from_manager(managed.await.unwrap(), RedisOptions::default()).await;
    let stores = [open(&url).await, Arc::new(managed.unwrap()) as _];
    let suffer = || {
        for _ in 0..3 {
            writes_pass_by(&server, 300);
            server.program().kill();
            server.restart().unwrap();
        }
    };
    let what = "kill -9, a connection of the application";
    rage_on(stores, what, Keeps::Everything, suffer).await;
}

pub(crate) async fn a_killed_server_without_one_mixes_nothing_up_in_a_storm() {
    let mut server = Redis::setup().start().unwrap();
    let url = format!("{}?{LIMITS}", server.url());
    let suffer = || {
        writes_pass_by(&server, 300);
        server.program().kill();
        server.restart().unwrap();
    };
    rage_and_judge("kill -9, nothing kept", &url, Keeps::WhatItCan, suffer).await;
}

pub(crate) async fn a_failover_undoes_nothing_that_was_replicated_in_a_storm() {
    fail_over("&durability=replicated", Keeps::Everything).await;
}

pub(crate) async fn a_failover_mixes_nothing_up_in_a_storm() {
    fail_over("", Keeps::WhatItCan).await;
}

async fn fail_over(durability: &str, keeps: Keeps) {
    let mut sentinels = RedisSentinels::start().unwrap();
    let service = RedisSentinels::SERVICE;
    let url = format!(
        "redis-sentinel://{}/{service}?{LIMITS}{durability}",
        sentinels.addresses()
    );
    let suffer = || {
        let master = sentinels.master_port().unwrap();
        writes_pass_by(&sentinels.servers()[0], 300);
        sentinels.servers()[0].program().kill();
        sentinels.await_failover(master).unwrap();
        // Without a replica nothing is replicated, so the old master comes back as one.
        sentinels.servers()[0].restart().unwrap();
        let up = |info: &str| info.contains("role:slave") && info.contains("master_link_status:up");
        sentinels.servers()[0]
            .await_that(&["INFO", "replication"], up)
            .unwrap();
    };
    rage_and_judge(&format!("failover {durability}"), &url, keeps, suffer).await;
}

/// Each master of the Cluster has a replica, and one of them dies.
pub(crate) async fn a_node_that_dies_undoes_nothing_that_was_replicated_in_a_storm() {
    let mut cluster = RedisCluster::start().unwrap();
    for master in 0..3 {
        let id = cluster.nodes()[master]
            .command(&["CLUSTER", "MYID"])
            .unwrap();
        cluster.add_node().unwrap();
        let replica = cluster.nodes().last_mut().unwrap();
        // Refused until the nodes have told each other who they are.
        let follow = ["CLUSTER", "REPLICATE", &id];
        replica
            .await_that(&follow, |answer| answer == "OK")
            .unwrap();
        let up = |info: &str| info.contains("master_link_status:up");
        replica.await_that(&["INFO", "replication"], up).unwrap();
    }
    let url = format!(
        "redis-cluster://{}?{LIMITS}&durability=replicated",
        cluster.addresses()
    );
    let suffer = || {
        let nodes = cluster.nodes();
        writes_pass_by(&nodes[0], 100);
        nodes[0].program().kill();
        let is_master = |role: &str| role.starts_with("master");
        nodes[3].await_that(&["ROLE"], is_master).unwrap();
        // Without a replica nothing is replicated, so the old master comes back as one.
        nodes[0].restart().unwrap();
        let up = |info: &str| info.contains("role:slave") && info.contains("master_link_status:up");
        nodes[0].await_that(&["INFO", "replication"], up).unwrap();
        for node in nodes {
            let is_ok = |info: &str| info.contains("cluster_state:ok");
            node.await_that(&["CLUSTER", "INFO"], is_ok).unwrap();
        }
    };
    rage_and_judge("a node dies, replicated", &url, Keeps::Everything, suffer).await;
}

pub(crate) async fn slots_move_under_a_storm() {
    let mut cluster = RedisCluster::start().unwrap();
    let url = format!("redis-cluster://{}?{LIMITS}", cluster.addresses());
    let mut moves = 0;
    let suffer = || {
        // The clients do not know it until they are sent there.
        cluster.add_node().unwrap();
        for round in 0..2 {
            for from in 0..3 {
                let keys = cluster.nodes()[from]
                    .command(&["KEYS", "anysession:*"])
                    .unwrap();
                let mut moved = HashSet::new();
                for key in keys.lines().take(6) {
                    let slot = cluster.nodes()[from]
                        .command(&["CLUSTER", "KEYSLOT", key])
                        .unwrap();
                    let slot = slot.parse().unwrap();
                    // Two keys may lie in one slot, which is no longer this node's when the second one has its turn.
                    if !moved.insert(slot) {
                        continue;
                    }
                    let to = if round % 2 == 0 { 3 } else { (from + 1) % 3 };
                    cluster.move_slot(slot, from, to).unwrap();
                    moves += 1;
                }
            }
        }
    };
    rage_and_judge("slots on the move", &url, Keeps::Everything, suffer).await;
    println!("{moves} slots were moved");
    assert!(moves > 20);
}

/// Waits until a server has carried out so many more writes.
fn writes_pass_by(server: &Redis, writes: u64) {
    let count = || {
        let stats = server.command(&["INFO", "commandstats"]).unwrap();
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |calls| {
            calls.split(',').next().unwrap().parse::<u64>().unwrap()
        })
    };
    let enough = count() + writes;
    while count() < enough {}
}
