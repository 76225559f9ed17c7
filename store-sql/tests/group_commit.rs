//! Writes that wait for each other in SQLite and are carried out together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Barrier};
use std::task::Poll;

use anysession::{Expect, Store as _, StoreError, Write};
use anysession_sql::SqliteStore;
use common::{NOW, chain, create, done, entry, key, load, of_user};
use futures_util::future::join_all;
use sqlx::{Connection as _, Executor as _};
use tokio::runtime::{Builder, Runtime};

/// On one thread nothing goes on unless the test awaits it.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn open() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::connect(&format!("sqlite://{}", path.display())).await;
    (folder, store.unwrap())
}

type Put<'a> = Pin<Box<dyn Future<Output = Result<Write, StoreError>> + Send + 'a>>;

fn put(store: &SqliteStore, number: u64) -> Put<'_> {
    Box::pin(async move {
        let key = key(number);
        store.put(&key, Expect::Absent, entry("here"), NOW).await
    })
}

/// Brings it to where it waits, and says whether it does: SQLite, on a thread of its own, may be faster than the test.
async fn begins(put: &mut Put<'_>) -> bool {
    let polled = std::future::poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
    polled.is_pending()
}

async fn is_there(store: &SqliteStore, number: u64) -> bool {
    store.load(&key(number)).await.unwrap().is_some()
}

#[test]
fn whoever_gives_up_takes_nobody_with_it() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        let mut number = 0;
        while !some_give_up(&store, number).await {
            number += 6;
        }
        let mut there = Vec::new();
        for number in number..number + 6 {
            there.push(is_there(&store, number).await);
        }
        assert_eq!(there, [true, false, false, true, false, true]);
        create(&store, &key(number + 6), entry("")).await;
    });
}

/// Of six writes from this one on; `false` if they were too fast for that.
async fn some_give_up(store: &SqliteStore, number: u64) -> bool {
    let mut puts = [0, 1, 2, 3, 4, 5].map(|nth| put(store, number + nth));
    for put in &mut puts {
        if !begins(put).await {
            return false;
        }
    }
    let [first, next, called, mut leads, waits, last] = puts;
    drop(next);
    done(first.await.unwrap());
    // It has the turn by now, and does not know it yet.
    drop(called);
    drop(waits);
    // It carries out the last one's with its own.
    let leads_on = begins(&mut leads).await;
    drop(leads);
    done(last.await.unwrap());
    leads_on
}

#[test]
fn a_write_that_is_given_up_on_its_own_lets_the_next_go_on() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        let (mut given_up, mut number) = (0, 0);
        while given_up < 20 {
            let [mut first, mut second] = [number, number + 1].map(|number| put(&store, number));
            number += 2;
            if begins(&mut first).await {
                assert!(begins(&mut second).await);
                drop(first);
                done(second.await.unwrap());
                given_up += 1;
            }
        }
    });
}

#[test]
fn a_runtime_that_stands_still_or_ends_keeps_nobody_waiting() {
    let lasting = runtime();
    let (_folder, store) = lasting.block_on(open());
    let mut numbers = (0..).step_by(3);
    for ends in [false, true] {
        let other_runtime = runtime();
        let (leads, with_it) = other_runtime.block_on(async {
            loop {
                let number = numbers.next().unwrap();
                let mut puts = [0, 1, 2].map(|nth| put(&store, number + nth));
                if !begins(&mut puts[0]).await {
                    continue;
                }
                for put in &mut puts[1..] {
                    assert!(begins(put).await);
                }
                let [alone, mut leads, with_it] = puts;
                done(alone.await.unwrap());
                if begins(&mut leads).await {
                    break (leads, with_it);
                }
                done(with_it.await.unwrap());
            }
        });
        // From here on nobody drives it.
        let driven = (!ends).then_some(other_runtime);
        lasting.block_on(async {
            create(&store, &key(numbers.next().unwrap()), entry("")).await;
            done(leads.await.unwrap());
            done(with_it.await.unwrap());
        });
        drop(driven);
    }
}

#[test]
fn blocking_threads_that_all_wait_for_a_write_are_not_in_its_way() {
    const THREADS: usize = 4;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let (_folder, store) = runtime.block_on(open());
    let all_there = Arc::new(Barrier::new(THREADS));
    let writers: Vec<_> = (0..THREADS as u64)
        .map(|writer| {
            let (store, all_there) = (store.clone(), Arc::clone(&all_there));
            let handle = runtime.handle().clone();
            runtime.spawn_blocking(move || {
                all_there.wait();
                for number in 0..20 {
                    handle.block_on(create(&store, &key(100 * writer + number), entry("")));
                }
            })
        })
        .collect();
    for writer in writers {
        runtime.block_on(writer).unwrap();
    }
}

#[test]
fn runtimes_that_write_at_once_lose_nothing() {
    const WRITES: u64 = 60;
    let (_folder, store) = runtime().block_on(open());
    std::thread::scope(|scope| {
        for first in [0, WRITES, 2 * WRITES] {
            let store = &store;
            scope.spawn(move || {
                let puts = (first..first + WRITES).map(|number| put(store, number));
                for put in runtime().block_on(join_all(puts)) {
                    done(put.unwrap());
                }
            });
        }
    });
    runtime().block_on(async {
        for number in 0..3 * WRITES {
            assert!(is_there(&store, number).await, "{number}");
        }
    });
}

#[test]
fn writes_that_wait_share_a_transaction() {
    const WRITES: u64 = 20;
    /// The log grows by each page that a transaction changes.
    async fn log_after(at_once: bool) -> u64 {
        let (folder, store) = open().await;
        let puts = (0..WRITES).map(|number| put(&store, number));
        if at_once {
            for put in join_all(puts).await {
                done(put.unwrap());
            }
        } else {
            for put in puts {
                done(put.await.unwrap());
            }
        }
        let log = folder.path().join("sessions.db-wal");
        std::fs::metadata(log).unwrap().len()
    }
    runtime().block_on(async {
        let (one_by_one, at_once) = (log_after(false).await, log_after(true).await);
        assert!(at_once * 3 < one_by_one, "{at_once} {one_by_one}");
    });
}

#[test]
fn more_writes_than_one_transaction_takes_are_all_carried_out() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        for put in join_all((0..250).map(|number| put(&store, number))).await {
            done(put.unwrap());
        }
    });
}

#[test]
fn what_one_write_runs_into_is_its_own() {
    const TRIGGERS: &str = "
        CREATE TRIGGER aborts BEFORE INSERT ON anysession WHEN NEW.user_id = 'aborts'
            BEGIN SELECT RAISE(ABORT, 'not this one'); END;
        CREATE TRIGGER rolls_back BEFORE INSERT ON anysession WHEN NEW.user_id = 'rolls back'
            BEGIN SELECT RAISE(ROLLBACK, 'nor this one'); END;
        CREATE TABLE users (id TEXT PRIMARY KEY);
        CREATE TABLE seen (id TEXT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER refuses_the_commit BEFORE INSERT ON anysession WHEN NEW.user_id = 'unknown'
            BEGIN INSERT INTO seen VALUES ('unknown'); END;";
    runtime().block_on(async {
        let (folder, store) = open().await;
        let url = format!("sqlite://{}/sessions.db", folder.path().display());
        let mut application = sqlx::SqliteConnection::connect(&url).await.unwrap();
        application.execute(TRIGGERS).await.unwrap();

        for (round, bad, told) in [
            (0, "aborts", "not this one"),
            (10, "rolls back", "nor this one"),
            (20, "unknown", "FOREIGN KEY"),
        ] {
            let users = ["ada", "bob", bad, "cleo", bad, "dan"];
            let keys: Vec<_> = (round..).take(users.len()).map(key).collect();
            let puts = users.iter().zip(&keys).map(|(user, key)| {
                let entry = of_user(user, *user);
                store.put(key, Expect::Absent, entry, NOW)
            });
            let puts = join_all(puts).await;
            for ((user, key), put) in users.iter().zip(&keys).zip(puts) {
                if *user == bad {
                    let error = put.unwrap_err();
                    assert!(chain(&error).contains(told), "{}", chain(&error));
                    assert_eq!(store.load(key).await.unwrap(), None);
                } else {
                    let found = load(&store, key).await;
                    assert_eq!(put.unwrap(), Write::Done(found.version));
                    assert_eq!(found.entry, of_user(user, *user));
                }
            }
        }
    });
}

#[test]
fn of_those_that_want_the_same_one_gets_it() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        let version = create(&store, &key(1), entry("0")).await;
        let (key, store) = (&key(1), &store);
        let puts = (0..20_u8).map(|number| {
            let expect = Expect::Version(version.clone());
            async move { store.put(key, expect, entry([number]), NOW).await.unwrap() }
        });
        let puts = join_all(puts).await;
        let written: Vec<_> = (0..)
            .zip(puts)
            .filter(|(_, put)| *put != Write::Conflict)
            .collect();
        let found = load(store, key).await;
        let only = (found.entry.payload[0], Write::Done(found.version));
        assert_eq!(written, [only]);
    });
}
