//! A site, and who visits it.

use std::future::Future;
use std::sync::Arc;

use anysession::{Config, MemoryStore, Outcome, Session, Sessions, Slot};
use anysession_testkit::{FaultyStore, TestClock};

pub(crate) struct Site {
    pub(crate) sessions: Sessions,
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<FaultyStore>,
}

pub(crate) fn site() -> Site {
    let clock = TestClock::default();
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone()).with_clock(clock.clone());
    Site {
        sessions,
        clock,
        store,
    }
}

impl Site {
    /// Who has been here once.
    pub(crate) async fn visitor<T, F: Future<Output = T>>(
        &self,
        handler: impl FnOnce(Session) -> F,
    ) -> Browser {
        let mut browser = Browser::default();
        browser.visit(self, handler).await;
        browser
    }
}

/// A visitor's cookie.
#[derive(Clone, Default)]
pub(crate) struct Browser(pub(crate) Option<String>);

impl Browser {
    pub(crate) async fn open(&self, site: &Site) -> (Slot, Session) {
        let slot = site.sessions.slot();
        let header = self.0.as_ref().map(|cookie| cookie.clone().into_bytes());
        let claim = slot.open(header.iter().map(Vec::as_slice));
        let session = slot.load(claim).await.unwrap();
        (slot, session)
    }

    /// Takes the response's cookie, as a browser does.
    pub(crate) async fn close(&mut self, slot: &Slot, outcome: Outcome) -> Option<String> {
        let headers = slot.close(outcome).await.unwrap();
        let line = headers
            .into_lines()
            .find(|line| line.name == "set-cookie")?;
        let pair = line.value.split(';').next().unwrap().to_owned();
        self.0 = (!line.value.contains("Max-Age=0")).then_some(pair);
        Some(line.value.into_owned())
    }

    pub(crate) async fn visit<T, F: Future<Output = T>>(
        &mut self,
        site: &Site,
        handler: impl FnOnce(Session) -> F,
    ) -> T {
        let (slot, session) = self.open(site).await;
        let result = handler(session).await;
        self.close(&slot, Outcome::Succeeded).await;
        result
    }
}
