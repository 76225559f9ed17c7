//! The middleware's cost on axum, beside the peers: one thread, in process, memory stores.

use std::sync::Arc;

use crate::alloc;
use crate::axum_candidates::{
    Candidate, LIBRARIES, Placement, bare, candidate_of, ours, request, runtime, tower_sessions,
};
use crate::measure::{Effort, Run, Time, medians};
use crate::report::{Figure, Report};

const ROUTES: [(&str, &str); 3] = [
    ("ignore", "/ignore"),
    ("read", "/read"),
    ("write", "/write"),
];

/// Measures and reports: ignore, read, write; then how read and write grow with the session.
pub fn run(report: &mut Report, effort: Effort) {
    let runtime = Arc::new(runtime());
    println!(
        "\naxum, memory store, session of 10 short strings, 3 cookies: ns (and allocations) over the bare route"
    );
    for placement in [Placement::Layer, Placement::Router] {
        let mut candidates = LIBRARIES.map(|library| candidate_of(&runtime, library, placement));
        let figures = interleaved(effort, &mut candidates);
        let allocations: Vec<_> = candidates.iter_mut().map(allocations).collect();
        println!(
            "\n| {:<15} | {:<7} | {:>11} | {:>11} | {:>11} |",
            "library", "place", "ignore", "read", "write"
        );
        println!("| --- | --- | ---: | ---: | ---: |");
        let mut over = Vec::new();
        for (index, candidate) in candidates.iter().enumerate().skip(1) {
            let ns = difference(&figures[index], &figures[0]);
            let allocs = difference(&allocations[index], &allocations[0]);
            println!(
                "| {:<15} | {:<7} | {:>6.0} ({:>2}) | {:>6.0} ({:>2}) | {:>6.0} ({:>2}) |",
                candidate.library,
                placement.name(),
                ns[0],
                allocs[0],
                ns[1],
                allocs[1],
                ns[2],
                allocs[2],
            );
            for (at, (route, _)) in ROUTES.iter().enumerate() {
                report.push(Figure {
                    framework: "axum",
                    placement: Some(placement.name()),
                    store: "memory",
                    route,
                    library: candidate.library,
                    version: candidate.version,
                    ns_over_bare: Some(ns[at]),
                    allocs_over_bare: Some(allocs[at]),
                    ..Figure::default()
                });
            }
            over.push(ns);
        }
        println!(
            "ours to tower-sessions: ignore 1/{:.1}, read 1/{:.1}, read + write 1/{:.1}; bare route {:.0} ns",
            over[1][0] / over[0][0],
            over[1][1] / over[0][1],
            over[1][2] / over[0][2],
            figures[0][0],
        );
    }
}

fn difference(figures: &[f64], bare: &[f64]) -> Vec<f64> {
    figures
        .iter()
        .zip(bare)
        .map(|(figure, bare)| figure - bare)
        .collect()
}

/// Nanoseconds of each route of each candidate, all in turn.
fn interleaved(effort: Effort, candidates: &mut [Candidate]) -> Vec<Vec<f64>> {
    let cells: Vec<_> = candidates.iter_mut().map(std::cell::RefCell::new).collect();
    let runs: Vec<Run<'_>> = cells
        .iter()
        .flat_map(|cell| {
            ROUTES.map(|(_, path)| {
                let run: Run<'_> = Box::new(move |calls| {
                    let candidate = &mut **cell.borrow_mut();
                    for _ in 0..calls {
                        let response = (candidate.served)(request(path, &candidate.cookie));
                        assert!(response.status().is_success());
                    }
                });
                run
            })
        })
        .collect();
    medians(effort, Time::OfThisThread, runs)
        .chunks(ROUTES.len())
        .map(<[f64]>::to_vec)
        .collect()
}

/// Calls one route of one candidate over and over, for a profiler.
pub fn profile(library: &str, placement: &str, route: &str, calls: usize) {
    let placement = match placement {
        "router" => Placement::Router,
        _ => Placement::Layer,
    };
    let mut candidate = candidate_of(&Arc::new(runtime()), library, placement);
    let path = format!("/{route}");
    for _ in 0..calls {
        (candidate.served)(request(&path, &candidate.cookie));
    }
}

/// How reading and writing one key grow with the session.
pub fn growth(report: &mut Report, effort: Effort) {
    let runtime = Arc::new(runtime());
    println!(
        "\naxum, memory store, Router::layer, one short string of many: ns over the bare route\n"
    );
    println!("| library | keys | read | write |\n| --- | ---: | ---: | ---: |");
    let mut last = Vec::new();
    for keys in [10, 100, 1_000] {
        let effort = Effort {
            calls: effort.calls * 10 / keys.max(10),
            ..effort
        };
        let mut candidates = vec![
            bare(&runtime),
            ours(&runtime, Placement::Layer, keys),
            tower_sessions(&runtime, Placement::Layer, keys),
        ];
        let figures = interleaved(effort, &mut candidates);
        last.clear();
        for (candidate, row) in candidates.iter().zip(&figures).skip(1) {
            let over = [row[1] - figures[0][1], row[2] - figures[0][2]];
            println!(
                "| {} | {keys} | {:.0} | {:.0} |",
                candidate.library, over[0], over[1]
            );
            last.push(over);
            for (route, ns) in ["read", "write"].into_iter().zip(over) {
                report.push(Figure {
                    framework: "axum",
                    placement: Some("layer"),
                    store: "memory",
                    route,
                    keys,
                    library: candidate.library,
                    version: candidate.version,
                    ns_over_bare: Some(ns),
                    ..Figure::default()
                });
            }
        }
    }
    println!(
        "\nat 1,000 keys ours to tower-sessions: read 1/{:.1}, write 1/{:.1}",
        last[1][0] / last[0][0],
        last[1][1] / last[0][1]
    );
}

/// Allocations of one request on each route, once it is warm.
fn allocations(candidate: &mut Candidate) -> Vec<f64> {
    const CALLS: usize = 200;
    ROUTES
        .iter()
        .map(|(_, path)| {
            let ((), counted) = alloc::count(|| {
                for _ in 0..CALLS {
                    (candidate.served)(request(path, &candidate.cookie));
                }
            });
            (counted.calls as f64 / CALLS as f64).round()
        })
        .collect()
}
