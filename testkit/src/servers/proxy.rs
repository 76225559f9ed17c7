//! A TCP proxy that misbehaves as told, in front of any server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ServerError;

/// What the proxy does with its connections, those that are open and those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Both ways are open.
    Pass,
    /// Answers come this much later.
    Delay(Duration),
    /// Each connection breaks after so many further bytes of answers, and so may be cut inside one.
    CutAnswersAfter(usize),
    /// Requests vanish: the server never sees them, and the client hears nothing. A connection that lost something stays
    /// silent for ever.
    SwallowRequests,
    /// Requests are carried out, but their answers vanish; otherwise the same.
    SwallowAnswers,
    /// Open connections are cut, and new ones are closed as soon as they are made.
    Refuse,
}

/// A proxy on a free port of 127.0.0.1. Dropped, it closes everything.
///
/// It lives on the tokio runtime that started it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    round_trips: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `server` that lets everything pass.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(server: SocketAddr) -> Result<Self, ServerError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (conduct, seen) = watch::channel(Conduct::Pass);
        let round_trips = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&round_trips);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, seen.clone(), Arc::clone(&counted)));
            }
        });
        Ok(Proxy {
            address,
            conduct,
            round_trips,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many round trips there were, on all connections together: requests that are sent before any answer to them
    /// make one.
    pub fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// From now on it behaves like this.
    pub fn set(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end by themselves: the sender of the conduct is gone.
        self.accepting.abort();
    }
}

async fn serve(
    client: TcpStream,
    server: SocketAddr,
    conduct: watch::Receiver<Conduct>,
    round_trips: Arc<AtomicUsize>,
) {
    if *conduct.borrow() == Conduct::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // A proxy that waits for full packets would add delays of its own.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut end = conduct.clone();
    let asked = AtomicBool::new(false);
    tokio::select! {
        // Looked at first, so that no answer gets through afterwards.
        biased;
        // Refused from now on, or the proxy is gone.
        _ = end.wait_for(|conduct| *conduct == Conduct::Refuse) => {}
        () = requests(from_client, to_server, conduct.clone(), &asked, &round_trips) => {}
        () = answers(from_server, to_client, conduct, &asked) => {}
    }
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    conduct: watch::Receiver<Conduct>,
    asked: &AtomicBool,
    round_trips: &AtomicUsize,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut swallowed = false;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !asked.swap(true, Ordering::Relaxed) {
            round_trips.fetch_add(1, Ordering::Relaxed);
        }
        swallowed |= *conduct.borrow() == Conduct::SwallowRequests;
        if !swallowed && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    conduct: watch::Receiver<Conduct>,
    asked: &AtomicBool,
) {
    let mut buffer = vec![0; 1 << 16];
    let (mut passed, mut swallowed) = (0, false);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        asked.store(false, Ordering::Relaxed);
        let conduct = *conduct.borrow();
        let mut wanted = read;
        swallowed |= matches!(conduct, Conduct::SwallowRequests | Conduct::SwallowAnswers);
        if swallowed {
            continue;
        }
        match conduct {
            Conduct::Delay(delay) => tokio::time::sleep(delay).await,
            Conduct::CutAnswersAfter(limit) => {
                wanted = read.min(limit.saturating_sub(passed));
                passed += wanted;
            }
            _ => passed = 0,
        }
        if to.write_all(&buffer[..wanted]).await.is_err() || wanted < read {
            return;
        }
    }
}
