//! The middleware's cost on Poem, Rocket and actix-web, beside what each of them has: one thread, in process, memory stores.

mod actix;
mod poem;
#[cfg(feature = "rocket-peer")]
mod rocket;

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anysession::{Config, MemoryStore, Sessions};
use tokio::runtime::Runtime;

use crate::alloc;
use crate::axum_candidates::{OURS, runtime};
use crate::measure::{Effort, Run, Time, medians};
use crate::report::{Figure, Report};

/// A framework, and the library that ours is compared with.
pub struct Framework {
    /// As it is reported.
    pub name: &'static str,
    peer: Option<&'static str>,
    candidates: fn(&Arc<Runtime>) -> Vec<Candidate>,
}

/// actix-session keeps nothing in memory, so that ours stands alone there.
pub const FRAMEWORKS: &[Framework] = &[
    Framework {
        name: "poem",
        peer: Some(poem::PEER),
        candidates: poem::candidates,
    },
    #[cfg(feature = "rocket-peer")]
    Framework {
        name: "rocket",
        peer: Some(rocket::PEER),
        candidates: rocket::candidates,
    },
    Framework {
        name: "actix",
        peer: None,
        candidates: actix::candidates,
    },
];

/// What is measured.
pub const ROUTES: [&str; 3] = ["ignore", "read", "write"];

/// The routes without sessions.
const BARE: &str = "bare";
/// A middleware that does nothing: what the framework takes for any of them.
const NO_OP: &str = "(no-op)";
/// A middleware that puts one thing on the request, as every one for sessions must.
const EXTENSION: &str = "(extension)";

/// Answers a request for a path, with a `Cookie` header, by its `Set-Cookie` lines. The request must succeed.
type Answer = Box<dyn FnMut(&str, &str) -> Vec<String>>;

/// Something to be measured.
struct Candidate {
    library: &'static str,
    version: &'static str,
    answer: Answer,
    /// What a browser would send: three cookies.
    cookies: String,
}

impl Candidate {
    /// A candidate of ours or the peer's; its route `/seed` fills a session with ten short strings.
    fn new(library: &'static str, version: &'static str, mut answer: Answer) -> Self {
        let set = answer("/seed", "theme=dark");
        let pair = set.iter().find_map(|line| line.split(';').next());
        let pair = pair.expect("a session was begun");
        Candidate {
            library,
            version,
            answer,
            cookies: with_others(pair),
        }
    }

    fn without_session(library: &'static str, answer: Answer) -> Self {
        Candidate {
            library,
            version: "",
            answer,
            cookies: with_others("id=none"),
        }
    }

    fn call(&mut self, path: &str, times: usize) {
        for _ in 0..times {
            let set = (self.answer)(path, &self.cookies);
            assert!(set.is_empty(), "nothing new is to be told to the browser");
        }
    }

    /// Allocations of one request, once it is warm.
    fn allocations(&mut self, path: &str) -> f64 {
        const CALLS: usize = 200;
        let ((), counted) = alloc::count(|| self.call(path, CALLS));
        (counted.calls as f64 / CALLS as f64).round()
    }
}

fn with_others(pair: &str) -> String {
    format!("theme=dark; {pair}; _ga=GA1.2.1234567890.1234567890")
}

/// Measures and reports: ignore, read, write.
pub fn run(report: &mut Report, effort: Effort) {
    for framework in FRAMEWORKS {
        framework.run(report, effort);
    }
}

/// Calls one route of one candidate over and over, for a profiler.
pub fn profile(library: &str, framework: &Framework, route: &str, calls: usize) {
    let mut candidates = (framework.candidates)(&Arc::new(runtime()));
    let named = candidates.iter_mut().find(|it| it.library == library);
    let candidate = named.expect("one of the framework's candidates");
    candidate.call(&path(route), calls);
}

impl Framework {
    /// The framework of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FRAMEWORKS.iter().find(|it| it.name == name)
    }

    /// Whose routes can be called, the bare ones first.
    pub fn libraries(&self) -> Vec<&'static str> {
        let peer = self.peer.into_iter();
        [BARE, OURS]
            .into_iter()
            .chain(peer)
            .chain([NO_OP, EXTENSION])
            .collect()
    }

    fn run(&self, report: &mut Report, effort: Effort) {
        let mut candidates = (self.candidates)(&Arc::new(runtime()));
        let allocations: Vec<_> = candidates
            .iter_mut()
            .map(|candidate| ROUTES.map(|route| candidate.allocations(&path(route))))
            .collect();
        let figures = interleaved(effort, &mut candidates);
        println!(
            "\n{}, memory store, session of 10 short strings, 3 cookies: ns (and allocations) over the bare route\n",
            self.name
        );
        println!("| library | ignore | read | write |\n| --- | ---: | ---: | ---: |");
        for (index, candidate) in candidates.iter().enumerate().skip(1) {
            let ns = difference(&figures[index], &figures[0]);
            let allocs = difference(&allocations[index], &allocations[0]);
            print!("| {:<19} |", candidate.library);
            for (at, route) in ROUTES.into_iter().enumerate() {
                print!(" {:>6.0} ({:>2}) |", ns[at], allocs[at]);
                report.push(Figure {
                    framework: self.name,
                    store: "memory",
                    route,
                    library: candidate.library,
                    version: candidate.version,
                    ns_over_bare: Some(ns[at]),
                    allocs_over_bare: Some(allocs[at]),
                    ..Figure::default()
                });
            }
            println!();
        }
        self.compare(&candidates, &figures);
    }

    fn compare(&self, candidates: &[Candidate], figures: &[[f64; 3]]) {
        let over = |library: &str| {
            let at = candidates.iter().position(|it| it.library == library)?;
            Some(difference(&figures[at], &figures[0]))
        };
        if let (Some(ours), Some(peer)) = (over(OURS), self.peer.and_then(over)) {
            let [ignore, read, write] = [0, 1, 2].map(|at| ours[at] / peer[at]);
            println!(
                "ours as a part of the peer's: ignore {ignore:.2}, read {read:.2}, read + write {write:.2}"
            );
        }
        println!("bare route {:.0} ns", figures[0][0]);
    }
}

fn path(route: &str) -> String {
    format!("/{route}")
}

fn difference(figures: &[f64; 3], bare: &[f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|at| figures[at] - bare[at])
}

/// Nanoseconds of each route of each candidate, all in turn.
fn interleaved(effort: Effort, candidates: &mut [Candidate]) -> Vec<[f64; 3]> {
    let cells: Vec<_> = candidates.iter_mut().map(RefCell::new).collect();
    let runs = cells.iter().flat_map(|cell| {
        ROUTES.map(|route| {
            let path = path(route);
            Box::new(move |calls| cell.borrow_mut().call(&path, calls)) as Run<'_>
        })
    });
    let figures = medians(effort, Time::OfThisThread, runs.collect());
    figures
        .chunks(3)
        .map(|row| [row[0], row[1], row[2]])
        .collect()
}

fn sessions() -> Sessions {
    Sessions::new(Config::default(), Arc::new(MemoryStore::new()))
}

/// A store in memory never waits, so one poll is all that a runtime would do.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store in memory had to wait"),
    }
}

/// A value that differs from the one before: some libraries do not store what has not changed.
fn another(value: Option<&str>) -> &'static str {
    match value {
        Some("value3") => "value4",
        Some(_) => "value3",
        None => panic!("the session was not found"),
    }
}

/// The strings of a session.
fn strings() -> impl Iterator<Item = (String, String)> {
    (0..10).map(|n| (format!("key{n}"), format!("value{n}")))
}
