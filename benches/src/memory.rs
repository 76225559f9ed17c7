//! What a session in memory takes.

use std::sync::Arc;

use anysession::{Config, MemoryStore, Sessions};

use crate::alloc;

/// Reports the bytes of a session of ten short strings, everything included.
pub fn run() {
    println!("\nmemory store, sessions of 10 short strings\n");
    println!(
        "| sessions | payload | bytes a session | limit: payload × 1.5 + 300 |\n| ---: | ---: | ---: | ---: |"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for count in [10_000_isize, 100_000, 150_000] {
        let ((payload, _sessions), counted) = alloc::count(|| {
            let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
            let payload = runtime.block_on(async {
                for _ in 0..count {
                    let slot = sessions.slot();
                    let claim = slot.open(std::iter::empty());
                    let session = slot.load(claim).await.expect("nothing is to be loaded");
                    for n in 0..10 {
                        session
                            .insert(format!("key{n}"), format!("value{n}"))
                            .expect("there is room");
                    }
                    session.save().await.expect("it is stored");
                }
                // One map header, and for each pair two headers and two texts.
                1 + 10 * (2 + "key0".len() + "value0".len())
            });
            (payload, sessions)
        });
        let each = counted.held / count;
        println!(
            "| {count} | {payload} | {each} | {} |",
            payload * 3 / 2 + 300
        );
    }
}
