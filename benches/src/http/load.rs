//! A client that asks as fast as it is answered, over connections that it keeps.

use std::io;
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

    /// Asks for a path on all connections at once. `/new` is asked for without a cookie.
    pub fn run(&mut self, path: &str, seconds: f64) -> io::Result<Done> {
        let duration = Duration::from_secs_f64(seconds);
        #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
        let start = Instant::now();
        let requests = self.runtime.block_on(async {
            let asking = self.clients.iter_mut().map(|client| async move {
                let cookie = match path {
                    "/new" => String::new(),
                    _ => format!("cookie: {}\r\n", client.cookie),
                };
                let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{cookie}\r\n");
                let mut requests = 0_u32;
                while start.elapsed() < duration {
                    client.ask(&request).await?;
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
}

impl Client {
    async fn with_session(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Client {
            stream,
            cookie: String::new(),
            response: Vec::new(),
        };
        client
            .ask("GET /new HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await?;
        let head = String::from_utf8_lossy(&client.response);
        let cookie = header(&head, "set-cookie").and_then(|line| line.split(';').next());
        let cookie = cookie.ok_or_else(|| io::Error::other("a new session has a cookie"))?;
        // Other cookies come with it.
        client.cookie = format!("theme=dark; {cookie}; language=en");
        Ok(client)
    }

    async fn ask(&mut self, request: &str) -> io::Result<()> {
        self.stream.write_all(request.as_bytes()).await?;
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
