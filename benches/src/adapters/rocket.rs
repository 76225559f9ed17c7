//! Rocket, and `rocket_flex_session`.

mod by_hand;

use std::collections::HashMap;
use std::sync::Arc;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Cookie, Header};
use rocket::local::asynchronous::Client;
use rocket::{Build, Request, Response, Rocket, get, routes};
use rocket_flex_session::{RocketFlexSession, SessionHashMap};
use tokio::runtime::Runtime;

use super::candidate::{
    Answer, BARE, Candidate, EXTENSION, NO_OP, OURS, Route, another, at_once, sessions, strings,
};

type Ours = anysession_rocket::Session;
type Peers<'r> = rocket_flex_session::Session<'r, Strings>;

pub(super) const PEER: &str = "rocket_flex_session";

pub(super) fn candidates(runtime: &Arc<Runtime>) -> Vec<Candidate> {
    let ours = build()
        .mount(
            "/",
            routes![ignore, read_ours, write_ours, new_ours, regenerate_ours],
        )
        .attach(anysession_rocket::SessionFairing::new(sessions()));
    let peers = build()
        .mount("/", routes![ignore, read_peers, write_peers, new_peers])
        .attach(RocketFlexSession::<Strings>::default());
    vec![
        Candidate::without_session(BARE, serve(runtime, plain())),
        Candidate::new(OURS, env!("CARGO_PKG_VERSION"), serve(runtime, ours)),
        // It has no way to give a session another id.
        Candidate::new(PEER, "0.2.0", serve(runtime, peers)).without(Route::Regenerate),
        Candidate::new("by hand", "", serve(runtime, by_hand::attach(build())))
            .without(Route::Regenerate),
        Candidate::without_session(NO_OP, serve(runtime, plain().attach(NoOp))),
        Candidate::without_session(EXTENSION, serve(runtime, plain().attach(Cached))),
    ]
}

/// Dispatches without a connection. A request is what Rocket's server makes of one: the `Cookie` header as it came, and the
/// cookies in the jar. They are read from the header once and not for each request, since Rocket does that on every route.
fn serve(runtime: &Arc<Runtime>, rocket: Rocket<Build>) -> Answer {
    let runtime = runtime.clone();
    let client = runtime
        .block_on(Client::untracked(rocket))
        .expect("it launches");
    let mut jar = (String::new(), Vec::new());
    Box::new(move |path, cookies, set| {
        let _inside = runtime.enter();
        if jar.0 != cookies {
            let parsed = Cookie::split_parse_encoded(cookies.to_owned());
            jar = (cookies.to_owned(), parsed.filter_map(Result::ok).collect());
        }
        let request = client
            .get(path)
            .header(Header::new("cookie", cookies.to_owned()))
            .cookies(jar.1.iter().cloned());
        let response = at_once(request.dispatch());
        assert!(response.status().code < 300);
        response
            .headers()
            .get("set-cookie")
            .for_each(|line| set.take(line));
    })
}

/// Silent, and with the key that Rocket's private cookies want.
fn build() -> Rocket<Build> {
    let figment = rocket::Config::figment()
        .merge(("log_level", "off"))
        .merge(("secret_key", [7; 64].as_slice()));
    rocket::custom(figment)
}

fn plain() -> Rocket<Build> {
    build().mount(
        "/",
        routes![ignore, plain_read, plain_write, plain_new, plain_regenerate],
    )
}

/// Sees each response.
struct NoOp;

#[rocket::async_trait]
impl Fairing for NoOp {
    fn info(&self) -> Info {
        Info {
            name: "no-op",
            kind: Kind::Response,
        }
    }

    async fn on_response<'r>(&self, _: &'r Request<'_>, _: &mut Response<'r>) {}
}

/// Puts one thing into the request's cache, where a fairing has to keep things.
struct Cached;

#[rocket::async_trait]
impl Fairing for Cached {
    fn info(&self) -> Info {
        Info {
            name: "cached",
            kind: Kind::Response,
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, _: &mut Response<'r>) {
        request.local_cache(|| Arc::new(()));
    }
}

/// The peer's way for sessions that are maps.
#[derive(Clone, Default)]
struct Strings(HashMap<String, String>);

impl SessionHashMap for Strings {
    type Value = String;

    fn get(&self, key: &str) -> Option<&String> {
        self.0.get(key)
    }

    fn insert(&mut self, key: String, value: String) {
        self.0.insert(key, value);
    }

    fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[get("/ignore")]
async fn ignore() -> &'static str {
    "ok"
}

#[get("/read")]
async fn plain_read() -> &'static str {
    "ok"
}

#[get("/write")]
async fn plain_write() -> &'static str {
    "ok"
}

#[get("/new")]
async fn plain_new() -> &'static str {
    "ok"
}

#[get("/regenerate")]
async fn plain_regenerate() -> &'static str {
    "ok"
}

#[get("/read")]
async fn read_ours(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    another(value.as_deref());
    "ok"
}

#[get("/write")]
async fn write_ours(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    let value = another(value.as_deref());
    session.insert("key3", value).expect("there is room");
    "ok"
}

#[get("/new")]
async fn new_ours(session: Ours) -> &'static str {
    for (key, value) in strings() {
        session.insert(key, value).expect("there is room");
    }
    "ok"
}

#[get("/regenerate")]
async fn regenerate_ours(session: Ours) -> &'static str {
    session.regenerate_id().expect("there is a session");
    "ok"
}

#[get("/read")]
async fn read_peers(session: Peers<'_>) -> &'static str {
    let value = session.get_key("key3");
    another(value.as_deref());
    "ok"
}

#[get("/write")]
async fn write_peers(mut session: Peers<'_>) -> &'static str {
    let value = session.get_key("key3");
    let value = another(value.as_deref());
    session.set_key("key3".to_owned(), value.to_owned());
    "ok"
}

#[get("/new")]
async fn new_peers(mut session: Peers<'_>) -> &'static str {
    for (key, value) in strings() {
        session.set_key(key, value);
    }
    "ok"
}
