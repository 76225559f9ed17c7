//! How long a request takes under half of the load that saturates a server.

use std::io;

use super::Candidate;
use crate::measure::{Effort, below, median};

const ROUTES: [&str; 2] = ["read", "write"];
/// How long a server is saturated, and how long it is then asked in each round.
const SATURATED: f64 = 0.7;
const PACED: f64 = 1.5;

/// The head of the table.
pub fn head() -> &'static str {
    "| | backend | route | library | half of its saturation: requests a second | p50 | p99 | p99.9 µs |\n\
     | --- | --- | --- | --- | ---: | ---: | ---: | ---: |"
}

/// The lines of the table for these candidates, all in turn, each at half of its own saturation.
pub fn measure(
    effort: Effort,
    framework: &str,
    store: &str,
    candidates: &mut [Candidate],
) -> io::Result<Vec<String>> {
    let rounds = effort.rounds.min(7);
    let mut lines = Vec::new();
    for route in ROUTES {
        let path = format!("/{route}");
        let mut halves = Vec::new();
        for candidate in &mut *candidates {
            let mut seen = Vec::new();
            for _ in 0..3 {
                let done = candidate.load.run(&path, SATURATED)?;
                seen.push(done.requests / done.seconds);
            }
            halves.push(median(seen) / 2.0);
        }
        let mut taken = vec![Vec::new(); candidates.len()];
        for _ in 0..rounds {
            for ((candidate, half), taken) in candidates.iter_mut().zip(&halves).zip(&mut taken) {
                taken.extend(candidate.load.paced(&path, *half, PACED)?);
            }
        }
        for ((candidate, half), taken) in candidates.iter().zip(halves).zip(taken) {
            let at = |part| below(taken.clone(), part);
            lines.push(format!(
                "| {framework} | {store} | {route} | {} | {half:.0} | {:.0} | {:.0} | {:.0} |",
                candidate.library,
                at(0.5),
                at(0.99),
                at(0.999)
            ));
        }
    }
    Ok(lines)
}
