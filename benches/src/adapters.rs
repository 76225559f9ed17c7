//! The middleware's cost on each framework, beside its peers: one thread, in process, memory stores.

mod actix;
mod axum;
mod candidate;
mod poem;
#[cfg(feature = "rocket-peer")]
mod rocket;

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::measure::Effort;
use crate::report::{Figure, Report};
pub use axum::{Served, serve};
use candidate::{BARE, Candidate, EXTENSION, NO_OP, OURS, interleaved};
pub use candidate::{Route, at_once, runtime};

/// A framework, and the libraries that ours is compared with.
pub struct Framework {
    /// As it is reported.
    pub name: &'static str,
    /// Where the middleware stands, if that makes a difference.
    pub placement: Option<&'static str>,
    peers: &'static [&'static str],
    candidates: fn(&Arc<Runtime>) -> Vec<Candidate>,
}

/// actix-session keeps nothing in memory, so that ours stands alone there.
pub const FRAMEWORKS: &[Framework] = &[
    Framework {
        name: "axum",
        placement: Some("layer"),
        peers: &axum::PEERS,
        candidates: |runtime| axum::candidates(runtime, axum::Placement::Layer),
    },
    Framework {
        name: "axum",
        placement: Some("router"),
        peers: &axum::PEERS,
        candidates: |runtime| axum::candidates(runtime, axum::Placement::Router),
    },
    Framework {
        name: "poem",
        placement: None,
        peers: &[poem::PEER],
        candidates: poem::candidates,
    },
    #[cfg(feature = "rocket-peer")]
    Framework {
        name: "rocket",
        placement: None,
        peers: &[rocket::PEER],
        candidates: rocket::candidates,
    },
    Framework {
        name: "actix",
        placement: None,
        peers: &[],
        candidates: actix::candidates,
    },
];

/// Measures and reports every route on every framework.
pub fn run(report: &mut Report, effort: Effort) {
    for framework in FRAMEWORKS {
        framework.run(report, effort);
    }
}

impl Framework {
    /// The framework of this name, or axum with the layer in this place.
    pub fn named(name: &str) -> Option<&'static Self> {
        FRAMEWORKS.iter().find(|it| it.place() == name)
    }

    /// The placement, or the framework's name where there is none.
    pub fn place(&self) -> &'static str {
        self.placement.unwrap_or(self.name)
    }

    /// Whose routes can be called, the bare ones first.
    pub fn libraries(&self) -> Vec<&'static str> {
        [&[BARE, OURS], self.peers, &[NO_OP, EXTENSION]].concat()
    }

    /// Calls one route of one candidate over and over, for a profiler.
    pub fn profile(&self, library: &str, route: Route, calls: usize) {
        let mut candidates = (self.candidates)(&Arc::new(runtime()));
        let named = candidates.iter_mut().find(|it| it.library == library);
        let candidate = named.expect("one of the framework's candidates");
        candidate.prepare(route, calls);
        candidate.call(route, calls);
    }

    fn run(&self, report: &mut Report, effort: Effort) {
        let mut candidates = (self.candidates)(&Arc::new(runtime()));
        let count = |candidate: &mut Candidate| {
            Route::ALL.map(|route| candidate.has(route).then(|| candidate.allocations(route)))
        };
        let allocations: Vec<_> = candidates.iter_mut().map(count).collect();
        let figures = interleaved(effort, &mut candidates);
        println!(
            "\n{}{}, memory store, session of 10 short strings, 3 cookies: ns (and allocations) over the bare route\n",
            self.name,
            self.placement.map_or("", |place| match place {
                "layer" => ", Router::layer",
                _ => ", around the Router",
            }),
        );
        println!("| library | ignore | read | write | new | regenerate |");
        println!("| --- | ---: | ---: | ---: | ---: | ---: |");
        for (index, candidate) in candidates.iter().enumerate().skip(1) {
            let ns = difference(&figures[index], &figures[0]);
            let allocs = difference(&allocations[index], &allocations[0]);
            print!("| {:<19} |", candidate.library);
            for (at, route) in Route::ALL.into_iter().enumerate() {
                match ns[at].zip(allocs[at]) {
                    Some((ns, allocs)) => print!(" {ns:>6.0} ({allocs:>3}) |"),
                    None => print!("            – |"),
                }
                if candidate.has(route) {
                    report.push(Figure {
                        framework: self.name,
                        placement: self.placement,
                        store: "memory",
                        route: route.name(),
                        library: candidate.library,
                        version: candidate.version,
                        ns_over_bare: ns[at],
                        allocs_over_bare: allocs[at],
                        ..Figure::default()
                    });
                }
            }
            println!();
        }
        self.compare(&candidates, &figures);
    }

    /// With the first of the peers.
    fn compare(&self, candidates: &[Candidate], figures: &[[Option<f64>; 5]]) {
        let over = |library: &str| {
            let at = candidates.iter().position(|it| it.library == library)?;
            Some(difference(&figures[at], &figures[0]))
        };
        if let (Some(ours), Some(peer)) = (over(OURS), self.peers.first().copied().and_then(over)) {
            let parts = Route::ALL.into_iter().zip(ours.into_iter().zip(peer));
            let parts = parts.filter_map(|(route, (ours, peer))| {
                Some(format!("{} {:.2}", route.name(), ours? / peer?))
            });
            println!(
                "ours as a part of {}'s: {}",
                self.peers[0],
                parts.collect::<Vec<_>>().join(", ")
            );
        }
        println!("bare route {:.0} ns", figures[0][0].unwrap_or_default());
    }
}

fn difference(figures: &[Option<f64>; 5], bare: &[Option<f64>; 5]) -> [Option<f64>; 5] {
    [0, 1, 2, 3, 4].map(|at| Some(figures[at]? - bare[at]?))
}
