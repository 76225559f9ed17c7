//! The servers come up, do what they are asked for, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::time::Duration;

use anysession_testkit::Suite;
use anysession_testkit::servers::{
    Conduct, MariaDb, Postgres, Proxy, Redis, RedisCluster, RedisSentinels, find,
};
use libtest_mimic::{Arguments, Trial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let mut trials = vec![trial("a_proxy_behaves_as_told", a_proxy_behaves_as_told)];
    match find("redis-server", "redis-server") {
        Err(absent) => trials.extend(Suite::absent("redis", absent.to_string()).into_trials()),
        Ok(_) => trials.extend([
            trial(
                "a_killed_redis_with_an_append_only_file_has_lost_nothing",
                a_killed_redis_with_an_append_only_file_has_lost_nothing,
            ),
            trial("a_redis_speaks_tls", a_redis_speaks_tls),
            trial("a_slot_moves_with_its_keys", a_slot_moves_with_its_keys),
            trial(
                "sentinels_replace_a_dead_master",
                sentinels_replace_a_dead_master,
            ),
        ]),
    }
    match find("postgres", "postgresql") {
        Err(absent) => trials.extend(Suite::absent("postgres", absent.to_string()).into_trials()),
        Ok(_) => trials.push(trial(
            "a_postgres_is_there_again_after_a_crash",
            a_postgres_is_there_again_after_a_crash,
        )),
    }
    match find("mariadbd", "mariadb-server") {
        Err(absent) => trials.extend(Suite::absent("mariadb", absent.to_string()).into_trials()),
        Ok(_) => trials.push(trial(
            "a_mariadb_is_there_again_after_a_crash",
            a_mariadb_is_there_again_after_a_crash,
        )),
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn a_killed_redis_with_an_append_only_file_has_lost_nothing() {
    let mut redis = Redis::setup()
        .append_only()
        .password("secret")
        .start()
        .unwrap();
    redis.command(&["SET", "key", "value"]).unwrap();
    redis.program().kill();
    assert!(redis.command(&["PING"]).is_err());
    redis.restart().unwrap();
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "value");
}

fn a_redis_speaks_tls() {
    let redis = Redis::setup().tls().unix_socket().start().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
    assert!(redis.socket().exists());
}

fn a_slot_moves_with_its_keys() {
    let mut cluster = RedisCluster::start().unwrap();
    cluster.add_node().unwrap();
    // The slot of "key" is 12539, which the third master holds.
    cluster.nodes()[2]
        .command(&["SET", "key", "value"])
        .unwrap();
    cluster.move_slot(12539, 2, 3).unwrap();
    assert_eq!(
        cluster.nodes()[3].command(&["GET", "key"]).unwrap(),
        "value"
    );
}

fn sentinels_replace_a_dead_master() {
    let mut sentinels = RedisSentinels::start().unwrap();
    let port = sentinels.master_port().unwrap();
    assert_eq!(port, sentinels.servers()[0].port());
    sentinels.servers()[0].program().kill();
    sentinels.await_failover(port).unwrap();
    assert_eq!(
        sentinels.master_port().unwrap(),
        sentinels.servers()[1].port()
    );
}

fn a_proxy_behaves_as_told() {
    tokio::runtime::Runtime::new().unwrap().block_on(proxy());
}

async fn proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let echo = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let proxy = Proxy::start(echo).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut client).await, 4);
    proxy.set(Conduct::Delay(Duration::from_millis(5)));
    assert_eq!(ask(&mut client).await, 4);
    for silent in [Conduct::SwallowRequests, Conduct::SwallowAnswers] {
        proxy.set(silent);
        ask_in_vain(&mut client).await;
        proxy.set(Conduct::Pass);
        ask_in_vain(&mut client).await;
        client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut client).await, 4);
    }
    proxy.set(Conduct::CutAnswersAfter(6));
    assert_eq!(ask(&mut client).await, 4);
    assert_eq!(ask(&mut client).await, 2);
    assert_eq!(ask(&mut client).await, 0);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Conduct::Refuse);
    assert_eq!(ask(&mut client).await, 0);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut client).await, 0);
}

/// How many of four bytes come back before the connection ends.
async fn ask(client: &mut TcpStream) -> usize {
    let answer = answer_within(Duration::from_secs(10), client).await;
    answer.expect("an answer, or the end of the connection")
}

/// Nothing comes back, and the connection stays open.
async fn ask_in_vain(client: &mut TcpStream) {
    let answer = answer_within(Duration::from_millis(300), client).await;
    assert_eq!(answer, None);
}

async fn answer_within(patience: Duration, client: &mut TcpStream) -> Option<usize> {
    let mut answer = [0; 4];
    // A proxy that cuts the connection may do so before this.
    let _ = client.write_all(b"ping").await;
    let read = tokio::time::timeout(patience, client.read(&mut answer));
    read.await.ok().map(Result::unwrap_or_default)
}

fn a_postgres_is_there_again_after_a_crash() {
    let mut postgres = Postgres::setup().durable().start().unwrap();
    postgres.query("CREATE TABLE t AS SELECT 7 AS n").unwrap();
    postgres.restart_immediately().unwrap();
    assert_eq!(postgres.query("SELECT n FROM t").unwrap(), "7");
    assert!(postgres.query("SELECT no").is_err());
}

fn a_mariadb_is_there_again_after_a_crash() {
    let mut mariadb = MariaDb::setup().durable().start().unwrap();
    mariadb
        .query("CREATE TABLE app.t AS SELECT 7 AS n")
        .unwrap();
    mariadb.program().kill();
    assert!(mariadb.query("SELECT 1").is_err());
    mariadb.restart().unwrap();
    assert_eq!(mariadb.query("SELECT n FROM app.t").unwrap(), "7");
}
