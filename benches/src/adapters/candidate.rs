//! Something to be measured, and what is measured of it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anysession::{Config, MemoryStore, Sessions};
use tokio::runtime::Runtime;

use crate::alloc;
use crate::measure::{Effort, Run, Time, medians};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Does not take the session.
    Ignore,
    /// Reads one key of ten.
    Read,
    /// Reads it, and writes another value.
    Write,
    /// Puts ten strings into a session that begins with them.
    New,
    /// Gives the session another id.
    Regenerate,
}

impl Route {
    /// All of them.
    pub const ALL: [Route; 5] = [
        Route::Ignore,
        Route::Read,
        Route::Write,
        Route::New,
        Route::Regenerate,
    ];

    /// As it is reported.
    pub fn name(self) -> &'static str {
        match self {
            Route::Ignore => "ignore",
            Route::Read => "read",
            Route::Write => "write",
            Route::New => "new",
            Route::Regenerate => "regenerate",
        }
    }

    /// The route of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }

    /// Where it is served.
    pub fn path(self) -> String {
        format!("/{}", self.name())
    }

    /// Whether each call leaves one more record in the store.
    fn fills_the_store(self) -> bool {
        matches!(self, Route::New | Route::Regenerate)
    }
}

/// The routes without sessions.
pub const BARE: &str = "bare";
/// Ours.
pub const OURS: &str = "anysession";
/// A middleware that does nothing: what the framework takes for any of them.
pub const NO_OP: &str = "(no-op)";
/// A middleware that puts one thing on the request, as every one for sessions must.
pub const EXTENSION: &str = "(extension)";

/// Answers a request for a path with a `Cookie` header, and says which cookies are set. The request must succeed.
pub type Answer = Box<dyn FnMut(&str, &str, &mut SetCookies)>;

/// The name and value of each cookie that a response sets, as a browser would send them.
#[derive(Default)]
pub struct SetCookies(String);

impl SetCookies {
    /// Takes a `Set-Cookie` line.
    pub fn take(&mut self, line: &str) {
        if !self.0.is_empty() {
            self.0.push_str("; ");
        }
        self.0.push_str(line.split(';').next().unwrap_or_default());
    }
}

/// Something to be measured.
pub struct Candidate {
    /// Whose it is.
    pub library: &'static str,
    /// Its version, empty if it is nobody's library.
    pub version: &'static str,
    answer: Answer,
    /// What a browser would send.
    cookies: String,
    /// The same for sessions whose id is to be regenerated, each once.
    waiting: Vec<String>,
    set: SetCookies,
    lacks: Option<Route>,
}

impl Candidate {
    /// A candidate of ours or the peer's; its route `/new` fills a session with ten short strings.
    pub fn new(library: &'static str, version: &'static str, answer: Answer) -> Self {
        let mut candidate = Self::without_session(library, answer);
        candidate.version = version;
        candidate.cookies = candidate.visitor();
        candidate
    }

    /// One of the framework's own.
    pub fn without_session(library: &'static str, answer: Answer) -> Self {
        Candidate {
            library,
            version: "",
            answer,
            cookies: with_others("id=none"),
            waiting: Vec::new(),
            set: SetCookies(String::with_capacity(1024)),
            lacks: None,
        }
    }

    /// The library cannot do this.
    #[cfg(feature = "rocket-peer")]
    pub fn without(mut self, route: Route) -> Self {
        self.lacks = Some(route);
        self
    }

    /// Whether the library can do this.
    pub fn has(&self, route: Route) -> bool {
        self.lacks != Some(route)
    }

    /// Makes sessions for so many calls.
    pub fn prepare(&mut self, route: Route, calls: usize) {
        if route == Route::Regenerate && self.has(route) && !self.version.is_empty() {
            while self.waiting.len() < calls {
                let cookies = self.visitor();
                self.waiting.push(cookies);
            }
        }
    }

    /// Calls a route so often.
    pub fn call(&mut self, route: Route, times: usize) {
        let path = route.path();
        for _ in 0..times {
            self.set.0.clear();
            let waiting = match route {
                Route::Regenerate => self.waiting.pop(),
                _ => None,
            };
            let cookies = match route {
                Route::New => OTHERS,
                _ => waiting.as_deref().unwrap_or(&self.cookies),
            };
            (self.answer)(&path, cookies, &mut self.set);
            let told = !self.set.0.is_empty();
            let due = route.fills_the_store() && !self.version.is_empty();
            // Peers set it again when they have written, or on every response.
            let expected = told == due || (told && self.library != OURS);
            assert!(expected, "{} sets cookies: {told}", self.library);
        }
    }

    /// Allocations of one request, once it is warm.
    pub fn allocations(&mut self, route: Route) -> f64 {
        const CALLS: usize = 200;
        self.prepare(route, CALLS);
        let ((), counted) = alloc::count(|| self.call(route, CALLS));
        (counted.calls as f64 / CALLS as f64).round()
    }

    /// The cookies of a new session, between two others as a browser would send them.
    fn visitor(&mut self) -> String {
        self.set.0.clear();
        (self.answer)("/new", OTHERS, &mut self.set);
        assert!(!self.set.0.is_empty(), "a session was begun");
        with_others(&self.set.0)
    }
}

const OTHERS: &str = "theme=dark; _ga=GA1.2.1234567890.1234567890";

fn with_others(pair: &str) -> String {
    format!("theme=dark; {pair}; _ga=GA1.2.1234567890.1234567890")
}

/// Nanoseconds of each route of each candidate, all in turn.
pub fn interleaved(effort: Effort, candidates: &mut [Candidate]) -> Vec<[Option<f64>; 5]> {
    let mut figures = vec![[None; 5]; candidates.len()];
    for fills in [false, true] {
        // Not so often that what is left in the stores is what is measured.
        let effort = Effort {
            calls: effort.calls / if fills { 20 } else { 1 },
            ..effort
        };
        let routes = (0..5).filter(|&at| Route::ALL[at].fills_the_store() == fills);
        let cells: Vec<_> = candidates.iter_mut().map(RefCell::new).collect();
        let mut places = Vec::new();
        let mut runs: Vec<Run<'_>> = Vec::new();
        for at in routes {
            let route = Route::ALL[at];
            for (index, cell) in cells.iter().enumerate() {
                if cell.borrow().has(route) {
                    let calls = effort.calls * (effort.rounds + 1);
                    cell.borrow_mut().prepare(route, calls);
                    places.push((index, at));
                    let run = move |calls| cell.borrow_mut().call(route, calls);
                    runs.push(Box::new(run));
                }
            }
        }
        for ((index, at), ns) in places
            .into_iter()
            .zip(medians(effort, Time::OfThisThread, runs))
        {
            figures[index][at] = Some(ns);
        }
    }
    figures
}

/// One thread, which all candidates share.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// What ours is measured with.
pub fn sessions() -> Sessions {
    Sessions::new(Config::default(), Arc::new(MemoryStore::new()))
}

/// A store in memory never waits, so one poll is all that a runtime would do.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store in memory had to wait"),
    }
}

/// A value that differs from the one before: some libraries do not store what has not changed.
pub fn another(value: Option<&str>) -> &'static str {
    match value {
        Some("value3") => "value4",
        Some(_) => "value3",
        None => panic!("the session was not found"),
    }
}

/// The strings of a session.
pub fn strings() -> impl Iterator<Item = (String, String)> {
    (0..10).map(|n| (format!("key{n}"), format!("value{n}")))
}
