//! A hundred thousand sessions in one folder.

use std::sync::Arc;
use std::time::Duration;

use anysession::{Entry, Expect, Store, StoreKey, Timestamp, Write};
use anysession_fs::{Durability, FsStore};
use tokio::runtime::Runtime;

use crate::measure::{Effort, below, timed};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const PAYLOAD: usize = 300;
/// How many are read and written.
const SAMPLE: usize = 2_000;

/// Reports a tenth of it if the run is to be quick.
pub fn run(effort: Effort) {
    let count = match effort.rounds < Effort::FULL.rounds {
        true => 10_000,
        false => 100_000,
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    println!(
        "\nfilesystem store, durability=relaxed, {PAYLOAD} B, one task: median and 99 % in µs\n"
    );
    println!("| sessions in the folder | read | write | delete expired: sessions a second |");
    println!("| ---: | ---: | ---: | ---: |");
    for count in [100, count] {
        let path = folder.path().join(count.to_string());
        let store = FsStore::open_with(path, Durability::Relaxed).expect("the folder is ours");
        report(&runtime, Arc::new(store), count);
    }
}

fn report(runtime: &Runtime, store: Arc<dyn Store>, count: usize) {
    runtime.block_on(async {
        // On the threads of the runtime, as a server is.
        let work = tokio::spawn(async move {
            for n in 0..count {
                done(store.put(&key(n), Expect::Absent, entry(), NOW).await);
            }
            let mut read = Vec::new();
            let mut written = Vec::new();
            for sample in 0..SAMPLE {
                let key = key(sample * 7919 % count);
                let mut stored = None;
                read.push(
                    timed(async { stored = store.load(&key).await.expect("it reads") }).await,
                );
                let expect = Expect::Version(stored.expect("it is there").version);
                written
                    .push(timed(async { done(store.put(&key, expect, entry(), NOW).await) }).await);
            }
            let cleaned = timed(async {
                let mut left = count;
                while left > 0 {
                    let deleted = store.delete_expired(NOW + LIFETIME, 1_000).await;
                    left -= deleted.expect("it deletes");
                }
            });
            (read, written, cleaned.await)
        });
        let (read, written, cleaned) = work.await.expect("it does not panic");
        let two = |ms: Vec<f64>| {
            format!(
                "{:.0}, {:.0}",
                below(ms.clone(), 0.5) * 1e3,
                below(ms, 0.99) * 1e3
            )
        };
        println!(
            "| {count} | {} | {} | {:.0} |",
            two(read),
            two(written),
            count as f64 / cleaned * 1e3
        );
    });
}

const LIFETIME: Duration = Duration::from_secs(60);

/// Spread like the hashes that they are.
fn key(n: usize) -> StoreKey {
    let mut bytes = [0; 32];
    let spread = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&spread.to_le_bytes());
    bytes[24..].copy_from_slice(&spread.to_be_bytes());
    StoreKey::from_bytes(&bytes).expect("a key has 32 bytes")
}

fn entry() -> Entry {
    Entry {
        payload: vec![7; PAYLOAD].into(),
        deadline: NOW + LIFETIME,
        user: None,
    }
}

fn done(write: Result<Write, anysession::StoreError>) {
    assert!(matches!(write, Ok(Write::Done(_))), "nobody else writes");
}
