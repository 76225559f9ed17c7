//! Servers of ours, of the peers and by hand, as processes of their own on the same backends, under the same load.

mod latency;
mod load;
mod server;

use std::io;

use anysession_testkit::servers::Redis;
use server::{Build, Server};

use crate::measure::{Effort, median};
use crate::report::{Figure, Report};
use crate::stores::Backends;
use load::Load;

const ROUTES: [&str; 5] = ["ignore", "read", "write", "new", "regenerate"];
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
    /// Of each round, so that one that was disturbed does not count.
    cpu_us: Vec<f64>,
    round_trips: Option<f64>,
}

/// Reports requests a second, the server's time for each, and how long they take, on every backend.
pub fn run(report: &mut Report, effort: Effort) -> io::Result<()> {
    let build = Build::all()?;
    let backends = Backends::start()?;
    let redis = &backends.redis;
    let mut latencies = Vec::new();
    head();
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
        let monitored = (*kind == "redis").then_some(redis);
        compare(report, effort, "axum", kind, monitored, &mut candidates)?;
        latencies.extend(latency::measure(effort, "axum", kind, &mut candidates)?);
    }
    let mut candidates = on_actix(&build, redis)?;
    compare(
        report,
        effort,
        "actix",
        "redis",
        Some(redis),
        &mut candidates,
    )?;
    latencies.extend(latency::measure(effort, "actix", "redis", &mut candidates)?);

    // No peer keeps sessions in files.
    let folder = tempfile::tempdir()?;
    let url = format!("file://{}/sessions", folder.path().display());
    let files = Candidate::start("anysession", OURS, build.ours("anysession-axum", &url))?;
    latencies.extend(latency::measure(
        effort,
        "axum",
        "filesystem",
        &mut [files],
    )?);
    println!("\nthe same connections, under half of what saturates each server\n");
    println!("{}\n{}", latency::head(), latencies.join("\n"));
    Ok(())
}

/// Reports only actix-web beside actix-session, which has no store in memory, on one Redis.
pub fn run_actix(report: &mut Report, effort: Effort) -> io::Result<()> {
    let redis = Redis::setup().start().map_err(io::Error::other)?;
    let mut candidates = on_actix(&Build::all()?, &redis)?;
    head();
    compare(
        report,
        effort,
        "actix",
        "redis",
        Some(&redis),
        &mut candidates,
    )
}

fn on_actix(build: &Build, redis: &Redis) -> io::Result<Vec<Candidate>> {
    let url = redis.url();
    Ok(vec![
        Candidate::start("anysession", OURS, build.ours("anysession-actix", &url))?,
        Candidate::start("actix-session", "0.11.0", build.peer("actix-session", &url))?,
    ])
}

fn head() {
    println!(
        "\nover HTTP, {CONNECTIONS} connections: requests a second (µs of the server's CPU a request)\n"
    );
    println!(
        "| | backend | route | anysession | by hand | peer | of by hand | of the peer | CPU of the peer's | round trips: ours, peer |"
    );
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
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

    /// What has no session has no id of its own.
    fn has(&self, route: &str) -> bool {
        !(self.library == "by-hand" && route == "regenerate")
    }

    fn round_trips(&mut self, redis: &Redis, path: &str) -> io::Result<f64> {
        const CALLS: usize = 20;
        let mut monitor = redis.monitor()?;
        self.load.ask(path, CALLS)?;
        let commands = monitor.commands(redis)?;
        Ok(commands.len() as f64 / CALLS as f64)
    }
}

fn compare(
    report: &mut Report,
    effort: Effort,
    framework: &'static str,
    store: &'static str,
    monitored: Option<&Redis>,
    candidates: &mut [Candidate],
) -> io::Result<()> {
    let quick = effort.rounds < Effort::FULL.rounds;
    let seconds = if quick { QUICK_ROUND } else { FULL_ROUND };
    for route in ROUTES {
        let path = format!("/{route}");
        let mut candidates: Vec<_> = candidates.iter_mut().filter(|it| it.has(route)).collect();
        let mut seen: Vec<Seen> = candidates.iter().map(|_| Seen::default()).collect();
        for round in 0..=effort.rounds.min(9) {
            for (candidate, seen) in candidates.iter_mut().zip(&mut seen) {
                let before = candidate.server.cpu_us()?;
                let done = candidate.load.run(&path, seconds)?;
                // The first round fills caches and pools.
                if round > 0 {
                    seen.a_second.push(done.requests / done.seconds);
                    let computed = candidate.server.cpu_us()? - before;
                    seen.cpu_us.push(computed / done.requests);
                }
            }
        }
        for (candidate, seen) in candidates.iter_mut().zip(&mut seen) {
            seen.round_trips = monitored
                .map(|redis| candidate.round_trips(redis, &path))
                .transpose()?;
        }
        tell(report, framework, store, route, &candidates, &seen);
    }
    Ok(())
}

fn tell(
    report: &mut Report,
    framework: &'static str,
    store: &'static str,
    route: &'static str,
    candidates: &[&mut Candidate],
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
        "| {framework}, {} | {store} | {route} | {} | {} | {} | {} | {:.2} | {:.2} | {} |",
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
        match ours.round_trips.zip(peer.round_trips) {
            Some((ours, peer)) => format!("{ours:.1}, {peer:.1}"),
            None => "–".to_owned(),
        },
    );
    for (candidate, seen) in candidates.iter().zip(seen) {
        report.push(Figure {
            framework,
            placement: (framework == "axum").then_some("layer"),
            store,
            route,
            library: candidate.library,
            version: candidate.version,
            round_trips: seen.round_trips,
            requests_per_second: Some(median(seen.a_second.clone())),
            ratio_to_best_peer: (candidate.library == "anysession").then(|| ours.beside(peer)),
            ..Figure::default()
        });
    }
}

impl Seen {
    fn cpu(&self) -> f64 {
        median(self.cpu_us.clone())
    }

    /// The median part of the other's requests a second, round by round: a noisy moment falls on both.
    fn beside(&self, other: &Seen) -> f64 {
        let parts = self.a_second.iter().zip(&other.a_second);
        median(parts.map(|(ours, theirs)| ours / theirs).collect())
    }
}
