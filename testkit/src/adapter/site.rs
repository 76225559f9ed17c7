//! The probe as it is served to one trial.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anysession::{Config, ConfigBuilder, Sessions, Store, StoreKey};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use super::browser::Browser;
use super::dice::Dice;
use super::ledger::{Ledger, Snapshot};
use super::{Open, logs};
use crate::ports::free_port;
use crate::suite::{Failure, ensure};
use crate::{Counts, FaultyStore, TestClock};

/// What serves the probe: it blocks.
pub(super) type Serve = Arc<dyn Fn(Sessions, SocketAddr) + Send + Sync>;

/// What a trial is given to make its sites from.
#[derive(Clone)]
pub(crate) struct World {
    open: Open,
    serve: Serve,
    sites: Arc<Mutex<Vec<Site>>>,
}

impl World {
    pub(super) fn new(open: Open, serve: Serve) -> Self {
        World {
            open,
            serve,
            sites: Arc::default(),
        }
    }

    /// The sites that were made.
    pub(super) fn sites(&self) -> Vec<Site> {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.clone()
    }

    /// A site with the default configuration.
    pub(crate) async fn site(&self) -> Result<Site, Failure> {
        self.site_with(|config| config).await
    }

    /// A site of its own configuration, on its own port and with its own store.
    pub(crate) async fn site_with(
        &self,
        configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    ) -> Result<Site, Failure> {
        logs::listen();
        let config = configure(Config::builder()).build();
        let config = config.map_err(|error| Failure::new(error.to_string()))?;
        let (clock, dice) = (TestClock::new(), Dice::default());
        let ledger = Arc::new(Ledger::new((self.open)().await));
        let store = Arc::new(FaultyStore::new(Arc::clone(&ledger) as Arc<dyn Store>));
        let sessions = Sessions::new(config, Arc::clone(&store) as Arc<dyn Store>)
            .with_clock(clock.clone())
            .with_random(dice.clone());
        let server = start(&self.serve, &sessions).await?;
        let site = Site {
            clock,
            store,
            dice,
            sessions,
            ledger,
            server,
        };
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.push(site.clone());
        Ok(site)
    }
}

/// The probe, served to one trial, and everything around it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) dice: Dice,
    pub(crate) sessions: Sessions,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) server: SocketAddr,
}

impl Site {
    /// A visitor without a cookie.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.server)
    }

    /// A visitor who has visited these pages.
    pub(crate) async fn visitor(&self, pages: &[&str]) -> Result<Browser, Failure> {
        let browser = self.browser();
        for page in pages {
            browser.ok(page).await?;
        }
        Ok(browser)
    }

    /// What stands in the store. The trial's own look is not counted.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Failure> {
        Ok(self.ledger.snapshot().await?)
    }

    /// What a request costs.
    pub(crate) async fn cost<T>(
        &self,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(Counts, T), Failure> {
        let before = self.store.counts();
        let answer = request.await?;
        Ok((self.store.counts().since(&before), answer))
    }

    /// No id of this site stands in a log line, in a `Debug` output or in an argument of the store.
    pub(crate) async fn keeps_its_ids_secret(&self) -> Result<(), Failure> {
        for id in self.dice.ids() {
            let shown = self.debug_output(&id).await;
            ensure!(!shown.contains(&id), "an id stands in a Debug output");
            if let Some(line) = logs::line_with(&id) {
                let line = line.replace(&id, "<the id>");
                return Err(Failure::new(format!("an id stands in a log line: {line}")));
            }
            ensure!(
                !self.store.has_seen(&id),
                "an id reached the store in an argument"
            );
        }
        Ok(())
    }

    /// What the steps of a request show that comes with this id, from its claim to its session.
    pub(crate) async fn debug_output(&self, id: &str) -> String {
        // Past the store that fails as told: the trial may have left it so.
        let config = self.sessions.config().clone();
        let sessions = Sessions::new(config, Arc::clone(&self.ledger) as Arc<dyn Store>)
            .with_clock(self.clock.clone());
        let cookie = format!("{}={id}", sessions.config().cookie().name());
        let slot = sessions.slot();
        let claim = slot.open([cookie.as_bytes()].into_iter());
        let claimed = format!("{:?} {claim:?}", self.sessions);
        let session = slot.load(claim).await;
        format!("{claimed} {slot:?} {session:?}")
    }
}

/// The store's name for an id.
pub(crate) fn key_of(id: impl AsRef<[u8]>) -> StoreKey {
    match StoreKey::from_bytes(&Sha256::digest(id.as_ref())) {
        Some(key) => key,
        None => unreachable!("a SHA-256 has the length of a key"),
    }
}

/// Starts the server on a thread of its own, where it stays until the process ends.
async fn start(serve: &Serve, sessions: &Sessions) -> Result<SocketAddr, Failure> {
    for _attempt in 0..ATTEMPTS {
        let port = free_port().map_err(|error| Failure::new(error.to_string()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (serve, sessions) = (Arc::clone(serve), sessions.clone());
        let server = std::thread::spawn(move || serve(sessions, address));
        while !server.is_finished() {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(address);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Err(Failure::new(
        "`serve` serves the probe on the address that it is given, but it returned or panicked",
    ))
}

/// Another process may take the port before the server does.
const ATTEMPTS: usize = 5;
