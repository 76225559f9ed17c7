//! Building the servers, running them, and reading how long they computed.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where the servers are.
pub struct Build {
    serve: PathBuf,
    peers: PathBuf,
}

/// A running server. Dropped, it is stopped.
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Build {
    /// Builds what is not built yet, with the same profile for all.
    pub fn all() -> io::Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = folder.with_file_name("target");
        // With what the bench itself was built with, so that nothing is built twice.
        let features = match cfg!(feature = "rocket-peer") {
            true => "--features=rocket-peer",
            false => "--no-default-features",
        };
        build(
            &["-p", "anysession-benches", features, "--bin", "serve"],
            target.clone(),
        )?;
        let peers = folder.join("peers/Cargo.toml");
        let peers_target = target.join("peers");
        build(
            &["--manifest-path", &peers.display().to_string()],
            peers_target.clone(),
        )?;
        Ok(Build {
            serve: target.join("release/serve"),
            peers: peers_target.join("release/anysession-bench-peers"),
        })
    }

    pub fn ours(&self, library: &str, url: &str) -> io::Result<Server> {
        Server::start(&self.serve, library, url)
    }

    pub fn peer(&self, library: &str, url: &str) -> io::Result<Server> {
        Server::start(&self.peers, library, url)
    }
}

fn build(what: &[&str], target: PathBuf) -> io::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--profile", "bench"])
        .args(what);
    match cargo.arg("--target-dir").arg(target).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("a server could not be built")),
    }
}

impl Server {
    fn start(path: &PathBuf, library: &str, url: &str) -> io::Result<Self> {
        let mut server = Server {
            child: Command::new(path)
                .args([library, url])
                .stdout(Stdio::piped())
                .spawn()?,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        server.address = line
            .trim()
            .trim_start_matches("http://")
            .parse()
            .map_err(|_| {
                let kind = url.split(':').next().unwrap_or_default();
                io::Error::other(format!("{library} does not serve {kind}"))
            })?;
        Ok(server)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many microseconds its threads have computed, in user and in kernel mode.
    pub fn cpu_us(&self) -> io::Result<f64> {
        let mut computed = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread that has ended meanwhile is none of those that serve.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = stat.split(' ').next().unwrap_or_default();
            computed += nanoseconds.parse::<f64>().map_err(io::Error::other)? / 1e3;
        }
        Ok(computed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
