//! The filesystem store beside a plain loop that does the same system calls.

use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use anysession::{Entry, Expect, Store, StoreKey, Timestamp, Version, Write};
use anysession_fs::{Durability, FsStore};
use tokio::runtime::Runtime;

use crate::measure::{Effort, Run, Time, medians};
use crate::tasks::{SESSIONS, Work, concurrently};

const PAYLOAD: usize = 300;

/// Reports sessions written and read a second, by one task and by sixteen.
pub fn run(effort: Effort) {
    let effort = Effort {
        calls: (effort.calls / 40).max(160),
        ..effort
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let by_hand = Arc::new(Plain::new(folder.path()));
    let full = Arc::new(Ours::new(&runtime, folder.path(), "full", Durability::Full));
    let relaxed = Arc::new(Ours::new(
        &runtime,
        folder.path(),
        "relaxed",
        Durability::Relaxed,
    ));
    println!("\nfilesystem store, {PAYLOAD} B, both off the async threads: a second\n");
    println!("| | tasks | plain loop | anysession | part |\n| --- | ---: | ---: | ---: | ---: |");
    for tasks in [1, 16] {
        let run = |calls, work: Work| runtime.block_on(concurrently(tasks, calls, work));
        let plain = |synced| -> Work {
            let plain = by_hand.clone();
            Arc::new(move |n| plain.clone().write(n, synced))
        };
        let ours = |store: &Arc<Ours>| -> Work {
            let store = store.clone();
            Arc::new(move |n| store.clone().write(n))
        };
        let work: Vec<Work> = vec![
            plain(Synced::FileAndFolder),
            ours(&full),
            plain(Synced::File),
            ours(&full),
            plain(Synced::Nothing),
            ours(&relaxed),
            {
                let plain = by_hand.clone();
                Arc::new(move |n| plain.clone().read(n))
            },
            {
                let full = full.clone();
                Arc::new(move |n| full.clone().read(n))
            },
        ];
        let candidates = work
            .into_iter()
            .map(|work| Box::new(move |calls| run(calls, work.clone())) as Run<'_>)
            .collect();
        let figures: Vec<f64> = medians(effort, Time::Passed, candidates)
            .into_iter()
            .map(|ns| 1e9 / ns)
            .collect();
        let rows = [
            "full, beside temp + fdatasync + rename + fsync of the folder",
            "full, beside temp + fdatasync + rename",
            "relaxed, beside temp + rename",
            "read, beside open + read + close",
        ];
        for (name, pair) in rows.into_iter().zip(figures.chunks(2)) {
            println!(
                "| {name} | {tasks} | {:.0} | {:.0} | {:.2} |",
                pair[0],
                pair[1],
                pair[1] / pair[0]
            );
        }
    }
}

/// What a write by hand makes durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Synced {
    Nothing,
    /// The new content, but not that it has its name.
    File,
    /// As `full` has to.
    FileAndFolder,
}

/// What anybody would write by hand.
struct Plain(std::path::PathBuf);

impl Plain {
    fn new(folder: &Path) -> Self {
        let folder = folder.join("plain");
        std::fs::create_dir(&folder).expect("a folder");
        let plain = Plain(folder);
        (0..SESSIONS).for_each(|n| plain.write_now(n, Synced::Nothing));
        plain
    }

    fn write_now(&self, n: usize, synced: Synced) {
        let temporary = self.0.join(format!("temporary-{n}"));
        let mut file = File::create(&temporary).expect("a file");
        file.write_all(&[7; PAYLOAD]).expect("there is room");
        if synced != Synced::Nothing {
            file.sync_data().expect("the disk works");
        }
        std::fs::rename(temporary, self.0.join(n.to_string())).expect("it is renamed");
        if synced == Synced::FileAndFolder {
            let folder = File::open(&self.0).and_then(|folder| folder.sync_all());
            folder.expect("the disk works");
        }
    }

    fn write(
        self: Arc<Self>,
        n: usize,
        synced: Synced,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || self.write_now(n, synced));
            written.await.expect("it does not panic");
        })
    }

    fn read(self: Arc<Self>, n: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::with_capacity(PAYLOAD);
                let file = File::open(self.0.join(n.to_string()));
                file.and_then(|mut file| file.read_to_end(&mut bytes))
                    .expect("it is there")
            });
            assert_eq!(read.await.expect("it does not panic"), PAYLOAD);
        })
    }
}

struct Ours {
    store: Arc<dyn Store>,
    keys: Vec<StoreKey>,
    versions: Vec<Mutex<Version>>,
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
                Mutex::new(done(runtime.block_on(put)))
            })
            .collect();
        Ours {
            store,
            keys,
            versions,
        }
    }

    fn write(self: Arc<Self>, n: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let version = self.versions[n].lock().expect("nobody panics").clone();
            let put = self
                .store
                .put(&self.keys[n], Expect::Version(version), entry(), NOW)
                .await;
            *self.versions[n].lock().expect("nobody panics") = done(put);
        })
    }

    fn read(self: Arc<Self>, n: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let loaded = self.store.load(&self.keys[n]).await;
            assert!(loaded.expect("the disk works").is_some());
        })
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

fn done(write: Result<Write, anysession::StoreError>) -> Version {
    match write.expect("the disk works") {
        Write::Done(version) => version,
        Write::Conflict => panic!("nobody else writes"),
    }
}
