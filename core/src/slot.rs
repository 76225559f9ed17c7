//! One request's place for its session, from the cookie to the response's headers.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::SessionId;
use crate::layout;
use crate::lifecycle::{Outcome, Wish};
use crate::record::{Absence, Found, Record};
use crate::saving::Occasion;
use crate::session::Session;
use crate::sessions::Shared;

/// How many cookies of our name are looked up in one request. A browser sends one; several come from cookies of
/// another path or domain, and thousands from somebody who wants to keep the store busy.
const MAX_CANDIDATES: usize = 4;

/// One request's place for its session. The adapter puts it on the request, its extractor loads the session through it,
/// and the adapter closes it when the response is known.
///
/// It is cheap to clone. A request that never loads its session costs no round trip and gets no header.
#[derive(Clone)]
pub struct Slot(pub(crate) Arc<Visit>);

/// What the cookies of a request say, before anything was looked up.
#[derive(Debug)]
pub struct Claim {
    candidates: [Option<SessionId>; MAX_CANDIDATES],
    malformed: bool,
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Slot(Arc::new(Visit {
            shared,
            state: OnceLock::new(),
            saving: tokio::sync::Mutex::new(()),
        }))
    }

    /// Reads the request's `Cookie` headers, byte for byte as they came. No I/O.
    pub fn open<'h>(&self, headers: impl Iterator<Item = &'h [u8]>) -> Claim {
        let mut claim = Claim {
            candidates: [None, None, None, None],
            malformed: false,
        };
        if self.0.state.get().is_some() {
            return claim;
        }
        let mut free = 0;
        for value in self.0.shared.config.cookie().values(headers) {
            match SessionId::from_cookie(value).map(Some) {
                None => claim.malformed = true,
                Some(id) if claim.candidates[..free].contains(&id) => {}
                Some(id) => {
                    claim.candidates[free] = id;
                    free += 1;
                }
            }
            if free == MAX_CANDIDATES {
                break;
            }
        }
        claim
    }

    /// Loads the session that the request claims. It loads once: later calls return the same session.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be asked. That is not "no session": answer with
    /// [`Error::status`] and an empty body.
    pub async fn load(&self, claim: Claim) -> Result<Session, Error> {
        if self.0.state.get().is_none() {
            let state = self.0.find(claim).await?;
            // Two extractors that ran at once have found the same; one of them stays.
            let _ = self.0.state.set(Mutex::new(state));
        }
        Ok(Session::new(self.0.clone()))
    }

    /// Ends the request: carries out what its handler wished, and says which header lines the response is to get.
    /// There is nothing to wait for, and nothing is allocated, if the session was not loaded or needs no I/O.
    ///
    /// Data changed after this is kept only by [`Session::save`], and no cookie can be set any more.
    pub fn close(&self, outcome: Outcome) -> Close {
        let Some(mut state) = self.0.state() else {
            return Close::done(ResponseHeaders::default());
        };
        // A save that is still on its way may call for a cookie.
        let nobody_saves = self.0.saving.try_lock();
        if nobody_saves.is_ok() && state.needs_no_store(&self.0.shared) {
            state.sent = true;
            let headers = self.0.shared.headers(&state);
            return Close::done(headers);
        }
        drop((nobody_saves, state));
        let visit = self.0.clone();
        Close(Closing::Waiting(Box::pin(async move {
            visit.close(outcome).await
        })))
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let loaded = self.0.state.get().is_some();
        f.debug_struct("Slot")
            .field("loaded", &loaded)
            .finish_non_exhaustive()
    }
}

/// What a request and its session share.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    state: OnceLock<Mutex<State>>,
    /// One commit at a time: a save in a task of the handler's, and the close.
    pub(crate) saving: tokio::sync::Mutex<()>,
}

/// A session as one request knows it.
pub(crate) struct State {
    /// The id that the request came with, or got.
    pub(crate) id: Option<SessionId>,
    pub(crate) found: Found,
    pub(crate) loaded_at: Timestamp,
    pub(crate) wish: Wish,
    pub(crate) cookie: CookieDue,
    /// Counts the changes of the wish.
    pub(crate) generation: u64,
    /// What the handler sees while a save is on its way, instead of what was found.
    pub(crate) saving: Option<Option<Box<Record>>>,
    /// Whether the wish was computed on an older record than the one that was found.
    pub(crate) rebase: bool,
    /// Whether a save failed or was given up.
    pub(crate) failed: bool,
    /// Whether the response is on its way, so that no cookie can be set any more.
    pub(crate) sent: bool,
}

/// What the response is to say about the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieDue {
    Nothing,
    /// With this Max-Age, or none for a cookie that ends with the browser.
    Set(Option<Duration>),
    Remove,
}

impl Visit {
    /// `None` if the session was not loaded.
    pub(crate) fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.state
            .get()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn find(&self, claim: Claim) -> Result<State, Error> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let mut found = Found::Nothing(match claim.malformed {
            true => Absence::Malformed,
            false => Absence::NoCookie,
        });
        let mut id = None;
        for candidate in claim.candidates.into_iter().flatten() {
            let key = layout::store_key(&candidate);
            let stored = shared.store.load(&key).await?;
            let judged = Found::judge(key, stored, now, shared.policy.size_limit);
            shared.tell_found(&key, &judged);
            match (&found, &judged) {
                (_, Found::Live(_)) => {
                    (found, id) = (judged, Some(candidate));
                    break;
                }
                (Found::Replaced(_), _) => {}
                _ => (found, id) = (judged, Some(candidate)),
            }
        }
        if found == Found::Nothing(Absence::Malformed) {
            tracing::debug!(target: "anysession", "malformed id");
        }
        Ok(State {
            id,
            found,
            loaded_at: now,
            wish: Wish::default(),
            cookie: CookieDue::Nothing,
            generation: 0,
            saving: None,
            rebase: false,
            failed: false,
            sent: false,
        })
    }

    async fn close(&self, outcome: Outcome) -> Result<ResponseHeaders, CloseError> {
        let _one_at_a_time = self.saving.lock().await;
        let result = self.commit(Occasion::Close(outcome)).await;
        let mut headers = ResponseHeaders::default();
        if let Some(mut state) = self.state() {
            state.sent = true;
            headers = self.shared.headers(&state);
        }
        match result {
            Ok(()) => Ok(headers),
            Err(source) => Err(CloseError { source, headers }),
        }
    }
}

/// Changes that nobody saved after the response was sent are lost; that must not happen in silence.
impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(state) = self.state()
            && state.sent
            && !state.failed
            && !state.wish.is_empty()
        {
            tracing::error!(
                target: "anysession",
                keys = ?state.wish.changes.keys().collect::<Vec<_>>(),
                "a session was changed after its response was sent, and the changes were not saved: they are lost"
            );
        }
    }
}

/// A request that is being closed; see [`Slot::close`].
#[must_use = "changes are stored when this is awaited"]
pub struct Close(Closing);

enum Closing {
    /// There was nothing to wait for.
    Done(Option<Result<ResponseHeaders, CloseError>>),
    /// The store is asked.
    Waiting(Pin<Box<dyn Future<Output = Result<ResponseHeaders, CloseError>> + Send>>),
}

impl Close {
    fn done(headers: ResponseHeaders) -> Self {
        Close(Closing::Done(Some(Ok(headers))))
    }

    /// What the store still has to be asked, leaving nothing behind; `None` if it is done.
    pub(crate) fn take_rest(&mut self) -> Option<Close> {
        match self.0 {
            Closing::Waiting(_) => Some(std::mem::replace(self, Close(Closing::Done(None)))),
            Closing::Done(_) => None,
        }
    }
}

impl Future for Close {
    type Output = Result<ResponseHeaders, CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.0 {
            Closing::Waiting(future) => ready!(future.as_mut().poll(cx)),
            Closing::Done(result) => match result.take() {
                Some(result) => result,
                None => return Poll::Pending,
            },
        };
        self.0 = Closing::Done(None);
        Poll::Ready(result)
    }
}

impl std::fmt::Debug for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Close(..)")
    }
}

/// The header lines that a response is to get because of its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    pub(crate) vary: bool,
    pub(crate) set_cookie: Option<HeaderText>,
}

/// A header's value that carries an id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderText(pub(crate) String);

impl std::fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}

/// One header line.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// In lower case.
    pub name: &'static str,
    /// Visible ASCII. It may be the cookie: do not log it.
    pub value: Cow<'static, str>,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Append,
    UnlessPresent,
    UnlessListed,
}

impl ResponseHeaders {
    /// The lines, each to be appended if [`HeaderLine::is_wanted`] says so.
    pub fn into_lines(self) -> impl Iterator<Item = HeaderLine> {
        let vary = self.vary.then_some(HeaderLine {
            name: "vary",
            value: Cow::Borrowed("Cookie"),
            rule: Rule::UnlessListed,
        });
        // A shared cache must not hand one visitor's cookie to another (RFC 9111 5.2.2.7).
        let private = self.set_cookie.is_some().then_some(HeaderLine {
            name: "cache-control",
            value: Cow::Borrowed("private"),
            rule: Rule::UnlessPresent,
        });
        let set_cookie = self.set_cookie.map(|HeaderText(value)| HeaderLine {
            name: "set-cookie",
            value: Cow::Owned(value),
            rule: Rule::Append,
        });
        [vary, private, set_cookie].into_iter().flatten()
    }
}

impl HeaderLine {
    /// Whether the line is to be appended to a response that has these lines of the same name already.
    pub fn is_wanted<'h>(&self, mut present: impl Iterator<Item = &'h [u8]>) -> bool {
        match self.rule {
            Rule::Append => true,
            Rule::UnlessPresent => present.next().is_none(),
            Rule::UnlessListed => {
                !present
                    .flat_map(|line| line.split(|&b| b == b','))
                    .any(|listed| {
                        let listed = listed.trim_ascii();
                        listed == b"*" || listed.eq_ignore_ascii_case(self.value.as_bytes())
                    })
            }
        }
    }
}

impl std::fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderLine({})", self.name)
    }
}

/// What the handler wished could not be stored. The response is to be replaced by one of [`status`](Self::status)
/// with an empty body, and gets the lines of [`into_headers`](Self::into_headers).
#[derive(Debug, thiserror::Error)]
#[error("the session could not be closed")]
pub struct CloseError {
    source: Error,
    headers: ResponseHeaders,
}

impl CloseError {
    /// The HTTP status to answer with.
    pub fn status(&self) -> u16 {
        self.source.status()
    }

    /// The header lines that the response gets all the same.
    pub fn into_headers(self) -> ResponseHeaders {
        self.headers
    }
}
