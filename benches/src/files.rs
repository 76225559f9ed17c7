//! The filesystem store beside a plain loop that does the same system calls.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use anysession::{Entry, Expect, Store, StoreKey, Timestamp, Write};
use anysession_fs::{Durability, FsStore};
use tokio::runtime::Runtime;

use crate::measure::{Effort, Run, medians};
use crate::report::{Figure, Report};

const PAYLOAD: usize = 300;
const SESSIONS: usize = 64;

/// Reports sessions written and read a second.
pub fn run(report: &mut Report, effort: Effort) {
    let effort = Effort {
        calls: (effort.calls / 20).max(250),
        ..effort
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let plain = Plain::new(folder.path());
    let full = Ours::new(&runtime, folder.path(), "full", Durability::Full);
    let relaxed = Ours::new(&runtime, folder.path(), "relaxed", Durability::Relaxed);
    let mut plain_versions = 0;
    let (mut full_at, mut relaxed_at, mut read_at, mut plain_at) = (0, 0, 0, 0);
    let candidates: Vec<Run<'_>> = vec![
        Box::new(|calls| {
            (0..calls).for_each(|_| {
                plain_versions += 1;
                plain.write(plain_versions % SESSIONS, true);
            })
        }),
        Box::new(|calls| runtime.block_on(full.write(calls, &mut full_at))),
        Box::new(|calls| (0..calls).for_each(|n| plain.write(n % SESSIONS, false))),
        Box::new(|calls| runtime.block_on(relaxed.write(calls, &mut relaxed_at))),
        Box::new(|calls| runtime.block_on(plain.read(calls, &mut plain_at))),
        Box::new(|calls| runtime.block_on(full.read(calls, &mut read_at))),
    ];
    let figures: Vec<f64> = medians(effort, candidates)
        .into_iter()
        .map(|ns| 1e9 / ns)
        .collect();
    println!("\nfilesystem store, {PAYLOAD} B, one task: a second\n");
    println!("| | plain loop | anysession | part |\n| --- | ---: | ---: | ---: |");
    let rows = [
        ("write", "write, full (temp + fdatasync + rename)"),
        ("write", "write, relaxed (temp + rename)"),
        ("read", "read (open + read + close, off the async threads)"),
    ];
    for ((route, name), pair) in rows.into_iter().zip(figures.chunks(2)) {
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} |",
            pair[0],
            pair[1],
            pair[1] / pair[0]
        );
        report.push(Figure {
            store: "filesystem",
            route,
            library: "anysession",
            version: env!("CARGO_PKG_VERSION"),
            requests_per_second: Some(pair[1]),
            ..Figure::default()
        });
    }
}

/// What anybody would write by hand.
struct Plain(std::path::PathBuf);

impl Plain {
    fn new(folder: &Path) -> Self {
        let folder = folder.join("plain");
        std::fs::create_dir(&folder).expect("a folder");
        let plain = Plain(folder);
        (0..SESSIONS).for_each(|n| plain.write(n, false));
        plain
    }

    fn write(&self, n: usize, sync: bool) {
        let temporary = self.0.join("temporary");
        let mut file = File::create(&temporary).expect("a file");
        file.write_all(&[7; PAYLOAD]).expect("there is room");
        if sync {
            file.sync_data().expect("the disk works");
        }
        std::fs::rename(temporary, self.0.join(n.to_string())).expect("it is renamed");
    }

    async fn read(&self, calls: usize, at: &mut usize) {
        for _ in 0..calls {
            *at += 1;
            let path = self.0.join((*at % SESSIONS).to_string());
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::with_capacity(PAYLOAD);
                File::open(path)
                    .and_then(|mut file| file.read_to_end(&mut bytes))
                    .expect("it is there");
                bytes
            });
            assert_eq!(read.await.expect("it does not panic").len(), PAYLOAD);
        }
    }
}

struct Ours {
    store: Arc<dyn Store>,
    keys: Vec<StoreKey>,
    versions: std::cell::RefCell<Vec<anysession::Version>>,
}

impl Ours {
    fn new(runtime: &Runtime, folder: &Path, name: &str, durability: Durability) -> Self {
        let store = FsStore::open_with(folder.join(name), durability);
        let store: Arc<dyn Store> = Arc::new(store.expect("the folder is ours"));
        let keys: Vec<_> = (0..SESSIONS)
            .map(|n| StoreKey::from_bytes(&[(n * 4) as u8; 32]).expect("a key has 32 bytes"))
            .collect();
        let versions = keys
            .iter()
            .map(|key| {
                let put = store.put(key, Expect::Absent, entry(), NOW);
                done(runtime.block_on(put))
            })
            .collect();
        Ours {
            store,
            keys,
            versions: std::cell::RefCell::new(versions),
        }
    }

    async fn write(&self, calls: usize, at: &mut usize) {
        for _ in 0..calls {
            *at += 1;
            let n = *at % SESSIONS;
            let version = self.versions.borrow()[n].clone();
            let put = self
                .store
                .put(&self.keys[n], Expect::Version(version), entry(), NOW)
                .await;
            self.versions.borrow_mut()[n] = done(put);
        }
    }

    async fn read(&self, calls: usize, at: &mut usize) {
        for _ in 0..calls {
            *at += 1;
            let loaded = self.store.load(&self.keys[*at % SESSIONS]).await;
            assert!(loaded.expect("the disk works").is_some());
        }
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn entry() -> Entry {
    Entry {
        payload: vec![7; PAYLOAD].into(),
        deadline: Timestamp::MAX,
        user: None,
    }
}

fn done(write: Result<Write, anysession::StoreError>) -> anysession::Version {
    match write.expect("the disk works") {
        Write::Done(version) => version,
        Write::Conflict => panic!("nobody else writes"),
    }
}
