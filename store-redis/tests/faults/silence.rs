//! Connections that are there and do not answer, or not in full, or late.

use std::sync::Arc;
use std::time::Duration;

use anysession::{Expect, Store, StoreKey, Version};
use anysession_testkit::servers::{Conduct, Proxy, Redis};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::common::{
    BOUNDED, LATER, NOW, chain, create, entry, load, new_key, of_user, open, update,
};

const LIMITS: &str = "connect_timeout=500ms&timeout=300ms";

struct Silent {
    server: Redis,
    proxy: Proxy,
    store: Arc<dyn Store>,
}

impl Silent {
    async fn new() -> Self {
        let server = Redis::setup().start().unwrap();
        let proxy = Proxy::start(server.address()).await.unwrap();
        let store = open(&format!("redis://{}?{LIMITS}", proxy.address())).await;
        // The scripts are known from here on.
        let (key, version) = create(&*store, of_user("ada", "")).await;
        update(&*store, &key, &version, of_user("ada", "")).await;
        Silent {
            server,
            proxy,
            store,
        }
    }

    /// How many puts the server has carried out: each is a `SET`, most of them in a script.
    fn writes(&self) -> u64 {
        let stats = self.server.command(&["INFO", "commandstats"]).unwrap();
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_set:calls="));
        line.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }
}

impl Silent {
    /// A put is carried out, and nobody hears of it. Answers the version that it left.
    async fn loses_an_answer(
        &self,
        key: &StoreKey,
        expect: Expect,
        payload: &'static str,
    ) -> Version {
        let before = self.writes();
        self.proxy.set(Conduct::SwallowAnswers);
        let started = Instant::now();
        let writing = tokio::spawn({
            let (store, key) = (Arc::clone(&self.store), key.clone());
            async move { store.put(&key, expect, entry(payload), NOW).await }
        });
        while self.writes() == before {}
        // The connection has lost an answer for good. A new one would do, and is there to be tempted by.
        self.proxy.set(Conduct::Pass);
        // The client looks at what it could send again when it has something else to do.
        while !writing.is_finished() {
            let _ = self.store.load(&new_key()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        writing.await.unwrap().unwrap_err();
        assert!(started.elapsed() < BOUNDED, "{:?}", started.elapsed());
        let stored = load(&*self.store, key).await;
        assert_eq!(stored.entry.payload.as_ref(), payload.as_bytes());
        assert_eq!(self.writes(), before + 1);
        stored.version
    }
}

pub(crate) async fn a_silent_server_is_given_up_in_time() {
    let silent = Silent::new().await;
    let (key, version) = create(&*silent.store, entry("x")).await;
    silent.proxy.set(Conduct::SwallowRequests);
    // Two of each: on the connection that fell silent, and on those that never speak.
    for _ in 0..2 {
        let started = Instant::now();
        silent.store.load(&key).await.unwrap_err();
        assert!(
            started.elapsed() < BOUNDED,
            "load took {:?}",
            started.elapsed()
        );
        let started = Instant::now();
        let error = silent.store.delete(&key, &version).await.unwrap_err();
        assert!(
            started.elapsed() < BOUNDED,
            "delete took {:?}",
            started.elapsed()
        );
        assert!(!error.is_full(), "{}", chain(&error));
    }
    silent.proxy.set(Conduct::Pass);
    assert_eq!(load(&*silent.store, &key).await.version, version);
    // It is the limit of the URL that counts: the one by default would wait for this answer.
    silent.proxy.set(Conduct::Delay(Duration::from_secs(1)));
    silent.store.load(&key).await.unwrap_err();
}

pub(crate) async fn a_write_whose_answer_is_lost_is_an_error_and_is_not_sent_again() {
    let silent = Silent::new().await;
    let (key, version) = create(&*silent.store, entry("a")).await;
    let before = silent.writes();
    silent.proxy.set(Conduct::SwallowAnswers);
    let expect = Expect::Version(version);
    let error = silent
        .store
        .put(&key, expect, entry("b"), NOW)
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("may have been carried out"),
        "{}",
        chain(&error)
    );
    silent.proxy.set(Conduct::Pass);
    let stored = load(&*silent.store, &key).await;
    assert_eq!(stored.entry.payload.as_ref(), b"b");
    assert_eq!(silent.writes(), before + 1);

    silent.proxy.set(Conduct::CutAnswersAfter(0));
    let expect = Expect::Version(stored.version.clone());
    silent
        .store
        .put(&key, expect, entry("c"), NOW)
        .await
        .unwrap_err();
    silent.proxy.set(Conduct::Pass);
    let stored = load(&*silent.store, &key).await;
    assert_eq!(stored.entry.payload.as_ref(), b"c");
    assert_eq!(silent.writes(), before + 2);

    // One that never arrived is an error too, and is not made up for.
    silent.proxy.set(Conduct::SwallowRequests);
    let expect = Expect::Version(stored.version.clone());
    silent
        .store
        .put(&key, expect, entry("d"), NOW)
        .await
        .unwrap_err();
    silent.proxy.set(Conduct::Pass);
    assert_eq!(load(&*silent.store, &key).await.version, stored.version);
    assert_eq!(silent.writes(), before + 2);

    // One that begins.
    silent.proxy.set(Conduct::SwallowAnswers);
    let key = new_key();
    let put = silent.store.put(&key, Expect::Absent, entry("e"), NOW);
    put.await.unwrap_err();
    silent.proxy.set(Conduct::Pass);
    let stored = load(&*silent.store, &key).await;
    assert_eq!(stored.entry.payload.as_ref(), b"e");
    assert_eq!(silent.writes(), before + 3);
}

/// The Cluster is one node, which tells its clients to come through the proxy.
pub(crate) async fn a_write_to_a_cluster_whose_answer_is_lost_is_not_sent_again() {
    let server = Redis::setup().setting("cluster-enabled", "yes").setting(
        "cluster-port",
        &anysession_testkit::servers::free_port()
            .unwrap()
            .to_string(),
    );
    let mut server = server.start().unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let port = proxy.address().port().to_string();
    server
        .command(&["CONFIG", "SET", "cluster-announce-port", &port])
        .unwrap();
    server
        .command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .unwrap();
    server
        .await_that(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok")
        })
        .unwrap();
    let store = open(&format!("redis-cluster://{}?{LIMITS}", proxy.address())).await;
    let silent = Silent {
        server,
        proxy,
        store,
    };

    let (key, version) = create(&*silent.store, entry("a")).await;
    let mut version = update(&*silent.store, &key, &version, entry("a")).await;
    for payload in ["b", "c", "d"] {
        version = silent
            .loses_an_answer(&key, Expect::Version(version), payload)
            .await;
    }
    update(&*silent.store, &key, &version, entry("e")).await;
    let begun = new_key();
    silent.loses_an_answer(&begun, Expect::Absent, "f").await;
}

pub(crate) async fn an_answer_that_comes_too_late_is_given_to_nobody() {
    let silent = Silent::new().await;
    let mut sessions = Vec::new();
    for number in 0..40 {
        sessions.push(
            create(&*silent.store, entry(format!("session {number}")))
                .await
                .0,
        );
    }
    // Some in time and some not, on connections that are given up and on those that follow.
    let mut in_time = 0;
    for round in 0..12 {
        silent
            .proxy
            .set(Conduct::Delay(Duration::from_millis(40 * round)));
        let mut loads = JoinSet::new();
        for (number, key) in sessions
            .clone()
            .into_iter()
            .enumerate()
            .skip(round as usize * 3)
        {
            let store = Arc::clone(&silent.store);
            loads.spawn(async move { (number, store.load(&key).await) });
        }
        while let Some(loaded) = loads.join_next().await {
            if let (number, Ok(stored)) = loaded.unwrap() {
                let expected = format!("session {number}");
                assert_eq!(stored.unwrap().entry.payload, expected.into_bytes());
                in_time += 1;
            }
        }
    }
    println!("{in_time} answers came in time");
    assert!(in_time > 40);
}

pub(crate) async fn a_connection_that_breaks_inside_an_answer_is_replaced() {
    let silent = Silent::new().await;
    let long = vec![7; 300];
    let (key, version) = create(&*silent.store, entry(long.clone())).await;
    for limit in [1, 4, 5, 20, 30, 100, 300] {
        silent.proxy.set(Conduct::CutAnswersAfter(limit));
        silent.store.load(&key).await.unwrap_err();
        silent.proxy.set(Conduct::Pass);
        assert_eq!(load(&*silent.store, &key).await.entry, entry(long.clone()));
    }
    silent.proxy.set(Conduct::Refuse);
    silent
        .store
        .touch(&key, &version, LATER, NOW)
        .await
        .unwrap_err();
    silent.store.load(&new_key()).await.unwrap_err();
    silent.proxy.set(Conduct::Pass);
    assert_eq!(load(&*silent.store, &key).await.entry, entry(long));
}
