//! One visitor with a session, and what is left of it.

use std::sync::{Arc, Mutex};

use anysession::{Config, MemoryStore, Outcome, Random, RandomError, Session, Sessions, Slot};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::halting::Halting;
use crate::run;

/// What `k` is, and who is signed in.
pub(crate) type Shown = Option<(&'static str, Option<&'static str>)>;

/// The session before the request that is dropped.
pub(crate) const OLD: Shown = Some(("v", None));

pub(crate) struct Site {
    pub(crate) sessions: Sessions,
    ids: Ids,
}

impl Site {
    /// One session, with `k` = `v`.
    pub(crate) fn with_a_session() -> Self {
        let ids = Ids::default();
        let store = Arc::new(Halting(MemoryStore::new()));
        let sessions = Sessions::new(Config::default(), store).with_random(ids.clone());
        let site = Site { sessions, ids };
        site.visit(0, |session| session.insert("k", "v").unwrap());
        site
    }

    /// The session of a request with the cookie of the id that was made as the nth.
    pub(crate) fn session(&self, slot: &Slot, nth: usize) -> Session {
        let cookie = self.ids.cookie(nth);
        let header = cookie.as_deref().map(str::as_bytes);
        run(slot.load(slot.open(header.into_iter()))).unwrap()
    }

    fn visit<T>(&self, nth: usize, handler: impl FnOnce(&Session) -> T) -> T {
        let slot = self.sessions.slot();
        let result = handler(&self.session(&slot, nth));
        run(slot.close(Outcome::Succeeded)).unwrap();
        result
    }

    /// What the old id shows, and what the new one does if there is one.
    pub(crate) fn shown(&self) -> [Shown; 2] {
        [0, 1].map(|nth| {
            self.ids.cookie(nth)?;
            self.visit(nth, |session| {
                let value: String = session.get("k").unwrap()?;
                let value = ["v", "w"].into_iter().find(|known| *known == value);
                Some((
                    value.unwrap(),
                    session.user().map(|user| {
                        assert_eq!(&*user, "alice");
                        "alice"
                    }),
                ))
            })
        })
    }

    pub(crate) fn is_old_or(&self, new: [Shown; 2], step: &str) {
        let shown = self.shown();
        // A record under an id that nobody was told of may stay behind the old session, and runs out.
        let old = shown[0] == OLD && (shown[1].is_none() || shown[1] == new[1]);
        assert!(old || shown == new, "{step} leaves {shown:?}");
    }

    /// The next request on what is left works, and so does a newcomer's.
    pub(crate) fn goes_on(&self, step: &str) {
        let [old_id, new_id] = self.shown();
        let alive = usize::from(old_id.is_none() && new_id.is_some());
        if old_id.or(new_id).is_some() {
            self.visit(alive, |session| session.insert("next", 1).unwrap());
            let next: Option<i32> = self.visit(alive, |session| session.get("next").unwrap());
            assert_eq!(next, Some(1), "the request after {step}");
        }
        let newcomer = self.ids.count();
        self.visit(newcomer, |session| session.insert("k", "v").unwrap());
        let value: Option<String> = self.visit(newcomer, |session| session.get("k").unwrap());
        assert_eq!(value.as_deref(), Some("v"), "a newcomer after {step}");
    }
}

/// Ids that the test knows.
#[derive(Clone, Debug, Default)]
struct Ids(Arc<Mutex<Vec<[u8; 32]>>>);

impl Ids {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn cookie(&self, nth: usize) -> Option<String> {
        let ids = self.0.lock().unwrap();
        let id = URL_SAFE_NO_PAD.encode(ids.get(nth)?);
        Some(format!("__Host-id={id}"))
    }
}

impl Random for Ids {
    fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
        let mut ids = self.0.lock().unwrap();
        *bytes = [ids.len() as u8; 32];
        ids.push(*bytes);
        Ok(())
    }
}
