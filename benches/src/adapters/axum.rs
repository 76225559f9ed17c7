//! axum, beside tower-sessions and axum_session.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, header};
use axum::routing::{Route, get};
use axum::{Extension, Router};
use tokio::runtime::Runtime;
use tower_layer::Layer;
use tower_service::Service;

use super::candidate::{
    Answer, BARE, Candidate, EXTENSION, NO_OP, OURS, another, at_once, sessions, strings,
};

type Ours = anysession_axum::Session;
type TowerSessions = tower_sessions::Session;
type AxumSession = axum_session::Session<axum_session::SessionNullPool>;

pub(super) const PEERS: [&str; 2] = ["tower-sessions", "axum_session"];

/// Where the session layer stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Placement {
    /// `Router::layer`: around each route.
    Layer,
    /// Around the Router as a whole.
    Router,
}

pub(super) fn candidates(runtime: &Arc<Runtime>, placement: Placement) -> Vec<Candidate> {
    let answer = |service| answer(runtime, service);
    let ours = anysession_axum::SessionLayer::new(sessions());
    let store = tower_sessions::MemoryStore::default();
    let tower_sessions = tower_sessions::SessionManagerLayer::new(store);
    let axum_session = axum_session_layer(runtime);
    // For the tasks that a layer spawns.
    let _inside = runtime.enter();
    let no_op = tower_layer::Identity::new();
    let extension = Extension(Arc::new(()));
    vec![
        Candidate::without_session(BARE, answer(serve(plain()))),
        Candidate::new(
            OURS,
            env!("CARGO_PKG_VERSION"),
            answer(layered(routes_of_ours(), ours, placement)),
        ),
        Candidate::new(
            PEERS[0],
            "0.15.0",
            answer(layered(
                routes_of_tower_sessions(),
                tower_sessions,
                placement,
            )),
        ),
        Candidate::new(
            PEERS[1],
            "0.22.1",
            answer(layered(routes_of_axum_session(), axum_session, placement)),
        ),
        Candidate::without_session(NO_OP, answer(layered(plain(), no_op, placement))),
        Candidate::without_session(EXTENSION, answer(layered(plain(), extension, placement))),
    ]
}

/// A service, as a connection calls it.
pub type Served = Box<dyn FnMut(Request<Body>) -> Response<Body>>;

/// As `axum::serve` does: the Router gets its state once, and is called for each request.
pub fn serve(routes: Router) -> Served {
    serve_service(routes.with_state(()))
}

fn layered<L>(routes: Router, layer: L, placement: Placement) -> Served
where
    L: Layer<Route> + Layer<Router> + Clone + Send + Sync + 'static,
    <L as Layer<Route>>::Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    <<L as Layer<Route>>::Service as Service<Request<Body>>>::Future: Send + 'static,
    <L as Layer<Router>>::Service:
        Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static,
{
    match placement {
        Placement::Layer => serve(routes.layer(layer)),
        Placement::Router => serve_service(layer.layer(routes.with_state(()))),
    }
}

fn serve_service<S>(mut service: S) -> Served
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static,
{
    Box::new(move |request| {
        let Ok(response) = at_once(service.call(request));
        response
    })
}

fn answer(runtime: &Arc<Runtime>, mut served: Served) -> Answer {
    let runtime = runtime.clone();
    Box::new(move |path, cookies, set| {
        let _inside = runtime.enter();
        let request = Request::get(path).header(header::COOKIE, cookies);
        let response = served(request.body(Body::empty()).expect("it is well-formed"));
        assert!(response.status().is_success());
        for line in response.headers().get_all(header::SET_COOKIE) {
            set.take(line.to_str().expect("text"));
        }
    })
}

fn plain() -> Router {
    Router::new()
        .route("/ignore", get(ignore))
        .route("/read", get(ignore))
        .route("/write", get(ignore))
        .route("/new", get(ignore))
        .route("/regenerate", get(ignore))
}

async fn ignore() -> &'static str {
    "ok"
}

fn routes_of_ours() -> Router {
    Router::new()
        .route("/ignore", get(ignore))
        .route(
            "/read",
            get(|session: Ours| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                another(value.as_deref());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: Ours| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                let value = another(value.as_deref());
                session.insert("key3", value).expect("there is room");
                "ok"
            }),
        )
        .route(
            "/new",
            get(|session: Ours| async move {
                for (key, value) in strings() {
                    session.insert(key, value).expect("there is room");
                }
                "ok"
            }),
        )
        .route(
            "/regenerate",
            get(|session: Ours| async move {
                session.regenerate_id().expect("there is a session");
                "ok"
            }),
        )
}

fn routes_of_tower_sessions() -> Router {
    Router::new()
        .route("/ignore", get(ignore))
        .route(
            "/read",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                another(value.as_deref());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                let value = another(value.as_deref());
                session.insert("key3", value).await.expect("it is stored");
                "ok"
            }),
        )
        .route(
            "/new",
            get(|session: TowerSessions| async move {
                for (key, value) in strings() {
                    session.insert(&key, value).await.expect("it is stored");
                }
                "ok"
            }),
        )
        .route(
            "/regenerate",
            get(|session: TowerSessions| async move {
                session.cycle_id().await.expect("it is stored");
                "ok"
            }),
        )
}

fn axum_session_layer(
    runtime: &Runtime,
) -> axum_session::SessionLayer<axum_session::SessionNullPool> {
    let config = axum_session::SessionConfig::default();
    let store = axum_session::SessionStore::<axum_session::SessionNullPool>::new(None, config);
    let store = runtime.block_on(store).expect("it is in memory");
    axum_session::SessionLayer::new(store)
}

fn routes_of_axum_session() -> Router {
    Router::new()
        .route("/ignore", get(ignore))
        .route(
            "/read",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                another(value.as_deref());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                session.set("key3", another(value.as_deref()));
                "ok"
            }),
        )
        .route(
            "/new",
            get(|session: AxumSession| async move {
                for (key, value) in strings() {
                    session.set(&key, value);
                }
                "ok"
            }),
        )
        .route(
            "/regenerate",
            get(|session: AxumSession| async move {
                session.renew();
                "ok"
            }),
        )
}
