//! What is axum's own: middleware, errors of handlers and of services, and layers around each other.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anysession_axum::anysession::{Config, MemoryStore, Sessions};
use anysession_axum::{Session, SessionError, SessionLayer};
use anysession_testkit::{Fault, FaultyStore, Verb};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, http::StatusCode};
use tower_layer::Layer;
use tower_service::Service;

#[tokio::test]
async fn without_the_layer_it_is_500_and_says_what_to_add() {
    let events = Events::default();
    let _listening = events.listen();
    let app = Router::new().route("/", get(visits));
    let refused = ask(&app, "/", "").await;
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains(".layer(SessionLayer::new(sessions))"));
    let told = events.text();
    assert!(
        told.contains("ERROR") && told.contains(&refused.body),
        "{told}"
    );
}

#[tokio::test]
async fn an_error_of_the_session_is_its_status_and_is_told_if_it_is_the_servers() {
    async fn recent(session: Session) -> Result<&'static str, SessionError> {
        session.require_recent(Duration::from_secs(60))?;
        Ok("recent")
    }
    async fn saved(session: Session) -> Result<&'static str, SessionError> {
        session.insert("k", "v")?;
        session.save().await?;
        Ok("saved")
    }

    let events = Events::default();
    let _listening = events.listen();
    let (sessions, store) = layer();
    store.always(Verb::Put, Fault::FailBefore);
    let app = Router::new()
        .route("/recent", get(recent))
        .route("/saved", get(saved));
    let app = app.layer(sessions);
    for (page, status) in [("/recent", 401), ("/saved", 503)] {
        let refused = ask(&app, page, "").await;
        assert_eq!((refused.status, refused.body.as_str()), (status, ""));
    }
    let told = events.text();
    assert_eq!(told.matches("ERROR").count(), 1, "{told}");
    assert!(told.contains("a session could not be used"), "{told}");
}

#[tokio::test]
async fn what_could_not_be_loaded_or_stored_is_told_once_and_with_its_cause() {
    for (verb, event) in [
        (Verb::Load, "a session was not loaded"),
        (Verb::Put, "a session was not stored"),
    ] {
        let events = Events::default();
        let _listening = events.listen();
        let (sessions, store) = layer();
        let app = Router::new().route("/", get(visits)).layer(sessions);
        let first = ask(&app, "/", "").await;
        store.once(verb, Fault::FailBefore);
        let refused = ask(&app, "/", first.cookie()).await;
        assert_eq!((refused.status, refused.body.as_str()), (503, ""));
        let told = events.text();
        assert_eq!(told.matches("ERROR").count(), 1, "{told}");
        assert!(told.contains(event) && told.contains("failed: "), "{told}");
    }
}

#[tokio::test]
async fn a_middleware_has_the_session_of_the_handler() {
    async fn count(request: Request, next: Next) -> Result<Response, SessionError> {
        let session = Session::of(request.headers(), request.extensions()).await?;
        session.update("visits", |visits: &mut u64| *visits += 1)?;
        let response = next.run(request).await;
        session.update("visits", |visits: &mut u64| *visits += 1)?; // stored all the same: the headers have not left
        Ok(response)
    }
    async fn by_extractor(session: Session, request: Request, next: Next) -> Response {
        session.insert("extracted", true).unwrap();
        next.run(request).await
    }

    let (sessions, store) = layer();
    let app = Router::new()
        .route("/", get(visits))
        .layer(from_fn(by_extractor))
        .layer(from_fn(count))
        .layer(sessions);
    let first = ask(&app, "/", "").await;
    assert_eq!(first.body, "2 visits");
    let before = store.counts();
    assert_eq!(ask(&app, "/", first.cookie()).await.body, "5 visits");
    let cost = store.counts().since(&before);
    assert_eq!((cost.load, cost.put), (1, 1), "one session, loaded once");
}

/// Around the application, and once more around a part of it.
#[tokio::test]
async fn the_same_sessions_around_a_route_twice_are_one_session() {
    async fn count(session: Session, request: Request, next: Next) -> Response {
        session
            .update("visits", |visits: &mut u64| *visits += 1)
            .unwrap();
        next.run(request).await
    }

    let (sessions, store) = layer();
    let shop = Router::new()
        .route("/", get(visits))
        .layer(sessions.clone());
    let app = Router::new()
        .nest("/shop", shop)
        .layer(from_fn(count))
        .layer(sessions);
    let first = ask(&app, "/shop", "").await;
    assert_eq!(first.body, "2 visits");
    assert_eq!(ask(&app, "/shop", first.cookie()).await.body, "4 visits");
    let cost = store.counts();
    assert_eq!(
        (cost.load, cost.put),
        (1, 2),
        "one session, stored once a request"
    );
}

#[tokio::test]
async fn a_service_without_a_response_has_failed() {
    #[derive(Clone)]
    struct Fails;

    impl Service<Request> for Fails {
        type Response = Response;
        type Error = &'static str;
        type Future =
            std::pin::Pin<Box<dyn Future<Output = Result<Response, &'static str>> + Send>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            Box::pin(async move {
                let session = Session::of(request.headers(), request.extensions()).await;
                session.unwrap().insert("k", "v").unwrap();
                Err("nothing to say")
            })
        }
    }

    let (sessions, store) = layer();
    let answered = sessions.layer(Fails).call(request("/", "")).await;
    assert_eq!(answered.unwrap_err(), "nothing to say");
    assert_eq!(store.counts().put, 0);
}

/// A layer further in has ended the handler between two changes, and answers by itself.
#[tokio::test]
async fn what_a_handler_did_that_was_timed_out_is_dropped() {
    static INSERTED: AtomicBool = AtomicBool::new(false);

    async fn half(session: Session) {
        session.insert("half", true).unwrap();
        INSERTED.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }
    async fn in_time(request: Request, next: Next) -> Result<Response, StatusCode> {
        let mut running = std::pin::pin!(next.run(request));
        let polled_once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(running.as_mut().poll(context).is_ready())
        });
        assert!(!polled_once.await && INSERTED.load(Ordering::Relaxed));
        Err(StatusCode::REQUEST_TIMEOUT)
    }

    let (sessions, store) = layer();
    let app = Router::new()
        .route("/", get(half))
        .layer(from_fn(in_time))
        .layer(sessions);
    let late = ask(&app, "/", "").await;
    assert_eq!((late.status, late.cookie), (408, None));
    assert_eq!(store.counts().put, 0);
}

async fn visits(session: Session) -> Result<String, SessionError> {
    let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
    Ok(format!("{visits} visits"))
}

fn layer() -> (SessionLayer, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone());
    (SessionLayer::new(sessions), store)
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: String,
}

impl Answer {
    fn cookie(&self) -> &str {
        self.cookie.as_deref().expect("the response sets a cookie")
    }
}

fn request(path: &str, cookie: &str) -> Request {
    let request = Request::builder().uri(path).header(header::COOKIE, cookie);
    request.body(Body::empty()).unwrap()
}

async fn ask(app: &Router, path: &str, cookie: &str) -> Answer {
    let response: Result<_, Infallible> = app.clone().call(request(path, cookie)).await;
    let (parts, body) = response.unwrap().into_parts();
    let cookie = parts.headers.get(header::SET_COOKIE).map(|line| {
        let pair = line.to_str().unwrap().split(';').next();
        pair.unwrap().to_owned()
    });
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        cookie,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// What was told to `tracing`.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl Events {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
