//! The Redis store keeps the contract of a store, wherever it is.

use std::process::ExitCode;
use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{Location, Store};
use anysession_testkit::servers::{Redis, RedisCluster, RedisSentinels, ServerError};
use anysession_testkit::{Suite, flask_store_suite, run, store_suite};

fn main() -> ExitCode {
    // Held here, so that they are stopped when the trials are over.
    let server = Redis::setup().unix_socket().password("p@ss/word").start();
    let encrypted = Redis::setup().tls().start();
    let cluster = RedisCluster::start();
    let sentinels = RedisSentinels::start();

    let login = "p%40ss%2Fword";
    run([
        suite("redis", &server, |server| {
            format!("redis://:{login}@{}/1", server.address())
        }),
        flask(&server, |server| {
            format!("redis://:{login}@{}/3", server.address())
        }),
        suite("redis_socket", &server, |server| {
            let socket = server.socket();
            format!("unix://:{login}@{}?database=2", socket.display())
        }),
        suite("redis_tls", &encrypted, |server| {
            format!("{}?ca={}", server.url(), server.ca().display())
        }),
        suite("redis_cluster", &cluster, |cluster| {
            format!("redis-cluster://{}", cluster.addresses())
        }),
        suite("redis_sentinel", &sentinels, |sentinels| {
            let service = RedisSentinels::SERVICE;
            format!("redis-sentinel://{}/{service}", sentinels.addresses())
        }),
        suite("redis_sentinel_replicated", &sentinels, |sentinels| {
            let service = RedisSentinels::SERVICE;
            let addresses = sentinels.addresses();
            format!("redis-sentinel://{addresses}/{service}?durability=replicated&prefix=strict:")
        }),
    ])
}

/// In one server; the way there does not matter to what is stored.
fn flask(server: &Result<Redis, ServerError>, url: impl Fn(&Redis) -> String) -> Suite {
    let url = match server {
        Ok(server) => patient(&url(server)),
        Err(absent @ ServerError::Absent { .. }) => {
            return Suite::absent("redis_flask", absent.to_string());
        }
        Err(error) => panic!("redis_flask: {error}"),
    };
    let open = move || {
        let connect = anysession_redis::DRIVER.connect_flask.expect("Redis can");
        let connecting = connect(Location::parse(&url), Flask::default());
        async move { connecting.await.expect("the server is ours") }
    };
    flask_store_suite("redis_flask", open)
}

/// With time enough for a machine that has other things to do: nothing here is about an outage.
fn patient(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}connect_timeout=30s&timeout=30s")
}

fn suite<S>(name: &str, server: &Result<S, ServerError>, url: impl Fn(&S) -> String) -> Suite {
    let server = match server {
        Ok(server) => server,
        Err(absent @ ServerError::Absent { .. }) => return Suite::absent(name, absent.to_string()),
        Err(error) => panic!("{name}: {error}"),
    };
    let url = patient(&url(server));
    let open = move || {
        let connecting = (anysession_redis::DRIVER.connect)(Location::parse(&url));
        async move { connecting.await.expect("the server is ours") as Arc<dyn Store> }
    };
    store_suite(name, open.clone()).reopening(open)
}
