//! Several processes on one directory, and processes that are killed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child answers on its standard output"
)]

#[path = "common/child.rs"]
mod child;
mod common;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use anysession::{Deletion, Entry, Expect, Store, StoreKey, Timestamp, Write};
use anysession_fs::{Durability, FsStore};
use child::{Running, block_on, child, role};
use common::{LATER, NOW, create, entry, fresh, key, load, of_user, temp_files};
use libtest_mimic::{Arguments, Trial};

const PROCESSES: u64 = 3;
const TASKS: u64 = 4;
const INCREMENTS: u64 = 25;
const ROUNDS: u64 = 60;

fn main() {
    if let Some((role, path)) = role() {
        return block_on(play(&role, Path::new(&path)));
    }
    let trials = vec![
        Trial::test("no_increment_of_any_process_is_lost", || {
            block_on(no_increment_is_lost());
            Ok(())
        }),
        Trial::test("one_of_many_processes_creates", || {
            block_on(one_creates());
            Ok(())
        }),
        Trial::test(
            "no_update_of_another_process_brings_a_deleted_key_back",
            || {
                block_on(deleted_stays_deleted());
                Ok(())
            },
        ),
        Trial::test(
            "a_sweep_in_a_loop_never_takes_what_was_just_touched",
            || {
                block_on(the_sweep_spares_the_touched());
                Ok(())
            },
        ),
        Trial::test(
            "pruning_never_takes_the_index_entry_of_a_new_session",
            || {
                block_on(pruning_spares_the_new());
                Ok(())
            },
        ),
        Trial::test(
            "a_process_that_hangs_with_a_lock_costs_the_others_an_error_and_no_more",
            || {
                block_on(hanging());
                Ok(())
            },
        ),
        Trial::test("what_a_killed_process_answered_is_there_and_whole", || {
            block_on(killed(Durability::Full, 12));
            block_on(killed(Durability::Relaxed, 12));
            Ok(())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// What the other processes do. They begin when the parent closes their standard input.
async fn play(role: &str, path: &Path) {
    if role == "hang" {
        let lock = std::fs::File::open(path).unwrap();
        lock.lock().unwrap();
        println!("ready");
        // Ends with the parent.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let store = FsStore::open_with(path, Durability::Relaxed).unwrap();
    if role != "write" && role != "write-relaxed" {
        println!("ready");
        let _ = std::io::stdin().read(&mut [0]);
    }
    match role {
        "increment" => increment(&store).await,
        "create" => {
            for round in 0..ROUNDS {
                let mine = entry(std::process::id().to_string());
                let put = store
                    .put(&key(round), Expect::Absent, mine, NOW)
                    .await
                    .unwrap();
                println!("{}", u8::from(put != Write::Conflict));
            }
        }
        "update" => update_until_deleted(&store).await,
        "sweep" => loop {
            // Ends with the pipe to the parent.
            let swept = store.delete_expired(NOW, 1000).await.unwrap();
            if writeln!(std::io::stdout(), "{swept}").is_err() {
                return;
            }
        },
        "list" => loop {
            let listed = store.keys_of_user("ada").await.unwrap().len();
            if writeln!(std::io::stdout(), "{listed}").is_err() {
                return;
            }
        },
        "write" => write_for_ever(&FsStore::open(path).unwrap()).await,
        "write-relaxed" => write_for_ever(&store).await,
        other => panic!("no such role: {other}"),
    }
}

fn start(count: u64, role: &str, path: &Path) -> Vec<Running> {
    let mut children: Vec<_> = (0..count)
        .map(|_| Running::start(child(role, path)))
        .collect();
    for child in &mut children {
        // No more than this line is taken away from the reader of the answers.
        let mut line = [0; 6];
        let output = child.process().stdout.as_mut().unwrap();
        output.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ready\n");
    }
    for child in &mut children {
        drop(child.process().stdin.take());
    }
    children
}

fn answers(child: Running) -> Vec<String> {
    let output = child.output();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn no_increment_is_lost() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    create(&store, &key(1), entry("0")).await;
    for child in start(PROCESSES, "increment", &path) {
        answers(child);
    }
    let expected = (PROCESSES * TASKS * INCREMENTS).to_string();
    assert_eq!(
        load(&store, &key(1)).await.entry.payload,
        expected.as_bytes()
    );
}

async fn increment(store: &FsStore) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..INCREMENTS {
                    loop {
                        let stored = load(&store, &key(1)).await;
                        let count: u64 = std::str::from_utf8(&stored.entry.payload)
                            .unwrap()
                            .parse()
                            .unwrap();
                        let expect = Expect::Version(stored.version);
                        let next = entry((count + 1).to_string());
                        if store.put(&key(1), expect, next, NOW).await.unwrap() != Write::Conflict {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn one_creates() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let mut winners = vec![Vec::new(); ROUNDS as usize];
    for mut child in start(PROCESSES, "create", &path) {
        let id = child.process().id();
        for (round, answer) in answers(child).iter().enumerate() {
            if answer == "1" {
                winners[round].push(id.to_string());
            }
        }
    }
    for (round, winners) in (0..).zip(winners) {
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(
            load(&store, &key(round)).await.entry.payload,
            winners[0].as_bytes()
        );
    }
}

async fn deleted_stays_deleted() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    for round in 0..ROUNDS {
        create(&store, &key(round), entry("")).await;
    }
    let children = start(PROCESSES, "update", &path);
    for round in 0..ROUNDS {
        loop {
            let version = load(&store, &key(round)).await.version;
            if store.delete(&key(round), &version).await.unwrap() == Deletion::Done {
                break;
            }
        }
        assert_eq!(store.load(&key(round)).await.unwrap(), None);
    }
    for child in children {
        answers(child);
    }
    for round in 0..ROUNDS {
        assert_eq!(
            store.load(&key(round)).await.unwrap(),
            None,
            "round {round}"
        );
    }
}

async fn update_until_deleted(store: &FsStore) {
    for round in 0..ROUNDS {
        while let Some(stored) = store.load(&key(round)).await.unwrap() {
            let expect = Expect::Version(stored.version.clone());
            let _ = store
                .put(&key(round), expect, entry("x"), NOW)
                .await
                .unwrap();
            store
                .touch(&key(round), &stored.version, Timestamp::MAX, NOW)
                .await
                .unwrap();
        }
    }
}

/// A touch at the last moment: it comes just before the deadline by its own clock, while the sweeper's clock says that
/// the deadline is reached. Either may win, but a touch that the record shows is not swept away.
async fn the_sweep_spares_the_touched() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    let sweeper = start(1, "sweep", &path);
    let just_before = Timestamp::from_millis(NOW.as_millis() - 1);
    let (mut touched, mut swept) = (0, 0);
    for round in 0..400 {
        let expiring = Entry {
            deadline: NOW,
            ..entry("")
        };
        let put = store
            .put(&key(round), Expect::Absent, expiring, just_before)
            .await
            .unwrap();
        let version = common::done(put);
        store
            .touch(&key(round), &version, LATER, just_before)
            .await
            .unwrap();
        match store.load(&key(round)).await.unwrap() {
            Some(stored) => {
                assert_eq!(stored.entry.deadline, LATER);
                touched += 1;
            }
            None => swept += 1,
        }
    }
    // Every one that was seen with its new deadline is still there after all the sweeps.
    let alive = count_alive(&store, 400).await;
    assert_eq!(alive, touched, "{swept} were swept first");
    drop(sweeper);
}

async fn count_alive(store: &FsStore, count: u64) -> u64 {
    let mut alive = 0;
    for round in 0..count {
        alive += u64::from(store.load(&key(round)).await.unwrap().is_some());
    }
    alive
}

async fn pruning_spares_the_new() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    let listers = start(2, "list", &path);
    for round in 0..300 {
        let version = create(&store, &key(round), of_user("ada", "")).await;
        assert!(
            store
                .keys_of_user("ada")
                .await
                .unwrap()
                .contains(&key(round)),
            "round {round}"
        );
        if round % 2 == 0 {
            assert_eq!(
                store.delete(&key(round), &version).await.unwrap(),
                Deletion::Done
            );
        }
    }
    assert_eq!(store.keys_of_user("ada").await.unwrap().len(), 150);
    drop(listers);
}

async fn hanging() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    let version = create(&store, &key(1), entry("old")).await;
    let lock = path.join("locks").join(&key(1).to_string()[..2]);
    let mut holder = Running::start(child("hang", &lock));
    let output = holder.process().stdout.take().unwrap();
    let ready = BufReader::new(output).lines().next().unwrap().unwrap();
    assert_eq!(ready, "ready");

    // Several at once wait no longer than one.
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let (store, version) = (store.clone(), version.clone());
            tokio::spawn(async move {
                let expect = Expect::Version(version);
                store.put(&key(1), expect, entry("new"), NOW).await
            })
        })
        .collect();
    // Meanwhile readers do not wait, and nobody waits who writes elsewhere.
    assert_eq!(load(&store, &key(1)).await.entry, entry("old"));
    create(&store, &key(2), entry("")).await;
    for put in waiting {
        let error = put.await.unwrap().unwrap_err();
        let text = common::chain(&error);
        assert!(text.contains("was not free within 5s"), "{text}");
        assert!(!error.is_full());
    }
    // The kernel lets go of the lock of a process that dies.
    holder.process().kill().unwrap();
    holder.output();
    common::update(&store, &key(1), &version, entry("new")).await;
}

const WRITERS: u64 = 3;

/// Creates, updates and deletes, and says after every answer what it was: `key state`.
async fn write_for_ever(store: &FsStore) {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for generation in 0.. {
                    let key_number = task * 1000 + generation % 5;
                    let key = key(key_number);
                    let state = match store.load(&key).await.unwrap() {
                        None => {
                            create(&store, &key, body(key_number, generation)).await;
                            generation.to_string()
                        }
                        Some(stored) if generation % 3 == 0 => {
                            let deleted = store.delete(&key, &stored.version).await.unwrap();
                            assert_eq!(deleted, Deletion::Done);
                            "gone".to_owned()
                        }
                        Some(stored) => {
                            let new = body(key_number, generation);
                            common::update(&store, &key, &stored.version, new).await;
                            generation.to_string()
                        }
                    };
                    // One write, so that lines of several tasks do not mix.
                    let line = format!("{key_number} {state}\n");
                    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// A body that says whose it is and from when, long enough to be torn if it can be.
fn body(key_number: u64, generation: u64) -> Entry {
    let word = format!("{key_number}:{generation};");
    Entry {
        deadline: Timestamp::MAX,
        ..of_user(&format!("user{key_number}"), &word.repeat(2000))
    }
}

async fn killed(durability: Durability, times: u64) {
    let (_guard, path) = fresh();
    let role = if durability == Durability::Full {
        "write"
    } else {
        "write-relaxed"
    };
    let mut acknowledged: HashMap<u64, Option<u64>> = HashMap::new();
    let mut lines_seen = 0;
    for round in 0..times {
        let mut running = Running::start(child(role, &path));
        let writer = running.process();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for count in 0u64.. {
            if count == 5 + round * 7 {
                writer.kill().unwrap();
            }
            let Some(line) = lines.next() else { break };
            let line = line.unwrap();
            // The last line may be cut off by the kill; it was not answered then.
            let Some((number, state)) = line.split_once(' ') else {
                break;
            };
            let number = number.parse().unwrap();
            acknowledged.insert(number, state.parse().ok());
            lines_seen += 1;
        }
        writer.wait().unwrap();
        check(&path, &mut acknowledged).await;
    }
    assert!(lines_seen > times * 5, "{lines_seen}");
    // Litter is swept a good hour later.
    let store = FsStore::open(&path).unwrap();
    let in_two_hours = std::fs::metadata(path.join("anysession-store"))
        .unwrap()
        .modified()
        .unwrap()
        + std::time::Duration::from_secs(7200);
    store.delete_expired(in_two_hours.into(), 10).await.unwrap();
    assert_eq!(temp_files(&path), Vec::<std::path::PathBuf>::new());
    let version = create(&store, &key(999_999), entry("")).await;
    assert_eq!(
        store.delete(&key(999_999), &version).await.unwrap(),
        Deletion::Done
    );
}

/// Every key is as it was acknowledged, or as the one write after that made it, and whole either way.
async fn check(path: &Path, acknowledged: &mut HashMap<u64, Option<u64>>) {
    let store = FsStore::open(path).unwrap();
    for task in 0..WRITERS {
        let mut unanswered = 0;
        for number in (0..5).map(|number| task * 1000 + number) {
            let known = acknowledged.get(&number).copied().flatten();
            let found = generation_of(&store, &key(number), number).await;
            if found != known {
                unanswered += 1;
                acknowledged.insert(number, found);
            }
            if found.is_some() {
                let listed = store.keys_of_user(&format!("user{number}")).await.unwrap();
                assert_eq!(listed, [key(number)], "the index lacks a session");
            }
        }
        assert!(
            unanswered <= 1,
            "task {task} lost {unanswered} acknowledged writes"
        );
    }
}

async fn generation_of(store: &FsStore, key: &StoreKey, number: u64) -> Option<u64> {
    let stored = store.load(key).await.unwrap()?;
    let text = std::str::from_utf8(&stored.entry.payload).unwrap();
    let word = text.split_inclusive(';').next().unwrap();
    let generation = word
        .trim_end_matches(';')
        .split_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    assert_eq!(stored.entry, body(number, generation));
    Some(generation)
}
