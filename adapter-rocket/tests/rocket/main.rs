//! What is Rocket's own: the launch and its configuration, catchers, and other fairings.
#![expect(
    clippy::needless_pass_by_value,
    reason = "Rocket hands guards over by value"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catchers;
mod configuration;
mod fairings;
mod launch;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use anysession_rocket::anysession::{Config, Sessions, Store};
use anysession_rocket::{Session, SessionFairing};
use anysession_testkit::{FaultyStore, ReferenceStore};
use rocket::config::LogLevel;
use rocket::local::asynchronous::Client;
use rocket::{Build, Rocket, get};

/// Runs on this thread, and gives what was logged meanwhile.
fn heard<T>(work: impl Future<Output = T>) -> (T, String) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (result, text)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    heard(work).0
}

fn quiet() -> Rocket<Build> {
    rocket::custom(rocket::Config {
        log_level: LogLevel::Off,
        ..rocket::Config::debug_default()
    })
}

/// An application with a fairing on a store that fails as told.
fn with_store() -> (Rocket<Build>, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new())));
    let sessions = Sessions::new(Config::default(), Arc::clone(&store) as Arc<dyn Store>);
    (quiet().attach(SessionFairing::new(sessions)), store)
}

fn sessions() -> SessionFairing {
    let store = Arc::new(ReferenceStore::new());
    SessionFairing::new(Sessions::new(Config::default(), store))
}

/// A visitor who keeps cookies.
async fn visitor(rocket: Rocket<Build>) -> Client {
    Client::tracked(rocket).await.unwrap()
}

async fn body(client: &Client, page: &str) -> String {
    let response = client.get(page.to_owned()).dispatch().await;
    response.into_string().await.unwrap_or_default()
}

#[get("/visits")]
fn visits(session: Session) -> String {
    let visits = session.update("visits", |visits: &mut u64| *visits += 1);
    visits.unwrap().to_string()
}
