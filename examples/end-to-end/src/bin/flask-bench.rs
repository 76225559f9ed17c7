//! How much a request takes of a Flask application and of its Rust successor: the probes of both, on one Redis, with the
//! same sessions. Build it with `--release`, and leave the machine alone meanwhile.
#![expect(clippy::print_stdout, reason = "prints a table")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anysession_testkit::servers::Redis;
use end_to_end::{Flask, Python, Result, Server, Visitor};

const ROUTES: [(&str, &str); 4] = [
    ("/none", "does not ask for the session"),
    ("/get/theme", "reads one key"),
    ("/set/theme/dark", "reads and writes one key"),
    ("/incr/n", "counts"),
];
/// Of which the first is not counted.
const ROUNDS: usize = 10;
const ROUND: Duration = Duration::from_secs(1);
const CLIENTS: usize = 8;

fn main() -> Result {
    let python = Python::find()?;
    let redis = Redis::setup().start()?;
    let url = redis.url();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("flask");
    let start_flask = |refresh: &str| {
        let variables = [
            ("STORE_URL".to_owned(), url.clone()),
            (
                "FLASK_SESSION_REFRESH_EACH_REQUEST".to_owned(),
                refresh.to_owned(),
            ),
        ];
        Flask::start(
            &python,
            &folder,
            &["--workers", "2", "probe:app"],
            &variables,
        )
    };
    let (mut by_default, mut without_refresh) = (start_flask("true")?, start_flask("false")?);
    let rust = Server::start(
        "probe-axum",
        [
            ("SESSION_LAYOUT", "flask"),
            ("SESSION_TYPE", "redis"),
            ("SESSION_URL", &url),
        ],
    )?;
    let candidates = [
        Candidate::new(&by_default.address.clone(), by_default.program().pid())?,
        Candidate::new(
            &without_refresh.address.clone(),
            without_refresh.program().pid(),
        )?,
        Candidate::new(&rust.address, Some(rust.pid()))?,
    ];
    println!("requests a second (µs of the server's CPU for each), {CLIENTS} clients\n");
    println!("| | Flask | Flask without refresh | Rust | Rust's CPU |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (path, what) in ROUTES {
        let mut seen = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            for (candidate, seen) in candidates.iter().zip(&mut seen) {
                let figure = candidate.run(path)?;
                if round > 0 {
                    seen.push(figure);
                }
            }
        }
        let [flask, without, rust] = seen.map(|seen| Figure::median(&seen));
        let part = rust.cpu / without.cpu;
        println!(
            "| {what} | {flask} | {without} | {rust} | 1/{:.1} |",
            1.0 / part
        );
    }
    Ok(())
}

/// A server, and what was seen of it.
struct Candidate {
    address: String,
    host: String,
    pid: u32,
    cookie: String,
}

struct Figure {
    a_second: f64,
    cpu: f64,
}

impl Candidate {
    /// With a session of ten keys.
    fn new(address: &str, pid: Option<u32>) -> Result<Self> {
        let visitor = Visitor::default();
        visitor.body(address, "/login/ada")?;
        for key in 0..6 {
            visitor.body(address, &format!("/set/key-{key}/a-short-text"))?;
        }
        visitor.body(address, "/set/theme/dark")?;
        Ok(Candidate {
            address: address.to_owned(),
            host: address.trim_start_matches("http://").to_owned(),
            pid: pid.ok_or("it does not run")?,
            cookie: visitor.cookie().ok_or("no cookie")?,
        })
    }

    /// All clients ask for a second, each request on a connection of its own, as nginx does unless it is told otherwise.
    #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
    fn run(&self, path: &str) -> Result<Figure> {
        let request = format!(
            "GET {path} HTTP/1.0\r\nhost: {}\r\ncookie: {}\r\nuser-agent: ureq/3\r\n\r\n",
            self.host, self.cookie
        );
        let (begun, cpu_before) = (Instant::now(), cpu_of(self.pid)?);
        let ask_until_the_end = || {
            let mut requests = 0_u32;
            while begun.elapsed() < ROUND {
                self.ask(&request)?;
                requests += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(requests)
        };
        let requests = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(ask_until_the_end))
                .collect();
            clients.into_iter().try_fold(0, |sum, client| {
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                    sum + client.join().map_err(|_| "a client panicked")??,
                )
            })
        })?;
        let requests = f64::from(requests);
        Ok(Figure {
            a_second: requests / begun.elapsed().as_secs_f64(),
            cpu: (cpu_of(self.pid)? - cpu_before) * 1e6 / requests,
        })
    }

    fn ask(&self, request: &str) -> Result {
        let mut connection = TcpStream::connect(&self.host)?;
        connection.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        connection.read_to_end(&mut response)?;
        match response.get(9..12) {
            Some(b"200") => Ok(()),
            _ => Err(format!(
                "{} answers {}",
                self.address,
                String::from_utf8_lossy(&response)
            )
            .into()),
        }
    }
}

impl Figure {
    fn median(seen: &[Figure]) -> Self {
        let of = |value: fn(&Figure) -> f64| {
            let mut values: Vec<_> = seen.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Figure {
            a_second: of(|figure| figure.a_second),
            cpu: of(|figure| figure.cpu),
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0})", self.a_second, self.cpu)
    }
}

/// The seconds of CPU that a process and its children have had, to 10 ms.
fn cpu_of(pid: u32) -> Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Its name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ").ok_or("no fields")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let own = ticks.sum::<std::result::Result<f64, _>>()? / TICKS_A_SECOND;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let children = children
        .split_whitespace()
        .map(|child| cpu_of(child.parse()?));
    Ok(own + children.sum::<Result<f64>>()?)
}
