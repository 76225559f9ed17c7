//! Passwords stay where they are.

use anysession::{Expect, Location};
use anysession_redis::{DRIVER, RedisOptions, RedisStore};
use anysession_testkit::servers::Redis;

use crate::common::{NOW, chain, entry};

const SECRET: &str = "hunter2";

pub(crate) async fn a_password_is_in_no_error_and_in_no_debug() {
    let server = Redis::setup().password(SECRET).start().unwrap();
    let address = server.address();
    let store = (DRIVER.connect)(Location::parse(&server.url()))
        .await
        .unwrap();
    assert!(!format!("{store:?}").contains(SECRET), "{store:?}");

    for url in [
        // None, a wrong one, one for a user who is not there, one for a server that is not there.
        format!("redis://{address}"),
        format!("redis://:{SECRET}-wrong@{address}"),
        format!("redis://nobody:{SECRET}@{address}"),
        format!("redis://:{SECRET}@127.0.0.1:1"),
        format!("redis-cluster://:{SECRET}@127.0.0.1:1"),
        format!("redis-cluster://:{SECRET}-wrong@{address}"),
        format!("redis-sentinel://:{SECRET}@127.0.0.1:1/x?sentinel_password={SECRET}"),
        format!("redis-sentinel://:{SECRET}@{address}/x?sentinel_password={SECRET}"),
        format!("rediss://:{SECRET}@{address}?connect_timeout=300ms"),
        format!("unix://:{SECRET}@/there/is/no/socket"),
        // Passwords that break their URL.
        format!("redis://:{SECRET}?@{address}"),
        format!("redis://:a/{SECRET}#{address}"),
        format!("redis://{SECRET}"),
        format!("redis://{address}?{SECRET}@x=1"),
        format!("redis://{address}?sentinel_password={SECRET}"),
    ] {
        let refused = (DRIVER.connect)(Location::parse(&url)).await;
        let Err(refused) = refused else {
            panic!("{url} was opened");
        };
        let text = chain(&refused);
        assert!(!text.contains(SECRET), "{url}: {text}");
    }
}

pub(crate) async fn a_server_that_repeats_what_it_was_sent_gives_no_password_away() {
    let server = Redis::setup()
        .setting("rename-command", "AUTH ")
        .start()
        .unwrap();
    let address = server.address();
    for url in [
        format!("redis://:{SECRET}@{address}"),
        format!("redis://ada:{SECRET}@{address}"),
        format!("redis-cluster://:{SECRET}@{address}"),
        format!("redis-sentinel://{address}/x?sentinel_password={SECRET}"),
    ] {
        let refused = (DRIVER.connect)(Location::parse(&url)).await.unwrap_err();
        assert!(
            !chain(&refused).contains(SECRET),
            "{url}: {}",
            chain(&refused)
        );
    }
    let client = redis::Client::open(format!("redis://:{SECRET}@{address}")).unwrap();
    let refused = RedisStore::from_client(client, RedisOptions::default())
        .await
        .unwrap_err();
    assert!(!chain(&refused).contains(SECRET), "{}", chain(&refused));
}

/// A server that does not know a command repeats its arguments, and these are the application's.
pub(crate) async fn what_a_server_repeats_of_a_command_is_not_printed() {
    let server = Redis::setup()
        .setting("rename-command", "EVALSHA ")
        .start()
        .unwrap();
    let store = (DRIVER.connect)(Location::parse(&server.url()))
        .await
        .unwrap();
    let (key, version) = crate::common::create(&*store, entry(SECRET)).await;
    let refused = store
        .put(&key, Expect::Version(version), entry(SECRET), NOW)
        .await
        .unwrap_err();
    let text = chain(&refused);
    assert!(text.contains("unknown command"), "{text}");
    assert!(!text.contains("anysession:session"), "{text}");
}
