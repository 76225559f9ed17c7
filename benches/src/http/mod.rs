//! Servers of ours, of the peers and by hand, as processes of their own on the same backends, under the same load.

mod load;
mod server;

use std::io;

use server::{Build, Server};

use crate::measure::{Effort, median};
use crate::report::{Figure, Report};
use crate::stores::Backends;
use load::Load;

const ROUTES: [&str; 4] = ["ignore", "read", "write", "new"];
const CONNECTIONS: usize = 16;
/// About how long each candidate is under load in a round.
const FULL_ROUND: f64 = 0.8;
const QUICK_ROUND: f64 = 0.2;

/// Who serves.
struct Candidate {
    library: &'static str,
    version: &'static str,
    server: Server,
    load: Load,
}

/// What was seen of a candidate on a route, in each round.
#[derive(Default)]
struct Seen {
    a_second: Vec<f64>,
    requests: f64,
    cpu_us: f64,
}

/// Reports requests a second and the server's time for each.
pub fn run(report: &mut Report, effort: Effort) -> io::Result<()> {
    let build = Build::all()?;
    let backends = Backends::start()?;
    println!(
        "\nover HTTP, {CONNECTIONS} connections: requests a second (µs of the server's CPU a request)\n"
    );
    println!(
        "| | backend | route | anysession | by hand | peer | of by hand | of the peer | CPU of the peer's |"
    );
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    // Not one file for all: each makes its own tables, but SQLite has one writer for a file.
    let files = ["ours", "by-hand", "peer"].map(|name| backends.urls(name));
    let [ours, by_hand, peer] = &files;
    for at in 0..ours.len() {
        let (kind, url) = &ours[at];
        let mut candidates = vec![
            Candidate::start("anysession", OURS, build.ours("anysession-axum", url))?,
            Candidate::start("by-hand", "", build.ours("by-hand", &by_hand[at].1))?,
            Candidate::start(
                "tower-sessions",
                "0.14.0",
                build.peer("tower-sessions", &peer[at].1),
            )?,
        ];
        compare(report, effort, "axum", kind, &mut candidates)?;
    }
    let url = backends.redis.url();
    let mut candidates = vec![
        Candidate::start("anysession", OURS, build.ours("anysession-actix", &url))?,
        Candidate::start("actix-session", "0.11.0", build.peer("actix-session", &url))?,
    ];
    compare(report, effort, "actix", "redis", &mut candidates)
}

const OURS: &str = env!("CARGO_PKG_VERSION");

impl Candidate {
    fn start(
        library: &'static str,
        version: &'static str,
        server: io::Result<Server>,
    ) -> io::Result<Self> {
        let server = server?;
        let load = Load::to(server.address(), CONNECTIONS)?;
        Ok(Candidate {
            library,
            version,
            server,
            load,
        })
    }
}

fn compare(
    report: &mut Report,
    effort: Effort,
    framework: &'static str,
    store: &'static str,
    candidates: &mut [Candidate],
) -> io::Result<()> {
    let quick = effort.rounds < Effort::FULL.rounds;
    let seconds = if quick { QUICK_ROUND } else { FULL_ROUND };
    for route in ROUTES {
        let path = format!("/{route}");
        let mut seen: Vec<Seen> = candidates.iter().map(|_| Seen::default()).collect();
        for round in 0..=effort.rounds.min(9) {
            for (candidate, seen) in candidates.iter_mut().zip(&mut seen) {
                let before = candidate.server.cpu_us()?;
                let done = candidate.load.run(&path, seconds)?;
                // The first round fills caches and pools.
                if round > 0 {
                    seen.a_second.push(done.requests / done.seconds);
                    seen.requests += done.requests;
                    seen.cpu_us += candidate.server.cpu_us()? - before;
                }
            }
        }
        tell(report, framework, store, route, candidates, &seen);
    }
    Ok(())
}

fn tell(
    report: &mut Report,
    framework: &'static str,
    store: &'static str,
    route: &'static str,
    candidates: &[Candidate],
    seen: &[Seen],
) {
    let figure = |seen: &Seen| format!("{:.0} ({:.0})", median(seen.a_second.clone()), seen.cpu());
    let of = |library: &str| {
        let at = candidates
            .iter()
            .position(|candidate| candidate.library == library);
        at.map(|at| &seen[at])
    };
    let by_hand = of("by-hand");
    let (ours, peer) = (&seen[0], &seen[seen.len() - 1]);
    println!(
        "| {framework}, {} | {store} | {route} | {} | {} | {} | {} | {:.2} | {:.2} |",
        candidates[candidates.len() - 1].library,
        figure(ours),
        by_hand.map_or("–".to_owned(), figure),
        figure(peer),
        by_hand.map_or("–".to_owned(), |by_hand| format!(
            "{:.2}",
            ours.beside(by_hand)
        )),
        ours.beside(peer),
        ours.cpu() / peer.cpu(),
    );
    for (candidate, seen) in candidates.iter().zip(seen) {
        report.push(Figure {
            framework,
            store,
            route,
            keys: 10,
            library: candidate.library,
            version: candidate.version,
            requests_per_second: Some(median(seen.a_second.clone())),
            cpu_us_per_request: Some(seen.cpu()),
            ratio_to_best_peer: (candidate.library == "anysession").then(|| ours.beside(peer)),
            ..Figure::default()
        });
    }
}

impl Seen {
    fn cpu(&self) -> f64 {
        self.cpu_us / self.requests
    }

    /// The median part of the other's requests a second, round by round: a noisy moment falls on both.
    fn beside(&self, other: &Seen) -> f64 {
        let parts = self.a_second.iter().zip(&other.a_second);
        median(parts.map(|(ours, theirs)| ours / theirs).collect())
    }
}
