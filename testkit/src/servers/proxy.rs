//! A TCP proxy that misbehaves as told, in front of any server.

use std::net::{Ipv4Addr, SocketAddr};
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
    /// Requests vanish: the server never sees them, and the client hears nothing.
    SwallowRequests,
    /// Requests are carried out, but their answers vanish.
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
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, seen.clone()));
            }
        });
        Ok(Proxy {
            address,
            conduct,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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

async fn serve(client: TcpStream, server: SocketAddr, conduct: watch::Receiver<Conduct>) {
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
    tokio::select! {
        () = requests(from_client, to_server, conduct.clone()) => {}
        () = answers(from_server, to_client, conduct) => {}
        // Refused from now on, or the proxy is gone.
        _ = end.wait_for(|conduct| *conduct == Conduct::Refuse) => {}
    }
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    conduct: watch::Receiver<Conduct>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let swallowed = *conduct.borrow() == Conduct::SwallowRequests;
        if !swallowed && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    conduct: watch::Receiver<Conduct>,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut passed = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let conduct = *conduct.borrow();
        let mut wanted = read;
        match conduct {
            Conduct::SwallowRequests | Conduct::SwallowAnswers => continue,
            Conduct::Delay(delay) => tokio::time::sleep(delay).await,
            Conduct::CutAnswersAfter(limit) => {
                wanted = read.min(limit.saturating_sub(passed));
                passed += wanted;
            }
            Conduct::Pass | Conduct::Refuse => passed = 0,
        }
        if to.write_all(&buffer[..wanted]).await.is_err() || wanted < read {
            return;
        }
    }
}
