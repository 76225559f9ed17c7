//! The middleware's cost on axum, beside the peers: one thread, in process, memory stores.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anysession::{Config, MemoryStore, Sessions};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use axum::routing::get;
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::alloc;
use crate::measure::{Effort, Run, medians};
use crate::report::{Figure, Report};

type Anysession = anysession_axum::Session;
type TowerSessions = tower_sessions::Session;
type AxumSession = axum_session::Session<axum_session::SessionNullPool>;

/// Where the session layer stands.
#[derive(Clone, Copy, PartialEq)]
enum Placement {
    /// `Router::layer`: around each route.
    Layer,
    /// Around the Router as a whole.
    Router,
}

impl Placement {
    fn name(self) -> &'static str {
        match self {
            Placement::Layer => "layer",
            Placement::Router => "router",
        }
    }
}

const ROUTES: [(&str, &str); 3] = [
    ("ignore", "/ignore"),
    ("read", "/read"),
    ("write", "/write"),
];

/// A service, as a connection calls it.
pub(crate) type Served = Box<dyn FnMut(Request<Body>) -> Response<Body>>;

struct Candidate {
    library: &'static str,
    version: &'static str,
    served: Served,
    cookie: String,
}

/// Measures and reports: ignore, read, write; then how read and write grow with the session.
pub fn run(report: &mut Report, effort: Effort) {
    let runtime = Arc::new(runtime());
    println!(
        "\naxum, memory store, session of 10 short strings, 3 cookies: ns over the bare route\n"
    );
    for placement in [Placement::Layer, Placement::Router] {
        let mut candidates = candidates(&runtime, placement);
        let mut all = interleaved(effort, &mut candidates);
        let bare = all.remove(0);
        let bare_allocs = allocations(&mut candidates[0]);
        println!(
            "| {:<15} | {:<7} | {:>8} | {:>8} | {:>8} |",
            "library", "place", "ignore", "read", "write"
        );
        println!("| --- | --- | ---: | ---: | ---: |");
        let over: Vec<Vec<f64>> = all
            .iter()
            .map(|figures| {
                figures
                    .iter()
                    .zip(&bare)
                    .map(|(figure, bare)| figure - bare)
                    .collect()
            })
            .collect();
        for (candidate, over) in candidates[1..].iter_mut().zip(&over) {
            println!(
                "| {:<15} | {:<7} | {:>8.0} | {:>8.0} | {:>8.0} |",
                candidate.library,
                placement.name(),
                over[0],
                over[1],
                over[2]
            );
            let allocs = allocations(candidate);
            for (index, (route, _)) in ROUTES.iter().enumerate() {
                report.push(Figure {
                    framework: "axum",
                    placement: Some(placement.name()),
                    store: "memory",
                    route,
                    library: candidate.library,
                    version: candidate.version,
                    ns_over_bare: Some(over[index]),
                    allocs_over_bare: Some(allocs[index] - bare_allocs[index]),
                    ..Figure::default()
                });
            }
        }
        println!(
            "ours to tower-sessions: ignore 1/{:.1}, read 1/{:.1}, read + write 1/{:.1}; bare route {:.0} ns\n",
            over[1][0] / over[0][0],
            over[1][1] / over[0][1],
            over[1][2] / over[0][2],
            bare[0],
        );
    }
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
    medians(effort, runs)
        .chunks(ROUTES.len())
        .map(<[f64]>::to_vec)
        .collect()
}

/// Calls one of our routes over and over, for a profiler.
pub fn profile(route: &str, calls: usize) {
    let mut ours = ours(&Arc::new(runtime()), Placement::Layer, 10);
    let path = format!("/{route}");
    for _ in 0..calls {
        (ours.served)(request(&path, &ours.cookie));
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
            let before = alloc::calls();
            for _ in 0..CALLS {
                (candidate.served)(request(path, &candidate.cookie));
            }
            ((alloc::calls() - before) as f64 / CALLS as f64).round()
        })
        .collect()
}

fn request(path: &str, cookie: &str) -> Request<Body> {
    let request = Request::get(path).header(header::COOKIE, cookie);
    request
        .body(Body::empty())
        .expect("the request is well-formed")
}

/// The bare route, ours, and the peers, each with a session of ten short strings.
fn candidates(runtime: &Arc<Runtime>, placement: Placement) -> Vec<Candidate> {
    vec![
        bare(runtime),
        ours(runtime, placement, 10),
        tower_sessions(runtime, placement, 10),
        axum_session(runtime, placement),
    ]
}

fn bare(runtime: &Arc<Runtime>) -> Candidate {
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route("/read", get(|| async { "ok" }))
        .route("/write", get(|| async { "ok" }));
    candidate("bare", "", serve_router(runtime, routes), "id=none")
}

fn ours(runtime: &Arc<Runtime>, placement: Placement, keys: usize) -> Candidate {
    let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    let layer = anysession_axum::SessionLayer::new(sessions);
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: Anysession| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: Anysession| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                session
                    .insert("key3", another(value))
                    .expect("there is room");
                "ok"
            }),
        )
        .route(
            "/seed",
            get(move |session: Anysession| async move {
                for n in 0..keys {
                    session
                        .insert(format!("key{n}"), format!("value{n}"))
                        .expect("there is room");
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate("anysession", env!("CARGO_PKG_VERSION"), served, "seed")
}

fn tower_sessions(runtime: &Arc<Runtime>, placement: Placement, keys: usize) -> Candidate {
    let layer = tower_sessions::SessionManagerLayer::new(tower_sessions::MemoryStore::default());
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                session
                    .insert("key3", another(value))
                    .await
                    .expect("it is stored");
                "ok"
            }),
        )
        .route(
            "/seed",
            get(move |session: TowerSessions| async move {
                for n in 0..keys {
                    session
                        .insert(&format!("key{n}"), format!("value{n}"))
                        .await
                        .expect("it is stored");
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate("tower-sessions", "0.15.0", served, "seed")
}

fn axum_session(runtime: &Arc<Runtime>, placement: Placement) -> Candidate {
    let config = axum_session::SessionConfig::default();
    let store = axum_session::SessionStore::<axum_session::SessionNullPool>::new(None, config);
    let store = runtime.block_on(store).expect("it is in memory");
    let _inside = runtime.enter();
    let layer = axum_session::SessionLayer::new(store);
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                session.set("key3", another(value));
                "ok"
            }),
        )
        .route(
            "/seed",
            get(|session: AxumSession| async move {
                for n in 0..10 {
                    session.set(&format!("key{n}"), format!("value{n}"));
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate("axum_session", "0.22.1", served, "seed")
}

/// A value that differs from the one before: some libraries do not store what has not changed.
fn another(value: Option<String>) -> &'static str {
    if value.as_deref() == Some("value3") {
        "value4"
    } else {
        "value3"
    }
}

/// Seeds a session and keeps its cookie, between two others as a browser would send them.
fn candidate(
    library: &'static str,
    version: &'static str,
    mut served: Served,
    cookie: &str,
) -> Candidate {
    let mut cookies = cookie.to_owned();
    if cookie == "seed" {
        let response = served(request("/seed", "theme=dark"));
        let set = response.headers().get_all(header::SET_COOKIE).iter();
        let pairs = set.filter_map(|line| line.to_str().ok()?.split(';').next().map(str::to_owned));
        cookies = pairs.collect::<Vec<_>>().join("; ");
    }
    let cookie = format!("theme=dark; {cookies}; _ga=GA1.2.1234567890.1234567890");
    Candidate {
        library,
        version,
        served,
        cookie,
    }
}

fn serve<L>(runtime: &Arc<Runtime>, routes: Router, layer: L, placement: Placement) -> Served
where
    L: tower_layer::Layer<axum::routing::Route>
        + tower_layer::Layer<Router>
        + Clone
        + Send
        + Sync
        + 'static,
    <L as tower_layer::Layer<axum::routing::Route>>::Service: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    <<L as tower_layer::Layer<axum::routing::Route>>::Service as Service<Request<Body>>>::Future:
        Send + 'static,
    <L as tower_layer::Layer<Router>>::Service: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + 'static,
{
    match placement {
        Placement::Layer => serve_router(runtime, routes.layer(layer)),
        Placement::Router => serve_service(
            runtime,
            tower_layer::Layer::layer(&layer, routes.with_state(())),
        ),
    }
}

fn serve_router(runtime: &Arc<Runtime>, routes: Router) -> Served {
    serve_service(runtime, routes.with_state(()))
}

fn serve_service<S>(runtime: &Arc<Runtime>, mut service: S) -> Served
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + 'static,
{
    let runtime = runtime.clone();
    Box::new(move |request| {
        let _inside = runtime.enter();
        let response = pin!(service.call(request));
        // A store in memory never waits, so one poll is all that a runtime would do.
        match response.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => response,
            Poll::Pending => panic!("a store in memory had to wait"),
        }
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
