//! The probe: one small application that every adapter serves, so that one suite can drive them all.
//!
//! An adapter's probe takes the session for every route but `/none`, hands it to [`answer`] with the request's path and
//! query, and turns the [`Answer`] into its framework's response. All routes but one are `GET` (and `HEAD`), and every part of
//! a path may be percent-encoded.
//!
//! | route | does | body |
//! | --- | --- | --- |
//! | `/none` | the application's own: does not take the session | `ok` |
//! | `/get/{k}` | reads k | the value, `-` if absent |
//! | `/set/{k}/{v}` | reads k, inserts the string | `ok` |
//! | `/incr/{k}` | `update` +1 | the number as this request sees it |
//! | `/remove/{k}` `/clear` | | `ok` |
//! | `/login/{user}` `/logout` | `log_in`, `destroy` | `ok` |
//! | `/relogin/{user}` | `destroy`, then `log_in` | `ok` |
//! | `/regenerate` | new id, same data | `ok` |
//! | `/renew/{k}/{v}` | new id, `save`, waits at the gate `?then=NAME`, inserts | `ok` |
//! | `/permanent/{true\|false}` | for this session | `ok` |
//! | `/lifetime/{seconds}` | `set_lifetime` | `ok` |
//! | `/dump` | every key and value, user, permanent | `{"data":{…},"user":…,"permanent":…}` |
//! | `/read/{what}` | one of the other reading methods, such as `contains` | what it says |
//! | `/fail/{k}/{v}` | inserts, then answers 500 | empty |
//! | `/panic/{k}/{v}` | inserts, then panics | |
//! | `/save/{k}/{v}/{status}` | inserts, `save`, then answers this status | `ok`, empty from 500 on |
//! | `/status/{code}` | reads, answers this status | `ok`, empty from 500 on |
//! | `/big/{bytes}` | inserts a value of this size under `big` | `ok`; 413 and empty if it is refused |
//! | `/flash/{category}/{message}` | leaves a message | `ok` |
//! | `/flashes` `/flashes/{category}` | takes the messages; with `?save` it saves before it shows them | `[["category","message"],…]` |
//! | `/sessions` | the current user's sessions | `[{"handle","created","last_seen","expires","current"},…]`, times in ms |
//! | `/end/{handle}` | ends one of them | `true` or `false` |
//! | `/revoke-others` `/end-all` | ends the user's other sessions, or all | number of others ended |
//! | `/recent/{seconds}` | `require_recent` | `ok` |
//! | `/do/{step}/…` | get, set, remove, clear, logout, regenerate, login, flash, save, one after the other | `ok` |
//! | `/headers` | reads, and answers as with `?headers` | the keys |
//! | `/error/{k}/{v}/{status}` | inserts; the answer gives way to an error of this status, see below | |
//! | `POST /body/{k}` | inserts the request's body: the path that is handed on is `/body/{k}/{body}` | `ok` |
//!
//! Every route that takes the session heeds these in its query:
//!
//! | query | does |
//! | --- | --- |
//! | `delay=MS` | sleeps between loading and acting |
//! | `gate=NAME` | waits at a gate of the suite between loading and acting |
//! | `after=NAME` | waits at a gate of the suite after acting |
//! | `status=CODE` | answers this status after acting; from 500 on the body is empty |
//! | `panic` | panics after acting |
//! | `headers` | adds the application's own header lines: two `Set-Cookie`, `Vary`, `Cache-Control` |
//! | `vary=VALUE` | adds a `Vary` line of the application's |
//!
//! The error of `/error` is the framework's own, of a middleware between the adapter and the handler where it has such a thing.
//!
//! Three routes go on with the session when the headers have left. All begin by inserting, so that there is something to
//! commit before that:
//!
//! | route | answers | by |
//! | --- | --- | --- |
//! | `/stream/{k}/{v}` | a body of several chunks, the first of which leaves at once | [`stream`] |
//! | `/events/{k}/{v}` | the same as server-sent events | [`stream`] |
//! | `/socket/{k}/{v}` | a WebSocket, on which each text message is answered by one | [`socket`] |
//!
//! The query of a stream is what it does then, step by step and in this order; each step but a gate is told in a chunk:
//!
//! | step | does |
//! | --- | --- |
//! | `gate=NAME` | waits at a gate of the suite |
//! | `save=PATH` | does what this path says, such as `/set/a/b`, then `save`; tells the body, or the error's text |
//! | `unsaved=PATH` | the same without `save` |
//!
//! An adapter serves them with what its framework has for the purpose, and need serve HTTP/2 only if its users do.
//!
//! An unknown route is a 404, an argument that cannot be read a 400, both with a text. An error of the session is answered
//! with its [`status`](anysession::Error::status) and an empty body, as an application should.

mod gates;
mod live;
mod routes;

use std::fmt;
use std::time::Duration;

use anysession::Session;

pub(crate) use gates::hold;
pub use live::{Chunks, Conversation, socket, stream};

/// Two lines of the application's own, such as frameworks are tempted to parse, sort or fold.
pub const OWN_COOKIES: [&str; 2] = [
    "plain=one; Path=/; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
    "odd==\"%41 b\";path=/x;  Custom=\"a, b\"; SameSite=None;Secure",
];

/// What the probe panics with.
pub(crate) const PANIC: &str = "the probe was asked to panic";

/// What the probe answers. The body brings its `content-type` in `headers` if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header lines to append, names in lower case, as they are and in this order.
    pub headers: Vec<(&'static str, String)>,
    /// The body, which may be empty.
    pub body: String,
}

/// Does what the path says with the session, and says what to answer. `path` is as it came, not decoded.
///
/// ```
/// use std::sync::Arc;
/// use anysession::{Config, MemoryStore, Sessions};
/// use anysession_testkit::probe;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), anysession::Error> {
/// let slot = Sessions::new(Config::default(), Arc::new(MemoryStore::new())).slot();
/// let session = slot.load(slot.open(std::iter::empty())).await?;
/// probe::answer(&session, "/set/theme/dark%20blue", "").await;
/// let answer = probe::answer(&session, "/get/theme", "delay=1").await;
/// assert_eq!((answer.status, answer.body.as_str()), (200, "dark blue"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Where the route says so.
pub async fn answer(session: &Session, path: &str, query: &str) -> Answer {
    let query = Query(query);
    let acted = match query.wait().await {
        Ok(()) => routes::act(session, path, &query).await,
        Err(refusal) => Err(refusal),
    };
    let acted = match query.pass("after").await {
        Ok(()) => acted,
        Err(refusal) => Err(refusal),
    };
    let (mut status, mut body) = acted.unwrap_or_else(Refusal::into_parts);
    if query.has("panic") {
        std::panic::panic_any(PANIC);
    }
    let asked = query.value("status").and_then(|code| code.parse().ok());
    if let (200, Some(asked)) = (status, asked) {
        status = asked;
    }
    if status >= 500 || matches!(status, 204 | 304) {
        body.clear();
    }
    let kind = match body.as_bytes().first() {
        None => None,
        Some(b'{' | b'[') => Some(("content-type", "application/json".to_owned())),
        Some(_) => Some(("content-type", "text/plain; charset=utf-8".to_owned())),
    };
    let mut headers = Vec::from_iter(kind);
    if query.has("headers") || path == "/headers" {
        headers.extend(OWN_COOKIES.map(|line| ("set-cookie", line.to_owned())));
        headers.push(("vary", "Accept-Encoding".to_owned()));
        headers.push(("cache-control", "public, max-age=60".to_owned()));
    }
    if let Some(vary) = query.value("vary") {
        headers.push(("vary", vary.to_owned()));
    }
    Answer {
        status,
        headers,
        body,
    }
}

/// What is not done.
#[derive(Debug)]
enum Refusal {
    /// The request is not one of the probe's.
    Text(u16, String),
    /// The session refuses.
    Session(anysession::Error),
    /// The value is too large for it.
    TooLarge,
}

impl Refusal {
    fn into_parts(self) -> (u16, String) {
        match self {
            Refusal::Text(status, text) => (status, text),
            Refusal::Session(error) => (error.status(), String::new()),
            Refusal::TooLarge => (413, String::new()),
        }
    }

    fn unreadable(what: &str, text: &str) -> Self {
        Refusal::Text(400, format!("{text:?} is not {what}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Text(_, text) => f.write_str(text),
            Refusal::Session(error) => error.fmt(f),
            Refusal::TooLarge => f.write_str("too large"),
        }
    }
}

impl From<anysession::Error> for Refusal {
    fn from(error: anysession::Error) -> Self {
        Refusal::Session(error)
    }
}

/// The part of the address after `?`.
struct Query<'q>(&'q str);

impl<'q> Query<'q> {
    fn value(&self, name: &str) -> Option<&'q str> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    fn has(&self, name: &str) -> bool {
        self.0.split('&').any(|pair| pair == name)
    }

    async fn wait(&self) -> Result<(), Refusal> {
        if let Some(delay) = self.value("delay") {
            let millis = delay.parse();
            let millis = millis.map_err(|_| Refusal::unreadable("a number of ms", delay))?;
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        self.pass("gate").await
    }

    /// Waits at the gate that is named here, if there is one.
    async fn pass(&self, parameter: &str) -> Result<(), Refusal> {
        match self.value(parameter) {
            Some(name) if !gates::pass(name).await => {
                Err(Refusal::Text(404, format!("there is no gate {name:?}")))
            }
            _ => Ok(()),
        }
    }
}
