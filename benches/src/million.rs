//! A million sessions in memory: what each takes, how long they take to expire, and what a request notices of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anysession::{Config, MemoryStore, Outcome, Sessions, Slot};
use anysession_testkit::TestClock;

use crate::adapters::at_once;
use crate::alloc;
use crate::measure::{Effort, Time, below, pause, wait};

/// Reports a tenth of it if the run is to be quick.
pub fn run(effort: Effort) {
    let count = match effort.rounds < Effort::FULL.rounds {
        true => 100_000,
        false => 1_000_000,
    };
    let clock = TestClock::new();
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::new(Config::default(), store.clone()).with_clock(clock.clone());
    let ((), counted) = alloc::count(|| (0..count).for_each(|_| begin(&sessions)));
    let quiet = Requests::beside(&sessions, || pause(Duration::from_secs(1)));
    clock.advance(sessions.config().lifetime() + Duration::from_secs(1));
    let start = Time::Passed.now();
    let mut took = Duration::ZERO;
    let busy = Requests::beside(&sessions, || {
        wait(sessions.delete_expired()).expect("a store in memory answers");
        took = Time::Passed.now() - start;
    });
    // Some of them left when others began.
    assert!(
        store.len() <= busy.0.len(),
        "all have expired, but {} are there after {} have begun",
        store.len(),
        busy.0.len()
    );
    println!("\n{count} sessions of 10 short strings in memory\n");
    println!("| | |\n| --- | ---: |");
    println!(
        "| bytes each, everything included | {} |",
        counted.held / count as isize
    );
    println!("| of which are data | {DATA} |");
    println!("| expired after | {:.0} ms |", took.as_secs_f64() * 1e3);
    for (when, requests) in [("before", quiet), ("meanwhile", busy)] {
        let most = below(requests.0.clone(), 1.0);
        println!(
            "| a request {when}: median, 99.9 %, longest | {:.1} µs, {:.1} µs, {:.0} µs |",
            below(requests.0.clone(), 0.5),
            below(requests.0, 0.999),
            most,
        );
    }
}

/// A map header, and for each pair two headers and two texts.
const DATA: usize = 1 + 10 * (2 + "key0".len() + "value0".len());

/// A session of ten short strings.
fn begin(sessions: &Sessions) {
    let slot = sessions.slot();
    fill(&slot);
    drop(at_once(slot.close(Outcome::Succeeded)).expect("it is stored"));
}

fn fill(slot: &Slot) {
    let session = at_once(slot.load(slot.open(std::iter::empty())));
    let session = session.expect("a store in memory answers");
    for n in 0..10 {
        let inserted = session.insert(format!("key{n}"), format!("value{n}"));
        inserted.expect("there is room");
    }
}

/// How many microseconds each request took that began a session while something else was done.
struct Requests(Vec<f64>);

impl Requests {
    fn beside(sessions: &Sessions, work: impl FnOnce()) -> Self {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut taken = Vec::with_capacity(1 << 20);
                while !done.load(Ordering::Relaxed) {
                    let start = Time::Passed.now();
                    begin(sessions);
                    taken.push((Time::Passed.now() - start).as_secs_f64() * 1e6);
                    // A visitor comes now and then.
                    pause(Duration::from_micros(50));
                }
                taken
            });
            // Also if the work panics: who asks would go on for ever.
            let over = OnDrop(&done);
            work();
            drop(over);
            Requests(asking.join().expect("it does not panic"))
        })
    }
}

/// Says on its drop that something is over.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
