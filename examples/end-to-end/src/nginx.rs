//! A reverse proxy in front of several servers.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anysession_testkit::servers::{Program, ServerError, find, free_port};

use crate::{Visitor, same};

/// A running nginx, which sends each path to one of several servers.
#[derive(Debug)]
pub struct Nginx {
    program: Program,
    port: u16,
    /// How often the routes were changed, which the running nginx tells.
    generation: usize,
    /// How many lines of its log were [expected](Self::expect_answers).
    lines: usize,
    /// `http://127.0.0.1:port`, without a slash at its end.
    pub address: String,
}

impl Nginx {
    /// Starts it with these routes: the beginning of a path, and the address that it is sent to.
    ///
    /// # Errors
    ///
    /// When nginx is not installed or does not come up.
    pub fn start(routes: &[(&str, &str)]) -> Result<Self, ServerError> {
        let mut program = Program::new(find("nginx", "nginx-light")?, "www-data")?;
        let port = free_port()?;
        write_routes(&program, port, routes, 0)?;
        let folder = program.folder().display().to_string();
        program.start(["-p", &folder, "-c", "nginx.conf", "-e", "stderr"])?;
        let mut nginx = Nginx {
            program,
            port,
            generation: 0,
            lines: 0,
            address: format!("http://127.0.0.1:{port}"),
        };
        nginx.await_routes(0)?;
        Ok(nginx)
    }

    fn await_routes(&mut self, generation: usize) -> Result<(), ServerError> {
        let (visitor, address) = (Visitor::default(), self.address.clone());
        self.program.await_answer(|| {
            let answer = visitor.ask(&address, "/-/generation");
            answer.is_ok_and(|answer| answer.body == generation.to_string())
        })
    }

    /// The process that has the routes of now. It ends some time after they were changed, and takes requests until then.
    fn worker(&self) -> Result<PathBuf, ServerError> {
        let answer = Visitor::default().ask(&self.address, "/-/worker");
        let answer = answer.map_err(io::Error::other)?;
        Ok(Path::new("/proc").join(answer.body))
    }

    /// Waits for the requests that were answered since the last time, which must be these, each answered by this server:
    /// `POST /theme`, and the server's address. Of what a browser asks for by itself, style sheets and icons, there is no
    /// account.
    ///
    /// # Errors
    ///
    /// When they were others, or fewer after a minute.
    pub fn expect_answers(&mut self, expected: &[(&str, &str)]) -> crate::Result {
        let expected: Vec<_> = expected
            .iter()
            .map(|(request, server)| format!("{request} {server}"))
            .collect();
        let (path, known) = (self.program.folder().join("answers"), self.lines);
        let mut seen = Vec::new();
        // A line is written when the answer has left, which may be a moment after the browser has it.
        let awaited = self.program.await_answer(|| {
            let log = fs::read_to_string(&path).unwrap_or_default();
            seen = log.lines().skip(known).map(str::to_owned).collect();
            seen.len() >= expected.len()
        });
        self.lines += seen.len();
        same!(seen, expected, "who answered what");
        Ok(awaited?)
    }

    /// Sends paths elsewhere from now on. Requests that are under way are not disturbed.
    ///
    /// # Errors
    ///
    /// When the routes cannot be written or nginx has gone.
    pub fn route(&mut self, routes: &[(&str, &str)]) -> Result<(), ServerError> {
        let generation = self.generation + 1;
        self.generation = generation;
        let predecessor = self.worker()?;
        write_routes(&self.program, self.port, routes, generation)?;
        self.program.signal("HUP")?;
        self.await_routes(generation)?;
        self.program.await_answer(|| !predecessor.exists())
    }
}

fn write_routes(
    program: &Program,
    port: u16,
    routes: &[(&str, &str)],
    generation: usize,
) -> Result<(), ServerError> {
    let locations: String = routes
        .iter()
        .map(|(path, server)| format!("    location {path} {{ proxy_pass {server}; }}\n"))
        .collect();
    let folder = program.folder().display();
    let configuration = format!(
        "daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{}}
http {{
  log_format answers '$request_method $uri http://$upstream_addr';
  map $uri $is_page {{ default 1; ~[.](css|ico)$ 0; }}
  access_log {folder}/answers answers if=$is_page;
  # A connection that stays open stays with the routes of its beginning. Browsers open some before they need them.
  keepalive_timeout 0;
  client_header_timeout 5s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    # The example compares a form's origin with the host that it was sent to.
    proxy_set_header Host $http_host;
    location /-/ {{
      access_log off;
      location = /-/generation {{ return 200 {generation}; }}
      location = /-/worker {{ return 200 $pid; }}
    }}
{locations}  }}
}}
"
    );
    Ok(fs::write(
        program.folder().join("nginx.conf"),
        configuration,
    )?)
}
