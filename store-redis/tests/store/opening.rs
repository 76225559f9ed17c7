//! From what a store can be opened, and from what not.

use std::sync::Arc;
use std::time::Duration;

use anysession::{ConnectError, Location, Store};
use anysession_redis::{DRIVER, Durability, RedisOptions, RedisStore};
use anysession_testkit::servers::{Conduct, Proxy, Redis, RedisCluster, free_port};
use tokio::time::Instant;

use crate::common::{BOUNDED, chain, create, delete, load, of_user, open};

pub(crate) async fn a_client_of_the_application_will_do() {
    let server = Redis::setup().start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let options = RedisOptions::default().with_prefix("app:");
    let store = RedisStore::from_client(client, options).await.unwrap();
    works(&store).await;
    assert!(
        server
            .command(&["KEYS", "app:*"])
            .unwrap()
            .contains("app:user:")
    );
}

pub(crate) async fn a_managed_connection_of_the_application_will_do() {
    let server = Redis::setup().start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = redis::aio::ConnectionManager::new(client).await.unwrap();
    let store = RedisStore::from_manager(manager, RedisOptions::default())
        .await
        .unwrap();
    works(&store).await;
}

pub(crate) async fn a_cluster_of_the_application_will_do() {
    let cluster = RedisCluster::start().unwrap();
    let nodes = cluster.addresses();
    let nodes = nodes.split(',').map(|node| format!("redis://{node}"));
    // Reading from replicas would be wrong for sessions, and is not done.
    let builder = redis::cluster::ClusterClientBuilder::new(nodes)
        .read_routing_strategy(redis::cluster_read_routing::RandomReplicaStrategy);
    let store = RedisStore::from_cluster(builder, RedisOptions::default())
        .await
        .unwrap();
    for _ in 0..20 {
        works(&store).await;
    }
}

/// As in actix-web, where each worker has a runtime of its own: nobody waits for another's thread, or goes down with it.
pub(crate) async fn each_runtime_has_a_connection_that_ends_with_it() {
    let server = Redis::setup().start().unwrap();
    let connections = || {
        let clients = server.command(&["CLIENT", "LIST"]).unwrap();
        clients.lines().filter(|line| !line.is_empty()).count()
    };
    let store = open(&server.url()).await;
    works(&*store).await;
    let before = connections();

    let worker = {
        let store = store.clone();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (leave, left) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                works(&*store).await;
                works(&*store).await;
                ready.send(()).unwrap();
                left.await.unwrap();
            });
        });
        is_ready.await.unwrap();
        (thread, leave)
    };
    assert_eq!(connections(), before + 1);

    let (thread, leave) = worker;
    leave.send(()).unwrap();
    thread.join().unwrap();
    works(&*store).await;
    let give_up = Instant::now() + Duration::from_secs(5);
    while connections() > before {
        assert!(Instant::now() < give_up, "its connection was left open");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn an_option_that_is_wrong_is_refused() {
    for (url, expected) in [
        ("redis://host?prefx=a", "it knows: prefix, timeout"),
        ("redis://host?timeout=soon", "500ms, 2s or 1m"),
        ("redis://host?timeout=0", "500ms, 2s or 1m"),
        ("redis://host?connect_timeout=2h", "500ms, 2s or 1m"),
        ("redis://host?connect_timeout=-1s", "500ms, 2s or 1m"),
        ("redis://host?durability=full", "acknowledged or replicated"),
        ("redis://host?database=1", "in their path"),
        ("redis://host?sentinel_password=x", "redis-sentinel://"),
        ("redis://host?ca=/ca.pem", "rediss"),
        ("rediss://host?ca=/there/is/none.pem", "a file in PEM"),
        ("rediss://host?cert=/etc/hostname", "a key beside it"),
        ("unix:///r.sock?database=one", "a number"),
        ("redis://host/x", "a number from 0"),
        ("redis-cluster://host/1", "only the database 0"),
    ] {
        let refused = (DRIVER.connect)(Location::parse(url)).await.unwrap_err();
        let text = chain(&refused);
        assert!(text.contains(expected), "{url}: {text}");
    }
}

pub(crate) async fn a_server_that_is_not_there_is_an_error_in_time() {
    let silent = Proxy::start(([127, 0, 0, 1], 9).into()).await.unwrap();
    silent.set(Conduct::SwallowRequests);
    let nobody = free_port().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = listener.local_addr().unwrap().port();
    for port in [nobody, silent.address().port(), mute] {
        for url in [
            format!("redis://127.0.0.1:{port}"),
            format!("redis-cluster://127.0.0.1:{port}"),
            format!("redis-sentinel://127.0.0.1:{port}/sessions"),
        ] {
            let started = Instant::now();
            let url = format!("{url}?connect_timeout=300ms&timeout=200ms");
            let refused = (DRIVER.connect)(Location::parse(&url)).await.unwrap_err();
            assert!(
                matches!(refused, ConnectError::Failed { .. }),
                "{}",
                chain(&refused)
            );
            assert!(
                started.elapsed() < BOUNDED,
                "{url}: {:?}",
                started.elapsed()
            );
        }
    }
}

pub(crate) async fn a_certificate_of_an_unknown_ca_is_refused() {
    let server = Redis::setup().tls().start().unwrap();
    let other = Redis::setup().tls().start().unwrap();
    for url in [
        server.url(),
        format!("{}?ca={}", server.url(), other.ca().display()),
    ] {
        let refused = (DRIVER.connect)(Location::parse(&url)).await.unwrap_err();
        assert!(
            chain(&refused).contains("certificate"),
            "{}",
            chain(&refused)
        );
    }
}

pub(crate) async fn a_verb_outside_of_a_runtime_is_an_error() {
    let server = Redis::setup().start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let options = RedisOptions::default().with_durability(Durability::Acknowledged);
    let store: Arc<dyn Store> = Arc::new(RedisStore::from_client(client, options).await.unwrap());
    let error = std::thread::spawn(move || {
        let key = crate::common::new_key();
        let mut load = store.load(&key);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match load.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => chain(&answer.unwrap_err()),
            std::task::Poll::Pending => panic!("it waits for ever"),
        }
    });
    let error = error.join().unwrap();
    assert!(error.contains("tokio runtime"), "{error}");
}

async fn works(store: &dyn Store) {
    let (key, version) = create(store, of_user("ada", "x")).await;
    assert_eq!(load(store, &key).await.version, version);
    assert!(store.keys_of_user("ada").await.unwrap().contains(&key));
    delete(store, &key, &version).await;
}
