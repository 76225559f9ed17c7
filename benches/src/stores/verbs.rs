//! A store's verbs beside the same verbs by hand.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use anysession::{
    Driver, Entry, Expect, Location, Store, StoreError, StoreKey, Timestamp, Version, Write,
};
use anysession_benches::by_hand::{self, Client, Key};
use tokio::runtime::Runtime;

use super::Backends;
use super::one_thread::OneThread;
use crate::measure::{Effort, Run, Time, medians};
use crate::report::{Figure, Report};
use crate::tasks::{SESSIONS, Work, concurrently};

const PAYLOAD: [u8; 300] = [7; 300];
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DEADLINE: Timestamp = Timestamp::from_millis(4_000_000_000_000);

pub fn run(
    report: &mut Report,
    effort: Effort,
    backends: &Backends,
    runtime: &Runtime,
) -> io::Result<()> {
    println!("\nstores, {} B, in process: a second\n", PAYLOAD.len());
    println!("| | tasks | verb | by hand | anysession | part |");
    println!("| --- | ---: | --- | ---: | ---: | ---: |");
    for (kind, url) in backends.urls("verbs") {
        let ours = Arc::new(runtime.block_on(Ours::open(&url))?);
        let by_hand = Arc::new(runtime.block_on(ByHand::open(&url))?);
        for tasks in [1, 16] {
            let effort = Effort {
                calls: effort.calls / if tasks == 1 { 10 } else { 5 },
                ..effort
            };
            let figures = a_second(
                runtime,
                effort,
                tasks,
                vec![
                    by_hand.clone().reading(),
                    ours.clone().reading(),
                    by_hand.clone().writing(),
                    ours.clone().writing(),
                    by_hand.clone().reading_without_pool(),
                ],
            );
            for (route, pair) in ["read", "write"].into_iter().zip(figures.chunks(2)) {
                let [hand, ours] = [pair[0], pair[1]];
                println!(
                    "| {kind} | {tasks} | {route} | {hand:.0} | {ours:.0} | {:.2} |",
                    ours / hand
                );
                report.push(Figure {
                    store: kind,
                    route,
                    library: "anysession",
                    version: env!("CARGO_PKG_VERSION"),
                    round_trips: Some(1.0),
                    requests_per_second: Some(ours),
                    ..Figure::default()
                });
            }
            if kind != "redis" {
                let (kept, ours) = (figures[4], figures[1]);
                println!(
                    "| {kind}, without a pool | {tasks} | read | {kept:.0} | {ours:.0} | {:.2} |",
                    ours / kept
                );
            }
            if kind == "sqlite" {
                let path = url.trim_start_matches("sqlite://");
                let thread = Arc::new(OneThread::open(path).map_err(io::Error::other)?);
                let work: Work = Arc::new(move |n| {
                    let thread = thread.clone();
                    Box::pin(async move {
                        let found = thread.read(key(n)).await;
                        assert_eq!(found.1.len(), PAYLOAD.len());
                    })
                });
                let figures = a_second(
                    runtime,
                    effort,
                    tasks,
                    vec![by_hand.clone().reading(), work],
                );
                println!(
                    "| sqlite, a thread of its own instead | {tasks} | read | {:.0} | {:.0} | {:.2} |",
                    figures[0],
                    figures[1],
                    figures[1] / figures[0]
                );
            }
        }
    }
    Ok(())
}

fn a_second(runtime: &Runtime, effort: Effort, tasks: usize, work: Vec<Work>) -> Vec<f64> {
    let run = |calls, work| runtime.block_on(concurrently(tasks, calls, work));
    let candidates = work
        .into_iter()
        .map(|work| Box::new(move |calls| run(calls, work.clone())) as Run<'_>)
        .collect();
    let nanoseconds = medians(effort, Time::Passed, candidates);
    nanoseconds.into_iter().map(|ns| 1e9 / ns).collect()
}

const DRIVERS: [Driver; 4] = [
    anysession_redis::DRIVER,
    anysession_sql::SQLITE,
    anysession_sql::POSTGRES,
    anysession_sql::MYSQL,
];

struct Ours {
    store: Arc<dyn Store>,
    versions: Vec<Mutex<Version>>,
}

impl Ours {
    async fn open(url: &str) -> io::Result<Self> {
        let location = Location::parse(url);
        let driver = DRIVERS
            .into_iter()
            .find(|driver| location.scheme() == Some(driver.name));
        let driver = driver.ok_or_else(|| io::Error::other("no driver"))?;
        let store = (driver.connect)(location).await.map_err(io::Error::other)?;
        let mut versions = Vec::new();
        for n in 0..SESSIONS {
            let put = store.put(&store_key(n), Expect::Absent, entry(), NOW).await;
            versions.push(Mutex::new(done(put)));
        }
        Ok(Ours { store, versions })
    }

    fn reading(self: Arc<Self>) -> Work {
        Arc::new(move |n| {
            let this = self.clone();
            Box::pin(async move {
                let loaded = this.store.load(&store_key(n)).await;
                assert!(loaded.expect("the backend answers").is_some());
            })
        })
    }

    fn writing(self: Arc<Self>) -> Work {
        Arc::new(move |n| {
            let this = self.clone();
            Box::pin(async move {
                let version = this.versions[n].lock().expect("nobody panics").clone();
                let expect = Expect::Version(version);
                let put = this.store.put(&store_key(n), expect, entry(), NOW).await;
                *this.versions[n].lock().expect("nobody panics") = done(put);
            })
        })
    }
}

struct ByHand {
    client: Arc<dyn Client>,
    versions: Vec<AtomicI64>,
}

impl ByHand {
    async fn open(url: &str) -> io::Result<Self> {
        let client = by_hand::open(url).await.map_err(io::Error::other)?;
        let mut versions = Vec::new();
        for n in 0..SESSIONS {
            versions.push(client.create(&key(n), &PAYLOAD).await.into());
        }
        Ok(ByHand { client, versions })
    }

    fn reading(self: Arc<Self>) -> Work {
        Arc::new(move |n| {
            let this = self.clone();
            Box::pin(async move {
                let record = this.client.read(&key(n)).await;
                assert_eq!(record.payload.len(), PAYLOAD.len());
            })
        })
    }

    fn reading_without_pool(self: Arc<Self>) -> Work {
        Arc::new(move |n| {
            let this = self.clone();
            Box::pin(async move {
                let record = this.client.read_without_pool(&key(n)).await;
                assert_eq!(record.payload.len(), PAYLOAD.len());
            })
        })
    }

    fn writing(self: Arc<Self>) -> Work {
        Arc::new(move |n| {
            let this = self.clone();
            Box::pin(async move {
                let version = this.versions[n].load(Ordering::Relaxed);
                let new = this.client.write(&key(n), version, &PAYLOAD).await;
                this.versions[n].store(new, Ordering::Relaxed);
            })
        })
    }
}

fn key(n: usize) -> Key {
    [n as u8; 32]
}

fn store_key(n: usize) -> StoreKey {
    StoreKey::from_bytes(&key(n)).expect("a key has 32 bytes")
}

fn entry() -> Entry {
    Entry {
        payload: PAYLOAD.to_vec().into(),
        deadline: DEADLINE,
        user: None,
    }
}

fn done(write: Result<Write, StoreError>) -> Version {
    match write.expect("the backend answers") {
        Write::Done(version) => version,
        Write::Conflict => panic!("nobody else writes"),
    }
}
