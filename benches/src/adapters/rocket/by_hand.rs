//! What a session takes in Rocket at the least, by hand: the hash of an id, an encoded record, a write that compares.
//! Nothing slides, nothing is merged, nobody signs in, and no other framework or store could share it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::{FromRequest, Outcome};
use rocket::{Build, Request, Response, Rocket, get, routes};
use sha2::{Digest, Sha256};

use super::super::candidate::{another, strings};

pub(super) fn attach(rocket: Rocket<Build>) -> Rocket<Build> {
    rocket
        .mount("/", routes![super::ignore, read, write, new])
        .manage(Store::default())
        .attach(Sessions)
}

#[derive(Default)]
struct Store(Mutex<HashMap<[u8; 32], Record>>);

#[derive(Clone)]
struct Record {
    version: u64,
    deadline: SystemTime,
    /// Keys and values, each behind its length.
    data: Arc<[u8]>,
}

impl Store {
    fn records(&self) -> MutexGuard<'_, HashMap<[u8; 32], Record>> {
        lock(&self.0)
    }

    fn load(&self, key: &[u8; 32]) -> Option<Record> {
        let now = now();
        let found = self.records().get(key).cloned();
        found.filter(|record| record.deadline > now)
    }

    fn replace(&self, key: &[u8; 32], version: u64, data: Vec<u8>) {
        let deadline = now() + LIFETIME;
        let mut records = self.records();
        let record = records.get_mut(key).expect("it is there");
        assert_eq!(record.version, version, "nobody was faster");
        *record = Record {
            version: version + 1,
            deadline,
            data: data.into(),
        };
    }

    fn insert(&self, key: [u8; 32], data: Vec<u8>) {
        let record = Record {
            version: 1,
            deadline: now() + LIFETIME,
            data: data.into(),
        };
        self.records().insert(key, record);
    }
}

const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The session of a request, in Rocket's cache.
#[derive(Default)]
struct Visit(Mutex<Open>);

#[derive(Default)]
struct Open {
    is_asked_for: bool,
    found: Option<([u8; 32], Record)>,
    changed: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Session<'r>(&'r Visit);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Session<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let store: &Store = request.rocket().state().expect("it is managed");
        let visit = request.local_cache(Visit::default);
        let id = (request.headers().get("cookie"))
            .flat_map(|line| line.split("; "))
            .find_map(|pair| pair.strip_prefix("hand="));
        let mut open = lock(&visit.0);
        open.is_asked_for = true;
        open.found = id.and_then(|id| {
            let key = digest(id);
            Some((key, store.load(&key)?))
        });
        Outcome::Success(Session(visit))
    }
}

impl Session<'_> {
    fn get(self, key: &str) -> Option<String> {
        let open = lock(&self.0.0);
        let (_, record) = open.found.as_ref()?;
        let mut pairs = pairs(&record.data);
        let (_, value) = pairs.find(|(known, _)| *known == key.as_bytes())?;
        String::from_utf8(value.to_vec()).ok()
    }

    fn insert(self, key: &str, value: &str) {
        let mut open = lock(&self.0.0);
        let mut changed = Vec::with_capacity(256);
        if let Some((_, record)) = &open.found {
            for (known, old) in pairs(&record.data) {
                let is_it = known == key.as_bytes();
                push(
                    &mut changed,
                    known,
                    if is_it { value.as_bytes() } else { old },
                );
            }
        }
        open.changed = Some(changed);
    }
}

fn pairs(mut data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut next = move || {
        let (length, rest) = data.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        data = rest;
        Some(text)
    };
    std::iter::from_fn(move || Some((next()?, next()?)))
}

fn push(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    for text in [key, value] {
        data.push(u8::try_from(text.len()).expect("short"));
        data.extend_from_slice(text);
    }
}

struct Sessions;

#[rocket::async_trait]
impl Fairing for Sessions {
    fn info(&self) -> Info {
        Info {
            name: "by hand",
            kind: Kind::Response,
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let visit = request.local_cache(Visit::default);
        let mut open = lock(&visit.0);
        if !open.is_asked_for {
            return;
        }
        let store: &Store = request.rocket().state().expect("it is managed");
        let changed = open.changed.take();
        match (&open.found, changed) {
            (_, None) => {}
            (Some((key, record)), Some(changed)) => store.replace(key, record.version, changed),
            (None, Some(changed)) => {
                static NUMBER: AtomicU64 = AtomicU64::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let id = format!("{number:043}");
                store.insert(digest(&id), changed);
                response.adjoin_raw_header("set-cookie", format!("hand={id}; Path=/"));
            }
        }
        if !response.headers().get("vary").any(|line| line == "Cookie") {
            response.adjoin_raw_header("vary", "Cookie");
        }
    }
}

#[get("/read")]
async fn read(session: Session<'_>) -> &'static str {
    another(session.get("key3").as_deref());
    "ok"
}

#[get("/write")]
async fn write(session: Session<'_>) -> &'static str {
    let value = another(session.get("key3").as_deref());
    session.insert("key3", value);
    "ok"
}

#[get("/new")]
async fn new(session: Session<'_>) -> &'static str {
    let mut data = Vec::new();
    for (key, value) in strings() {
        push(&mut data, key.as_bytes(), value.as_bytes());
    }
    lock(&session.0.0).changed = Some(data);
    "ok"
}

#[expect(clippy::disallowed_methods, reason = "the clock of a store by hand")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}
