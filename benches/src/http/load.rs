//! A client that asks as fast as it is answered, over connections that it keeps.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// The connections to one server, each with a session of its own.
pub struct Load {
    runtime: Runtime,
    clients: Vec<Client>,
}

/// What a run came to.
pub struct Done {
    pub requests: f64,
    pub seconds: f64,
}

struct Client {
    stream: TcpStream,
    cookie: String,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Load {
    pub fn to(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..connections {
                clients.push(Client::with_session(address).await?);
            }
            Ok::<_, io::Error>(clients)
        })?;
        Ok(Load { runtime, clients })
    }

    /// Asks for a path so often on one connection.
    pub fn ask(&mut self, path: &str, times: usize) -> io::Result<()> {
        let client = &mut self.clients[0];
        self.runtime.block_on(async {
            for _ in 0..times {
                client.get(path).await?;
            }
            Ok(())
        })
    }

    /// Asks for a path on all connections at once.
    pub fn run(&mut self, path: &str, seconds: f64) -> io::Result<Done> {
        let duration = Duration::from_secs_f64(seconds);
        #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
        let start = Instant::now();
        let requests = self.runtime.block_on(async {
            let asking = self.clients.iter_mut().map(|client| async move {
                let mut requests = 0_u32;
                while start.elapsed() < duration {
                    client.get(path).await?;
                    requests += 1;
                }
                Ok::<_, io::Error>(requests)
            });
            all(asking).await
        })?;
        Ok(Done {
            requests: requests.into_iter().map(f64::from).sum(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Asks so often a second, whether answers come in time or not; gives the microseconds of each request.
    pub fn paced(&mut self, path: &str, a_second: f64, seconds: f64) -> io::Result<Vec<f64>> {
        let connections = self.clients.len() as u32;
        let step = Duration::from_secs_f64(1.0 / a_second);
        #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
        let now = Instant::now;
        let start = now();
        let end = start + Duration::from_secs_f64(seconds);
        let taken = self.runtime.block_on(async {
            let asking = self
                .clients
                .iter_mut()
                .zip(0..)
                .map(|(client, nth)| async move {
                    let mut due = start + step * nth;
                    let mut free = start;
                    let mut taken = Vec::new();
                    while due < end {
                        tokio::time::sleep_until(due.into()).await;
                        // That the timer is late is not the server's doing; that the last answer was, is.
                        let begun = if free > due { due } else { now() };
                        client.get(path).await?;
                        free = now();
                        taken.push((free - begun).as_secs_f64() * 1e6);
                        due += step * connections;
                    }
                    Ok::<_, io::Error>(taken)
                });
            all(asking).await
        })?;
        Ok(taken.concat())
    }
}

impl Client {
    async fn with_session(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Client {
            stream,
            cookie: String::new(),
            request: Vec::new(),
            response: Vec::new(),
        };
        client.get("/new").await?;
        client.keep_cookie()?;
        Ok(client)
    }

    /// `/new` is asked for without a cookie; what `/regenerate` sets is kept.
    async fn get(&mut self, path: &str) -> io::Result<()> {
        self.request.clear();
        write!(self.request, "GET {path} HTTP/1.1\r\nhost: localhost\r\n")?;
        if path != "/new" {
            write!(self.request, "cookie: {}\r\n", self.cookie)?;
        }
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request).await?;
        self.receive().await?;
        match path {
            "/regenerate" => self.keep_cookie(),
            _ => Ok(()),
        }
    }

    fn keep_cookie(&mut self) -> io::Result<()> {
        let head = String::from_utf8_lossy(&self.response);
        let cookie = header(&head, "set-cookie").and_then(|line| line.split(';').next());
        let cookie = cookie.ok_or_else(|| io::Error::other("a new id comes in a cookie"))?;
        // Other cookies come with it.
        self.cookie = format!("theme=dark; {cookie}; language=en");
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.response.clear();
        loop {
            if self.stream.read_buf(&mut self.response).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // Every body is `ok`.
            if self.response.ends_with(b"\r\n\r\nok") {
                break;
            }
        }
        match self.response.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(io::Error::other("a response that is not 200")),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (given, value) = line.split_once(": ")?;
        given.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Polls all of them on this thread until all are done.
async fn all<T>(
    futures: impl IntoIterator<Item = impl Future<Output = io::Result<T>>>,
) -> io::Result<Vec<T>> {
    futures_util::future::try_join_all(futures).await
}
