//! Sessions that are shared with Flask.

use anysession::flask::Flask;
use anysession::{Config, Drivers, Location, Outcome, Sessions};
use anysession_redis::DRIVER;
use anysession_testkit::servers::Redis;
use anysession_testkit::{Keeps, Storm};

fn config(url: &str) -> Config {
    let flask = Flask::default().with_key_prefix("shop:");
    Config::builder().flask(flask).url(url).build().unwrap()
}

pub(crate) async fn flask_finds_the_bare_value_under_prefix_and_id() {
    let server = Redis::setup().start().unwrap();
    let drivers = Drivers::default().with(DRIVER);
    let sessions = Sessions::connect(config(&server.url()), &drivers)
        .await
        .unwrap();
    let slot = sessions.slot();
    let session = slot.load(slot.open([].into_iter())).await.unwrap();
    session.insert("n", 7).unwrap();
    let headers = slot.close(Outcome::Succeeded).await.unwrap();
    let cookie = headers
        .into_lines()
        .find(|line| line.name == "set-cookie")
        .unwrap();
    let id = cookie.value.strip_prefix("session=").unwrap();
    let (id, _) = id.split_once(';').unwrap();

    let name = format!("shop:{id}");
    let command = |words: &[&str]| server.command(words).unwrap().trim().to_owned();
    assert_eq!(command(&["KEYS", "*"]), name);
    let value = command(&[
        "EVAL",
        "return redis.call('GET', KEYS[1]) == '\\130\\170_permanent\\195\\161n\\7'",
        "1",
        &name,
    ]);
    assert!(value.contains('1'), "{value}");
    let left: u64 = command(&["PTTL", &name]).parse().unwrap();
    let lifetime = sessions.config().lifetime().as_millis();
    assert!(
        u128::from(left) <= lifetime && u128::from(left) > lifetime - 60_000,
        "{left}"
    );
}

pub(crate) async fn a_storm_of_sessions_that_are_shared_with_flask_loses_nothing() {
    let server = Redis::setup().start().unwrap();
    let config = config(&server.url());
    let open = || DRIVER.connect_flask.unwrap()(Location::parse(&server.url()), Flask::default());
    let storm = Storm::configured(&config, [open().await.unwrap(), open().await.unwrap()]);
    storm.rage(4_000).await;
    let report = storm.judge(Keeps::Everything).await;
    let report = report.unwrap_or_else(|anomaly| panic!("{anomaly}"));
    assert!(report.conflicts > 0, "requests met");
}
