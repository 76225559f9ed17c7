//! A request of Rust's without a server, which a trial may hold between its beginning and its end.

use anysession::{Config, Drivers, Outcome, Session, Sessions, Slot};
use end_to_end::Result;
use tokio::runtime::Runtime;

/// Sessions as the probe has them, in this process.
#[derive(Debug)]
pub(crate) struct Requests {
    runtime: Runtime,
    sessions: Sessions,
}

impl Requests {
    pub(crate) fn connect(config: Config) -> Result<Self> {
        let drivers = Drivers::default()
            .with(anysession_fs::DRIVER)
            .with(anysession_redis::DRIVER)
            .with(anysession_sql::SQLITE)
            .with(anysession_sql::POSTGRES)
            .with(anysession_sql::MYSQL);
        let runtime = Runtime::new()?;
        let sessions = runtime.block_on(Sessions::connect(config, &drivers))?;
        Ok(Requests { runtime, sessions })
    }

    /// Begins a request with this cookie: its session is loaded.
    pub(crate) fn begin(&self, cookie: &str) -> Result<Request<'_>> {
        let slot = self.sessions.slot();
        let claim = slot.open(std::iter::once(cookie.as_bytes()));
        let session = self.runtime.block_on(slot.load(claim))?;
        Ok(Request {
            requests: self,
            slot,
            session,
        })
    }
}

/// A request that has loaded its session and was not answered yet.
pub(crate) struct Request<'r> {
    requests: &'r Requests,
    slot: Slot,
    pub(crate) session: Session,
}

impl Request<'_> {
    /// Answers it: what it changed is stored. Gives the line that sets a cookie, if there is one.
    pub(crate) fn end(self) -> Result<Option<String>> {
        let closing = self.slot.close(Outcome::from_status(200));
        let headers = self.requests.runtime.block_on(closing)?;
        let mut lines = headers.into_lines();
        let cookie = lines.find(|line| line.name == "set-cookie");
        Ok(cookie.map(|line| line.value.into_owned()))
    }
}
