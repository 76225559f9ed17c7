//! How reading and writing one key grow with the session, beside tower-sessions: on axum, with `Router::layer`.

use std::path::Path;
use std::sync::Arc;

use anysession::{Config, MemoryStore, Sessions};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use tokio::runtime::Runtime;

use crate::adapters::{Served, runtime, serve};
use crate::measure::{Effort, Run, Time, medians};
use crate::plot::{Curve, Panel, plot};

type Ours = anysession_axum::Session;
type Theirs = tower_sessions::Session;

/// What is done with a session.
const ROUTES: [&str; 4] = ["first", "last", "absent", "write"];
const LIBRARIES: [&str; 2] = ["anysession", "tower-sessions"];

const KEYS: [usize; 3] = [10, 100, 1_000];
const BYTES: [usize; 5] = [10, 100, 1_000, 8_000, 32_000];
/// While the other one grows.
const FEW_KEYS: usize = 10;
const SHORT: usize = 10;

/// A session of so many values of this length.
#[derive(Clone, Copy)]
struct Size {
    keys: usize,
    bytes: usize,
}

/// Prints the curves and draws them; says where.
pub fn run(effort: Effort, picture: &Path) -> std::io::Result<()> {
    let runtime = Arc::new(runtime());
    println!("\naxum, memory store, Router::layer, ns over the bare route\n");
    println!("| keys | bytes each | library | first | last | absent | write |");
    println!("| ---: | ---: | --- | ---: | ---: | ---: | ---: |");
    let by_keys = KEYS.map(|keys| Size { keys, bytes: SHORT });
    let by_bytes = BYTES.map(|bytes| Size {
        keys: FEW_KEYS,
        bytes,
    });
    let of_keys = by_keys.map(|size| measure(&runtime, effort, size));
    let of_bytes = by_bytes.map(|size| measure(&runtime, effort, size));
    let [.., largest] = &of_keys;
    let parts = [0, 1, 2, 3].map(|at| largest[0][at] / largest[1][at]);
    println!(
        "\nat {} keys ours as a part of theirs: first {:.3}, last {:.3}, absent {:.3}, write {:.3}",
        KEYS[2], parts[0], parts[1], parts[2], parts[3]
    );
    let panels = [
        panel("keys of 10 bytes", &KEYS, &of_keys),
        panel("bytes in each of 10 values", &BYTES, &of_bytes),
    ];
    std::fs::write(picture, plot("ns over the bare route", &panels))?;
    println!("drawn in {}", picture.display());
    Ok(())
}

/// Of each library, the nanoseconds of each route.
type Measured = [[f64; 4]; 2];

fn measure(runtime: &Arc<Runtime>, effort: Effort, size: Size) -> Measured {
    let weight = 1 + size.keys * size.bytes / 2_000;
    let effort = Effort {
        calls: (effort.calls / weight).max(50),
        ..effort
    };
    let candidates = [bare(), ours(size), theirs(size)].map(serve);
    let _inside = runtime.enter();
    let mut runs: Vec<Run<'_>> = Vec::new();
    for mut served in candidates {
        let cookies = seed(&mut served);
        let served = std::rc::Rc::new(std::cell::RefCell::new(served));
        for route in ROUTES {
            let (served, cookies) = (served.clone(), cookies.clone());
            let path = format!("/{route}");
            runs.push(Box::new(move |calls| {
                for _ in 0..calls {
                    ask(&mut served.borrow_mut(), &path, &cookies);
                }
            }));
        }
    }
    let figures = medians(effort, Time::OfThisThread, runs);
    let over = |library: usize| [0, 1, 2, 3].map(|at| figures[library * 4 + at] - figures[at]);
    let measured = [over(1), over(2)];
    for (library, [first, last, absent, write]) in LIBRARIES.into_iter().zip(measured) {
        println!(
            "| {} | {} | {library} | {first:.0} | {last:.0} | {absent:.0} | {write:.0} |",
            size.keys, size.bytes
        );
    }
    measured
}

fn ask(served: &mut Served, path: &str, cookies: &str) -> String {
    let request = Request::get(path).header(header::COOKIE, cookies);
    let response = served(request.body(Body::empty()).expect("it is well-formed"));
    assert!(response.status().is_success());
    let set = response.headers().get(header::SET_COOKIE);
    let set = set.map(|line| line.to_str().expect("text"));
    let pair = set.and_then(|line| line.split(';').next());
    pair.unwrap_or_default().to_owned()
}

/// The cookies of a session of that size.
fn seed(served: &mut Served) -> String {
    let pair = ask(served, "/seed", "theme=dark");
    format!("theme=dark; {pair}; _ga=GA1.2.1234567890.1234567890")
}

fn name(n: usize) -> String {
    format!("key{n:04}")
}

/// Two values that take turns, of letters alone.
fn value(bytes: usize, before: Option<&str>) -> String {
    let letter = if before.is_some_and(|value| value.starts_with('a')) {
        "b"
    } else {
        "a"
    };
    letter.repeat(bytes)
}

fn bare() -> Router {
    ["first", "last", "absent", "write", "seed"]
        .into_iter()
        .fold(Router::new(), |routes, route| {
            routes.route(&format!("/{route}"), get(|| async { "ok" }))
        })
}

fn ours(size: Size) -> Router {
    let config = Config::builder().size_limit(1 << 20).build();
    let sessions = Sessions::new(config.expect("it is valid"), Arc::new(MemoryStore::new()));
    let last = name(size.keys - 1);
    let read = |key: String, there: bool| {
        get(move |session: Ours| async move {
            let value: Option<String> = session.get(key.as_str()).expect("a string");
            assert_eq!(value.is_some(), there);
            "ok"
        })
    };
    let write = move |session: Ours| async move {
        let before: Option<String> = session.get(name(3).as_str()).expect("a string");
        let value = value(size.bytes, before.as_deref());
        session.insert(name(3), value).expect("there is room");
        "ok"
    };
    let fill = move |session: Ours| async move {
        for n in 0..size.keys {
            let inserted = session.insert(name(n), value(size.bytes, None));
            inserted.expect("there is room");
        }
    };
    Router::new()
        .route("/first", read(name(0), true))
        .route("/last", read(last, true))
        .route("/absent", read("nothing".to_owned(), false))
        .route("/write", get(write))
        .route("/seed", get(fill))
        .layer(anysession_axum::SessionLayer::new(sessions))
}

fn theirs(size: Size) -> Router {
    let last = name(size.keys - 1);
    let read = |key: String, there: bool| {
        get(move |session: Theirs| async move {
            let value: Option<String> = session.get(&key).await.expect("a string");
            assert_eq!(value.is_some(), there);
            "ok"
        })
    };
    let write = move |session: Theirs| async move {
        let before: Option<String> = session.get(&name(3)).await.expect("a string");
        let value = value(size.bytes, before.as_deref());
        session.insert(&name(3), value).await.expect("it is stored");
        "ok"
    };
    let fill = move |session: Theirs| async move {
        for n in 0..size.keys {
            let inserted = session.insert(&name(n), value(size.bytes, None)).await;
            inserted.expect("it is stored");
        }
    };
    let store = tower_sessions::MemoryStore::default();
    Router::new()
        .route("/first", read(name(0), true))
        .route("/last", read(last, true))
        .route("/absent", read("nothing".to_owned(), false))
        .route("/write", get(write))
        .route("/seed", get(fill))
        .layer(tower_sessions::SessionManagerLayer::new(store))
}

fn panel(label: &'static str, sizes: &[usize], measured: &[Measured]) -> Panel {
    let curves = LIBRARIES.iter().enumerate().flat_map(|(library, name)| {
        ROUTES.iter().enumerate().map(move |(route, what)| Curve {
            name: format!("{name}: {}", read_or(what)),
            group: library,
            member: route,
            points: sizes
                .iter()
                .zip(measured)
                .map(|(&size, measured)| (size as f64, measured[library][route]))
                .collect(),
        })
    });
    Panel {
        label,
        curves: curves.collect(),
    }
}

fn read_or(what: &str) -> String {
    match what {
        "write" => "write".to_owned(),
        which => format!("read {which}"),
    }
}
