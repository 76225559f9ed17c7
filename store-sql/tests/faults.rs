//! Servers that crash, end connections, hang, are slow, or are set up oddly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a storm says what it saw"
)]

mod common;
#[path = "common/mount.rs"]
mod mount;
#[path = "common/servers.rs"]
mod servers;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anysession::{Expect, Store, Timestamp, Write};
use anysession_testkit::servers::{Conduct, MariaDb, Postgres, Proxy, ServerError};
use anysession_testkit::{Keeps, Storm, Suite};
use common::{LATER, NOW, chain, create, done, entry, key, load, timed};
use libtest_mimic::{Arguments, Trial};
use mount::Mount;
use servers::{Server, open, trials_on, try_open};
use tokio::time::Instant;

/// Far more than any time that is configured here, for a machine that is busy, and far less than for ever.
const BOUNDED: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // What one does to its server would disturb the others.
    arguments.test_threads = Some(1);
    let mut trials = faults(Postgres::setup().durable().start());
    trials.extend(faults(MariaDb::setup().durable().start()));
    if Mount::new("64k").is_some() {
        trials.extend(trials_on![Postgres::setup().start(); a_full_disk_is_full_and_loses_nothing]);
        trials.extend(trials_on![MariaDb::setup().start(); a_full_disk_is_full_and_loses_nothing]);
    } else {
        let disk = Suite::absent("full_disk", "needs root, to mount");
        trials.extend(disk.into_trials());
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn faults<S: Server>(server: Result<S, ServerError>) -> Vec<Trial> {
    trials_on![server;
        a_server_that_crashes_in_a_storm_loses_nothing,
        connections_that_are_ended_in_a_storm_lose_nothing,
        a_restart_costs_a_reader_nothing_and_a_writer_one_error,
        a_server_that_is_down_costs_little_time,
        a_server_that_hangs_costs_bounded_time_and_mixes_no_answers,
        a_write_whose_answer_is_lost_is_made_once,
        a_pool_of_two_stands_two_hundred_requests,
        a_request_that_is_given_up_takes_no_connection_with_it,
        two_cleanups_at_once_delete_what_is_expired_and_nothing_else,
        a_cleanup_in_a_loop_spares_what_is_touched,
    ]
}

/// Does something to the server, three times while the storm rages.
async fn storm<S: Server>(server: &mut S, table: &str, hurt: fn(&mut S)) {
    let url = server.url_with(&format!("table={table}&timeout=2s&acquire_timeout=1s"));
    let storm = Storm::on([open(&url).await, open(&url).await]);
    // The requests are tasks of their own, so they go on while this one hurts the server.
    let hurting = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            hurt(server);
        }
    };
    tokio::join!(storm.rage(6_000), hurting);
    let report = storm.judge(Keeps::Everything).await;
    let report = report.unwrap_or_else(|anomaly| panic!("{anomaly}"));
    println!("{}: {report}", S::NAME);
    assert!(report.conflicts > 0 && report.undecided > 0, "{report}");
}

async fn a_server_that_crashes_in_a_storm_loses_nothing<S: Server>(server: &mut S) {
    storm(server, "crashes", |server| {
        server.crash();
        server.come_back();
    })
    .await;
}

async fn connections_that_are_ended_in_a_storm_lose_nothing<S: Server>(server: &mut S) {
    storm(server, "ended", |server| {
        server.end_connections();
    })
    .await;
}

async fn a_restart_costs_a_reader_nothing_and_a_writer_one_error<S: Server>(server: &mut S) {
    let store = open(&server.url_with("table=restart")).await;
    let version = create(&*store, &key(1), entry("kept")).await;
    warm_up(&store).await;

    server.crash();
    server.come_back();
    assert_eq!(load(&*store, &key(1)).await.version, version);

    warm_up(&store).await;
    server.end_connections();
    let expect = Expect::Version(version.clone());
    let failed = store.put(&key(1), expect.clone(), entry("new"), NOW).await;
    let failed = chain(&failed.unwrap_err());
    assert!(failed.contains("may have been carried out"), "{failed}");
    // It was not; had it been, this were a conflict. The other dead connections are gone with the first.
    let again = store.put(&key(1), expect, entry("new"), NOW).await;
    done(again.unwrap());
}

/// Several connections idle afterwards.
async fn warm_up(store: &Arc<dyn Store>) {
    let loads: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { drop(load(&*store, &key(1)).await) })
        })
        .collect();
    for load in loads {
        load.await.unwrap();
    }
}

async fn a_server_that_is_down_costs_little_time<S: Server>(server: &mut S) {
    let url = server.url_with("table=down&timeout=2s&acquire_timeout=1s");
    let store = open(&url).await;
    create(&*store, &key(1), entry("kept")).await;
    server.crash();
    for _ in 0..3 {
        let (answer, time) = timed(store.load(&key(1))).await;
        let error = chain(&answer.unwrap_err());
        assert!(error.contains("no connection to the database"), "{error}");
        assert!(time < BOUNDED, "{time:?}");
        let (answer, time) = timed(store.put(&key(2), Expect::Absent, entry(""), NOW)).await;
        assert!(answer.is_err() && time < BOUNDED, "{time:?}");
    }
    let (opened, time) = timed(try_open(&url)).await;
    let error = chain(&opened.unwrap_err());
    assert!(
        error.contains("is it running") && !error.contains("sesame"),
        "{error}"
    );
    assert!(time < BOUNDED, "{time:?}");
    server.come_back();
    assert_eq!(load(&*store, &key(1)).await.entry, entry("kept"));
}

async fn a_server_that_hangs_costs_bounded_time_and_mixes_no_answers<S: Server>(server: &mut S) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let direct = open(&server.url_with("table=hangs")).await;
    for number in 0..8 {
        create(&*direct, &key(number), entry(number.to_string())).await;
    }
    let url = server.url_at(proxy.address());
    let url = format!("{url}?table=hangs&timeout=400ms&acquire_timeout=300ms");
    let store = until_ok(async || try_open(&url).await).await;
    for conduct in [
        Conduct::SwallowRequests,
        Conduct::SwallowAnswers,
        Conduct::Delay(Duration::from_millis(600)),
        Conduct::CutAnswersAfter(9),
        Conduct::Refuse,
    ] {
        proxy.set(conduct);
        for number in 0..3 {
            let (answer, time) = timed(store.load(&key(number))).await;
            assert!(answer.is_err(), "{conduct:?}");
            assert!(time < BOUNDED, "{conduct:?} {time:?}");
        }
        proxy.set(Conduct::Pass);
        for number in 0..8 {
            let found = until_ok(async || store.load(&key(number)).await).await;
            let found = found.unwrap().entry;
            assert_eq!(found, entry(number.to_string()), "{conduct:?}");
        }
    }
}

/// For limits that a machine that is busy may exceed: again and again, in bounded time.
async fn until_ok<T, E: Error + 'static>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let give_up = Instant::now() + BOUNDED;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < give_up, "{}", chain(&error)),
        }
    }
}

async fn a_write_whose_answer_is_lost_is_made_once<S: Server>(server: &mut S) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = server.url_at(proxy.address());
    let store = open(&format!("{url}?table=lost_answer&timeout=2s")).await;
    let first = create(&*store, &key(1), entry("0")).await;
    // So that there is nothing to be prepared any more.
    let expect = Expect::Version(first);
    let second = done(store.put(&key(1), expect, entry("1"), NOW).await.unwrap());

    proxy.set(Conduct::SwallowAnswers);
    let expect = Expect::Version(second.clone());
    let unknown = store.put(&key(1), expect.clone(), entry("2"), NOW).await;
    let unknown = chain(&unknown.unwrap_err());
    assert!(unknown.contains("may have been carried out"), "{unknown}");
    proxy.set(Conduct::Pass);
    let direct = open(&server.url_with("table=lost_answer")).await;
    let found = load(&*direct, &key(1)).await;
    assert_eq!(found.entry, entry("2"));
    let again = store.put(&key(1), expect, entry("3"), NOW).await.unwrap();
    assert_eq!(again, Write::Conflict);
}

async fn a_pool_of_two_stands_two_hundred_requests<S: Server>(server: &mut S) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = server.url_at(proxy.address());
    let store = open(&format!(
        "{url}?table=pool&pool=2&acquire_timeout=3s&timeout=8s"
    ))
    .await;
    create(&*store, &key(1), entry("here")).await;
    proxy.set(Conduct::Delay(Duration::from_millis(200)));
    let requests: Vec<_> = (0..200)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { timed(store.load(&key(1))).await })
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for request in requests {
        let (answer, time) = request.await.unwrap();
        assert!(time < BOUNDED, "{time:?}");
        match answer {
            Ok(found) => {
                assert_eq!(found.unwrap().entry, entry("here"));
                answered += 1;
            }
            Err(error) => {
                let error = chain(&error);
                assert!(
                    error.contains("no connection was free within 3s"),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(answered >= 4 && refused > 100, "{answered} {refused}");
    proxy.set(Conduct::Pass);
    assert_eq!(load(&*store, &key(1)).await.entry, entry("here"));
}

async fn a_request_that_is_given_up_takes_no_connection_with_it<S: Server>(server: &mut S) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = server.url_at(proxy.address());
    let store = open(&format!("{url}?table=given_up&pool=2&acquire_timeout=1s")).await;
    for number in 0..2 {
        create(&*store, &key(number), entry(number.to_string())).await;
    }
    for _ in 0..10 {
        proxy.set(Conduct::Delay(Duration::from_secs(2)));
        let patience = Duration::from_millis(5);
        let given_up = tokio::time::timeout(patience, store.load(&key(0))).await;
        assert!(given_up.is_err());
        proxy.set(Conduct::Pass);
        // The answer that was given up is not handed to this one.
        assert_eq!(load(&*store, &key(1)).await.entry, entry("1"));
    }
}

async fn two_cleanups_at_once_delete_what_is_expired_and_nothing_else<S: Server>(server: &mut S) {
    const EXPIRED: usize = 3_000;
    let url = server.url_with("table=cleanup");
    let (store, other) = (open(&url).await, open(&url).await);
    server.fill("cleanup", EXPIRED, NOW.as_millis());
    server.fill("cleanup", 500, LATER.as_millis());
    for number in 0..20 {
        create(&*store, &key(number), entry("alive")).await;
    }
    let expired = format!(
        "SELECT count(*) FROM {} WHERE deadline <= {}",
        S::named("cleanup"),
        NOW.as_millis()
    );
    let sweep = |store: Arc<dyn Store>| async {
        let store = store;
        let mut deleted = 0;
        loop {
            let batch = store.delete_expired(NOW, 500).await.unwrap();
            deleted += batch;
            if batch < 500 {
                // It said that none are left, whatever the other one is at.
                assert_eq!(server.run(&expired), "0");
                return deleted;
            }
        }
    };
    let use_it = async {
        for round in 0..10 {
            for number in 0..20 {
                let found = load(&*store, &key(number)).await;
                let later = LATER + Duration::from_secs(round);
                store
                    .touch(&key(number), &found.version, later, NOW)
                    .await
                    .unwrap();
            }
        }
    };
    let (one, two, ()) = tokio::join!(sweep(Arc::clone(&store)), sweep(other), use_it);
    assert_eq!(one + two, EXPIRED);
    let left = server.run(&format!("SELECT count(*) FROM {}", S::named("cleanup")));
    assert_eq!(left, "520");
}

/// Touched by a clock by which it is alive, while another clock says that it has expired.
async fn a_cleanup_in_a_loop_spares_what_is_touched<S: Server>(server: &mut S) {
    let url = server.url_with("table=touched");
    let (store, sweeper) = (open(&url).await, open(&url).await);
    let just_before = Timestamp::from_millis(NOW.as_millis() - 1);
    let sweeping = tokio::spawn(async move {
        loop {
            sweeper.delete_expired(NOW, 1000).await.unwrap();
        }
    });
    let mut alive = Vec::new();
    for number in 0..150 {
        let expiring = anysession::Entry {
            deadline: NOW,
            ..entry("")
        };
        let put = store
            .put(&key(number), Expect::Absent, expiring, just_before)
            .await;
        let version = done(put.unwrap());
        store
            .touch(&key(number), &version, LATER, just_before)
            .await
            .unwrap();
        if let Some(found) = store.load(&key(number)).await.unwrap() {
            assert_eq!(found.entry.deadline, LATER);
            alive.push(number);
        }
    }
    sweeping.abort();
    for &number in &alive {
        load(&*store, &key(number)).await;
    }
    let left = server.run(&format!("SELECT count(*) FROM {}", S::named("touched")));
    assert_eq!(left, alive.len().to_string());
}

/// The disk of the table alone: that of the log of writes is another one, as a server without it stops.
async fn a_full_disk_is_full_and_loses_nothing<S: Server>(server: &mut S) {
    let disk = Mount::of_server(server.folder(), S::USER, "1m").unwrap();
    server.make_table_at("full", disk.path());
    let store = open(&server.url_with("table=full&create_table=never")).await;
    let version = create(&*store, &key(0), entry("kept")).await;
    // Which no database makes smaller.
    let payload: Vec<u8> = (0..160)
        .flat_map(|part| key(part).as_bytes().to_vec())
        .collect();
    let mut stored = Vec::new();
    let error = loop {
        let number = stored.len() as u64 + 1;
        let put = store
            .put(&key(number), Expect::Absent, entry(payload.clone()), NOW)
            .await;
        match put {
            Ok(_) => stored.push(number),
            Err(error) => break error,
        }
        assert!(number < 2_000, "the disk has no end");
    };
    assert!(error.is_full(), "{}", chain(&error));
    // Nothing of the refused one, everything of the others.
    let refused = store.load(&key(stored.len() as u64 + 1)).await;
    assert_eq!(refused.unwrap(), None);
    for &number in &stored {
        assert_eq!(
            load(&*store, &key(number)).await.entry,
            entry(payload.clone())
        );
    }
    assert_eq!(load(&*store, &key(0)).await.version, version);

    disk.grow("16m");
    let expect = Expect::Version(version);
    done(store.put(&key(0), expect, entry("new"), NOW).await.unwrap());
    for number in 1_000..1_050 {
        create(&*store, &key(number), entry(payload.clone())).await;
    }
}
