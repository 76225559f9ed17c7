//! Writes that wait for each other in SQLite and are carried out together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use anysession::{Expect, Store as _, StoreError, Write};
use anysession_sql::{SqliteStore, Table};
use common::{NOW, chain, create, done, entry, key, load, of_user};
use futures_util::future::join_all;
use sqlx::Executor as _;
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

/// Brings it to where it waits.
async fn begin(put: &mut Put<'_>) {
    let polled = std::future::poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
    assert!(polled.is_pending());
}

async fn is_there(store: &SqliteStore, number: u64) -> bool {
    store.load(&key(number)).await.unwrap().is_some()
}

#[test]
fn whoever_gives_up_takes_nobody_with_it() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        let mut puts = [0, 1, 2, 3, 4, 5].map(|number| put(&store, number));
        for put in &mut puts {
            begin(put).await;
        }
        let [first, next, called, mut leads, waits, last] = puts;
        drop(next);
        done(first.await.unwrap());
        // It has the turn by now, and does not know it yet.
        drop(called);
        drop(waits);
        // It carries out the last one's with its own.
        begin(&mut leads).await;
        drop(leads);
        done(last.await.unwrap());

        let mut there = Vec::new();
        for number in 0..6 {
            there.push(is_there(&store, number).await);
        }
        assert_eq!(there, [true, false, false, true, false, true]);
        create(&store, &key(6), entry("")).await;
    });
}

#[test]
fn a_write_that_is_given_up_on_its_own_lets_the_next_go_on() {
    runtime().block_on(async {
        let (_folder, store) = open().await;
        for number in 0..20 {
            let [mut first, mut second] = [2 * number, 2 * number + 1].map(|n| put(&store, n));
            begin(&mut first).await;
            begin(&mut second).await;
            drop(first);
            done(second.await.unwrap());
        }
    });
}

#[test]
fn a_runtime_that_ends_lets_the_others_go_on() {
    let lasting = runtime();
    let (_folder, store) = lasting.block_on(open());
    let ends = runtime();
    let group = ends.block_on(async {
        let mut puts = [0, 1, 2].map(|number| put(&store, number));
        for put in &mut puts {
            begin(put).await;
        }
        let [first, mut leads, with_it] = puts;
        done(first.await.unwrap());
        // It will be carried out by a task of its own, which never comes to run.
        begin(&mut leads).await;
        (leads, with_it)
    });
    let mut other = put(&store, 3);
    lasting.block_on(begin(&mut other));
    drop(ends);
    lasting.block_on(async {
        done(other.await.unwrap());
        let (leads, with_it) = group;
        for given_up in [leads, with_it] {
            let error = given_up.await.unwrap_err();
            assert!(chain(&error).contains("runtime"), "{}", chain(&error));
        }
        create(&store, &key(4), entry("")).await;
    });
}

#[test]
fn what_one_write_runs_into_is_its_own() {
    const TRIGGERS: &str = "
        CREATE TRIGGER aborts BEFORE INSERT ON web WHEN NEW.user_id = 'aborts'
            BEGIN SELECT RAISE(ABORT, 'not this one'); END;
        CREATE TRIGGER rolls_back BEFORE INSERT ON web WHEN NEW.user_id = 'rolls back'
            BEGIN SELECT RAISE(ROLLBACK, 'nor this one'); END;";
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/app.db?mode=rwc", folder.path().display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let store = SqliteStore::from_pool(pool.clone(), "web".parse::<Table>().unwrap());
        store.create_table().await.unwrap();
        pool.execute(TRIGGERS).await.unwrap();

        for (round, bad) in [(0, "aborts"), (10, "rolls back")] {
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
                    assert!(chain(&error).contains("this one"), "{}", chain(&error));
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
