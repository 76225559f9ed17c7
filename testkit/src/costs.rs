//! What requests cost, as the backend counts it.

use std::error::Error as StdError;
use std::sync::Arc;

use anysession::{Config, Error, Outcome, Session, Sessions, Store};

type BoxError = Box<dyn StdError + Send + Sync>;

/// Round trips, or statements, that each kind of request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestCosts {
    /// A handler that does not take the session.
    pub ignore: usize,
    /// One that reads a key.
    pub read: usize,
    /// One that reads and writes a key.
    pub write: usize,
    /// One that writes to a session that is new.
    pub new: usize,
    /// One that gives a session another id.
    pub regenerate: usize,
    /// A log-in of somebody who had no session.
    pub log_in: usize,
}

impl RequestCosts {
    /// What is promised, at most.
    pub const PROMISED: RequestCosts = RequestCosts {
        ignore: 0,
        read: 1,
        write: 2,
        new: 1,
        regenerate: 3,
        log_in: 1,
    };

    /// Makes each kind of request once on this store, and asks `count` before and after: how many round trips or statements
    /// its backend has seen so far.
    ///
    /// All are made once before, so that what is prepared only once, or connected, does not count.
    ///
    /// # Errors
    ///
    /// When a request fails.
    pub async fn of(
        store: Arc<dyn Store>,
        mut count: impl FnMut() -> usize,
    ) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let sessions = Sessions::new(Config::default(), store);
        Self::measure(&sessions, &mut || 0).await?;
        Self::measure(&sessions, &mut count).await
    }

    async fn measure(
        sessions: &Sessions,
        count: &mut impl FnMut() -> usize,
    ) -> Result<Self, BoxError> {
        let mut visitor = Visitor::default();
        let mut cost = async |visit: Visit| {
            let before = count();
            visitor.request(sessions, visit).await?;
            Ok::<_, BoxError>(count() - before)
        };
        Ok(RequestCosts {
            new: cost(Visit::Write).await?,
            ignore: cost(Visit::Ignore).await?,
            read: cost(Visit::Read).await?,
            write: cost(Visit::Write).await?,
            regenerate: cost(Visit::Regenerate).await?,
            log_in: {
                cost(Visit::Destroy).await?;
                cost(Visit::LogIn).await?
            },
        })
    }
}

#[derive(Clone, Copy)]
enum Visit {
    Ignore,
    Read,
    Write,
    Regenerate,
    Destroy,
    LogIn,
}

/// A browser, as far as it is needed here.
#[derive(Default)]
struct Visitor {
    cookie: Option<String>,
}

impl Visitor {
    async fn request(&mut self, sessions: &Sessions, visit: Visit) -> Result<(), BoxError> {
        let slot = sessions.slot();
        let claim = slot.open(self.cookie.iter().map(String::as_bytes));
        if !matches!(visit, Visit::Ignore) {
            act(&slot.load(claim).await?, visit)?;
        }
        let mut lines = slot.close(Outcome::Succeeded).await?.into_lines();
        if let Some(line) = lines.find(|line| line.name == "set-cookie") {
            let (cookie, _) = line.value.split_once(';').unwrap_or((&line.value, ""));
            self.cookie = Some(cookie.to_owned()).filter(|cookie| !cookie.ends_with('='));
        }
        Ok(())
    }
}

fn act(session: &Session, visit: Visit) -> Result<(), Error> {
    match visit {
        Visit::Ignore => {}
        Visit::Read => drop(session.get::<u32>("visits")?),
        Visit::Write => drop(session.update("visits", |visits: &mut u32| *visits += 1)?),
        Visit::Regenerate => session.regenerate_id()?,
        Visit::Destroy => session.destroy(),
        Visit::LogIn => session.log_in("ada")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultyStore, ReferenceStore};

    #[tokio::test]
    async fn requests_cost_what_is_promised() {
        let store = Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new())));
        let counted = Arc::clone(&store);
        let costs = RequestCosts::of(store, || counted.counts().total()).await;
        assert_eq!(costs.unwrap(), RequestCosts::PROMISED);
    }
}
