//! The fairing: sessions at launch, header lines on the response.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anysession::{Cleanup, ConfigBuilder, Drivers, Outcome, Sessions, with_causes};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::http::Status;
use rocket::{Build, Catcher, Orbit, Request, Response, Rocket, catcher};

use crate::settings;
use crate::visit;

/// Opens the sessions at launch, stores each request's session when its response is known, and deletes expired sessions
/// while the application runs.
///
/// [`Sessions`] are managed state from then on: `&State<Sessions>` gives them to a handler.
#[derive(Debug)]
pub struct SessionFairing {
    source: Source,
    period: Option<Duration>,
    cleanup: Mutex<Option<Cleanup>>,
}

#[derive(Debug)]
enum Source {
    Ready(Sessions),
    Configured(Box<ConfigBuilder>, Drivers),
}

/// The managed state that says that a fairing is attached.
pub(crate) struct Attached(pub(crate) Sessions);

const HOUR: Duration = Duration::from_secs(60 * 60);

impl SessionFairing {
    /// These sessions, however they were made.
    pub fn new(sessions: Sessions) -> Self {
        Self::from(Source::Ready(sessions))
    }

    /// Sessions as configured, in a store that one of these drivers opens at launch.
    ///
    /// The table `session` of Rocket's configuration wins over what is chosen here, and the `SESSION_*` variables
    /// win over that. A wrong configuration, or a store that cannot be opened, ends the launch with an error in the log.
    pub fn connect(defaults: ConfigBuilder, drivers: Drivers) -> Self {
        Self::from(Source::Configured(Box::new(defaults), drivers))
    }

    fn from(source: Source) -> Self {
        SessionFairing {
            source,
            period: Some(HOUR),
            cleanup: Mutex::new(None),
        }
    }

    /// Deletes expired sessions about every `period` instead of every hour, or not at all; see
    /// [`Sessions::keep_deleting_expired`].
    #[must_use]
    pub fn cleanup_every(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.period = period.into();
        self
    }

    async fn sessions(
        &self,
        rocket: &Rocket<Build>,
    ) -> Result<Sessions, Box<dyn Error + Send + Sync>> {
        match &self.source {
            Source::Ready(sessions) => Ok(sessions.clone()),
            Source::Configured(defaults, drivers) => {
                let config = settings::read(rocket.figment(), (**defaults).clone())?;
                Ok(Sessions::connect(config, drivers).await?)
            }
        }
    }

    fn set_cleanup(&self, cleanup: Option<Cleanup>) -> Option<Cleanup> {
        let mut running = self.cleanup.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut running, cleanup)
    }
}

#[rocket::async_trait]
impl Fairing for SessionFairing {
    fn info(&self) -> Info {
        Info {
            name: "Sessions",
            kind: Kind::Ignite | Kind::Liftoff | Kind::Shutdown | Kind::Singleton,
        }
    }

    async fn on_ignite(&self, mut rocket: Rocket<Build>) -> fairing::Result {
        let sessions = match self.sessions(&rocket).await {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::error!("there are no sessions: {}", with_causes(&*error));
                return Err(rocket);
            }
        };
        if rocket.state::<Sessions>().is_none() {
            rocket = rocket.manage(sessions.clone());
        }
        let is_theirs = |catcher: &Catcher| {
            catcher.base.path() == "/" && matches!(catcher.code, None | Some(503))
        };
        if !rocket.catchers().any(is_theirs) {
            rocket = rocket.register(
                "/",
                [Catcher {
                    name: Some("Sessions".into()),
                    ..Catcher::new(503, Unavailable)
                }],
            );
        }
        Ok(rocket.manage(Attached(sessions)).attach(Closing))
    }

    async fn on_liftoff(&self, rocket: &Rocket<Orbit>) {
        if let (Some(period), Some(Attached(sessions))) = (self.period, rocket.state()) {
            let (cleanup, task) = sessions.cleanup(period, tokio::time::sleep);
            tokio::spawn(task);
            self.set_cleanup(Some(cleanup));
        }
    }

    async fn on_shutdown(&self, _: &Rocket<Orbit>) {
        if let Some(cleanup) = self.set_cleanup(None) {
            cleanup.stop().await;
        }
    }
}

/// Closes each request when its response is known. It is attached while Rocket ignites, and so comes after the fairings
/// that the application attaches: these may use the session, and answer in another way, when they see the response.
struct Closing;

#[rocket::async_trait]
impl Fairing for Closing {
    fn info(&self) -> Info {
        Info {
            name: "Sessions, at the end",
            kind: Kind::Response | Kind::Singleton,
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Some(guard) = visit::of(request).finish() else {
            return;
        };
        let outcome = Outcome::from_status(response.status().code);
        let headers = guard.close(outcome).await.unwrap_or_else(|error| {
            *response = without_answer(response);
            response.set_status(Status::new(error.status()));
            error.into_headers()
        });
        // Rocket has emptied its cookie jar into the response already, so these are lines like any other.
        for line in headers.into_lines() {
            let present = response.headers().get(line.name).map(str::as_bytes);
            if line.is_wanted(present) {
                response.adjoin_raw_header(line.name, line.value);
            }
        }
    }
}

/// What is left without the handler's answer: what other fairings have set stays, as none of them sees the response again.
fn without_answer<'r>(response: &Response<'_>) -> Response<'r> {
    let mut rest = Response::new();
    for header in response.headers().iter() {
        if !is_of_the_answer(header.name().as_str()) {
            rest.adjoin_raw_header(header.name().to_string(), header.value().to_owned());
        }
    }
    rest
}

/// Whether a header line tells of the body, how long to keep it, or where to go.
fn is_of_the_answer(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match &*name {
        "content-security-policy" => false,
        "cache-control" | "etag" | "expires" | "last-modified" | "location" | "set-cookie" => true,
        name => name.starts_with("content-") || name.starts_with("sec-websocket-"),
    }
}

/// Answers with an empty body where a session could not be loaded, and like Rocket otherwise.
#[derive(Clone)]
struct Unavailable;

#[rocket::async_trait]
impl catcher::Handler for Unavailable {
    async fn handle<'r>(&self, status: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        if visit::of(request).load_failed {
            return Ok(Response::build().status(status).finalize());
        }
        Catcher::default().handler.handle(status, request).await
    }
}
