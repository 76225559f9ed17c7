//! How the memory store fares with two threads: many sessions, and one that all want.

use std::sync::Arc;
use std::time::Duration;

use anysession::{Config, MemoryStore, Outcome, Session, Sessions};

use crate::measure::{Effort, Time, median, wait};

const MANY: usize = 64;

/// Reports requests a second, without a framework: open, load, read or count, close.
pub fn run(effort: Effort) {
    println!("\nmemory store, sessions of 10 short strings: requests a second on 1 thread and 2\n");
    println!("| library | request | sessions | 1 thread | 2 threads | gain |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    let ours = Arc::new(Ours::new());
    let theirs = Arc::new(Theirs::new());
    let read: [Request; 2] = [
        Arc::new({
            let ours = ours.clone();
            move |n| ours.read(n)
        }),
        Arc::new({
            let theirs = theirs.clone();
            move |n| theirs.read(n)
        }),
    ];
    let update: [Request; 2] = [
        Arc::new(move |n| ours.update(n)),
        Arc::new(move |n| theirs.update(n)),
    ];
    for (what, requests) in [("read", read), ("update", update)] {
        for sessions in [MANY, 1] {
            for (library, a_second) in LIBRARIES
                .into_iter()
                .zip(compare(effort, sessions, &requests))
            {
                let [one, two] = a_second;
                println!(
                    "| {library} | {what} | {sessions} | {one:.0} | {two:.0} | {:.2} |",
                    two / one
                );
            }
        }
    }
}

const LIBRARIES: [&str; 2] = ["anysession", "tower-sessions"];

/// One request on the session of this number.
type Request = Arc<dyn Fn(usize) + Send + Sync>;

/// Of each library the requests a second with one thread and with two, all in turn.
fn compare(effort: Effort, sessions: usize, requests: &[Request; 2]) -> [[f64; 2]; 2] {
    let mut seen = [const { [const { Vec::new() }; 2] }; 2];
    for round in 0..=effort.rounds {
        for (request, seen) in requests.iter().zip(&mut seen) {
            for (threads, seen) in [1, 2].into_iter().zip(seen) {
                let taken = on_threads(threads, effort.calls, sessions, request);
                // The first round fills caches.
                if round > 0 {
                    seen.push((threads * effort.calls) as f64 / taken.as_secs_f64());
                }
            }
        }
    }
    seen.map(|library| library.map(median))
}

fn on_threads(threads: usize, calls: usize, sessions: usize, request: &Request) -> Duration {
    let start = Time::Passed.now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for call in 0..calls {
                    // Where there are enough of them, no two threads meet on one.
                    request((call * threads + thread) % sessions);
                }
            });
        }
    });
    Time::Passed.now() - start
}

struct Ours {
    sessions: Sessions,
    cookies: Vec<String>,
}

impl Ours {
    fn new() -> Self {
        let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
        let begin = |_| {
            let slot = sessions.slot();
            let session = wait(slot.load(slot.open(std::iter::empty())));
            fill(&session.expect("a store in memory answers"));
            let headers = wait(slot.close(Outcome::Succeeded)).expect("it is stored");
            let mut lines = headers.into_lines();
            let line = lines.find(|line| line.name == "set-cookie");
            let line = line.expect("a new session has a cookie").value;
            line.split(';').next().unwrap_or_default().to_owned()
        };
        let cookies = (0..MANY).map(begin).collect();
        Ours { sessions, cookies }
    }

    fn request(&self, n: usize, act: impl FnOnce(&Session)) {
        let slot = self.sessions.slot();
        let cookies = self.cookies[n].as_bytes();
        let session = wait(slot.load(slot.open(std::iter::once(cookies))));
        act(&session.expect("a store in memory answers"));
        drop(wait(slot.close(Outcome::Succeeded)).expect("it is stored"));
    }

    fn read(&self, n: usize) {
        self.request(n, |session| {
            let value: Option<String> = session.get("key3").expect("a string");
            assert!(value.is_some());
        });
    }

    fn update(&self, n: usize) {
        self.request(n, |session| {
            let updated = session.update("visits", |visits: &mut u64| *visits += 1);
            updated.expect("a number");
        });
    }
}

fn fill(session: &Session) {
    for n in 0..10 {
        let inserted = session.insert(format!("key{n}"), format!("value{n}"));
        inserted.expect("there is room");
    }
}

/// Its own session on its own store, as its layer uses them.
struct Theirs {
    store: Arc<tower_sessions::MemoryStore>,
    ids: Vec<tower_sessions::session::Id>,
}

impl Theirs {
    fn new() -> Self {
        let store = Arc::new(tower_sessions::MemoryStore::default());
        let begin = |_| {
            let session = tower_sessions::Session::new(None, store.clone(), None);
            wait(async {
                for n in 0..10 {
                    let key = format!("key{n}");
                    let inserted = session.insert(&key, format!("value{n}")).await;
                    inserted.expect("it is stored");
                }
                session.save().await.expect("it is stored");
            });
            session.id().expect("it is saved")
        };
        let ids = (0..MANY).map(begin).collect();
        Theirs { store, ids }
    }

    fn session(&self, n: usize) -> tower_sessions::Session {
        tower_sessions::Session::new(Some(self.ids[n]), self.store.clone(), None)
    }

    fn read(&self, n: usize) {
        let session = self.session(n);
        wait(async {
            let value: Option<String> = session.get("key3").await.expect("a string");
            assert!(value.is_some());
        });
    }

    fn update(&self, n: usize) {
        let session = self.session(n);
        wait(async {
            let visits: Option<u64> = session.get("visits").await.expect("a number");
            let visits = visits.unwrap_or_default() + 1;
            session
                .insert("visits", visits)
                .await
                .expect("it is stored");
            session.save().await.expect("it is stored");
        });
    }
}
