//! Sessions that are shared with Flask, as an application and an adapter see them, on a store in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anysession::flask::{Flask, Format};
use anysession::{
    Config, Deletion, Entry, Error, Expect, MemoryStore, Outcome, Session, Sessions, Slot, Store,
    StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use anysession_testkit::{FaultyStore, Keeps, Storm, TestClock, Verb};
use async_trait::async_trait;

/// Sessions by their ids, and what lies beside them by the hash; a version is the value itself.
#[derive(Debug, Default)]
struct Bytes {
    kept: Mutex<HashMap<String, Entry>>,
    asked: Mutex<Vec<String>>,
}

fn name(key: &StoreKey) -> String {
    key.plain()
        .map_or_else(|| format!("beside:{key}"), str::to_owned)
}

fn version(entry: &Entry) -> Version {
    Version::from_bytes(entry.payload.clone())
}

#[async_trait]
impl Store for Bytes {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        tokio::task::yield_now().await;
        self.asked.lock().unwrap().push(name(key));
        let found = self.kept.lock().unwrap().get(&name(key)).cloned();
        Ok(found.map(|entry| Stored {
            version: version(&entry),
            entry,
        }))
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        tokio::task::yield_now().await;
        let mut kept = self.kept.lock().unwrap();
        let alive = kept.get(&name(key)).filter(|entry| entry.deadline > now);
        let found = alive.map_or(Expect::Absent, |entry| Expect::Version(version(entry)));
        if found != expect {
            return Ok(Write::Conflict);
        }
        let done = version(&entry);
        kept.insert(name(key), entry);
        Ok(Write::Done(done))
    }

    async fn touch(
        &self,
        _: &StoreKey,
        _: &Version,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, at: &Version) -> Result<Deletion, StoreError> {
        tokio::task::yield_now().await;
        let mut kept = self.kept.lock().unwrap();
        if kept.get(&name(key)).map(version).as_ref() != Some(at) {
            return Ok(Deletion::Conflict);
        }
        kept.remove(&name(key));
        Ok(Deletion::Done)
    }

    async fn keys_of_user(&self, _: &str) -> Result<Vec<StoreKey>, StoreError> {
        Err(StoreError::new("bytes", "keys_of_user", "no users"))
    }

    async fn delete_expired(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

struct Site {
    sessions: Sessions,
    store: Arc<FaultyStore>,
    bytes: Arc<Bytes>,
}

fn site(flask: Flask) -> Site {
    let bytes = Arc::new(Bytes::default());
    let store = Arc::new(FaultyStore::new(bytes.clone()));
    let config = Config::builder().flask(flask).store_type("redis").build();
    let sessions = Sessions::new(config.unwrap(), store.clone()).with_clock(TestClock::default());
    Site {
        sessions,
        store,
        bytes,
    }
}

#[derive(Clone, Default)]
struct Browser(Option<String>);

impl Browser {
    async fn open(&self, site: &Site) -> (Slot, Session) {
        let slot = site.sessions.slot();
        let header = self.0.as_ref().map(|cookie| cookie.clone().into_bytes());
        let claim = slot.open(header.iter().map(Vec::as_slice));
        let session = slot.load(claim).await.unwrap();
        (slot, session)
    }

    /// Takes the response's cookie, as a browser does, and gives the whole line.
    async fn close(&mut self, slot: &Slot) -> Option<String> {
        let headers = slot.close(Outcome::Succeeded).await.unwrap();
        let line = headers
            .into_lines()
            .find(|line| line.name == "set-cookie")?;
        let pair = line.value.split(';').next().unwrap().to_owned();
        self.0 = (!line.value.contains("Max-Age=0")).then_some(pair);
        Some(line.value.into_owned())
    }

    async fn visit(&mut self, site: &Site, handler: impl FnOnce(Session)) -> Option<String> {
        let (slot, session) = self.open(site).await;
        handler(session);
        self.close(&slot).await
    }

    /// What the store keeps for the id of this cookie.
    fn stored(&self, site: &Site) -> Option<Vec<u8>> {
        let id = self.0.as_ref()?.split_once('=')?.1;
        let kept = site.bytes.kept.lock().unwrap();
        kept.get(id).map(|entry| entry.payload.to_vec())
    }

    async fn get(&self, site: &Site, key: &str) -> Option<u8> {
        self.open(site).await.1.get(key).unwrap()
    }
}

#[tokio::test]
async fn a_session_lies_under_its_id_as_flask_would_have_written_it() {
    let (site, mut browser) = (site(Flask::default()), Browser::default());
    let cookie = browser
        .visit(&site, |session| {
            session.insert("user_id", 42).unwrap();
            session.insert("name", "h\u{e9}").unwrap();
        })
        .await;
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("session="));
    let attributes = cookie.split_once("; Expires=").unwrap().1;
    assert!(attributes.ends_with(" GMT; Path=/; HttpOnly"), "{cookie}");
    let stored = browser.stored(&site).unwrap();
    let expected = b"\x83\xaa_permanent\xc3\xa7user_id\x2a\xa4name\xa3h\xc3\xa9";
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn json_is_written_as_flask_would_have_written_it() {
    let site = site(Flask::default().with_format(Format::Json));
    let mut browser = Browser::default();
    browser
        .visit(&site, |session| {
            session.insert("n", vec![1.5]).unwrap();
            session.flash("info", "saved").unwrap();
        })
        .await;
    let stored = browser.stored(&site).unwrap();
    let expected = br#"{"_permanent":true,"n":[1.5],"_flashes":[["info","saved"]]}"#;
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn nothing_but_permanent_is_no_session() {
    let (site, mut browser) = (site(Flask::default()), Browser::default());
    let cookie = browser
        .visit(&site, |session| session.set_permanent(false))
        .await;
    assert_eq!((cookie, site.store.counts().writes()), (None, 0));

    browser
        .visit(&site, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let mut copy = browser.clone();
    let cookie = browser
        .visit(&site, |session| session.remove("a"))
        .await
        .unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    assert_eq!(copy.stored(&site), None);
    let cookie = copy
        .visit(&site, |session| assert!(!session.contains("a")))
        .await;
    assert_eq!(cookie, None);
}

#[tokio::test]
async fn the_flashes_that_are_left_are_pairs() {
    let site = site(Flask::default().with_format(Format::Json));
    let mut browser = Browser::default();
    browser
        .visit(&site, |session| {
            session.flash("info", "one").unwrap();
            session.flash("error", "two").unwrap();
        })
        .await;
    browser
        .visit(&site, |session| {
            let flashes = session.take_flashes_of("info").unwrap().to_vec();
            assert_eq!(flashes[0].message, "one");
        })
        .await;
    let stored = browser.stored(&site).unwrap();
    assert_eq!(
        stored,
        br#"{"_permanent":true,"_flashes":[["error","two"]]}"#
    );
}

#[tokio::test]
async fn a_log_in_is_flask_logins() {
    let site = site(Flask::default().with_format(Format::Json));
    let mut browser = Browser::default();
    browser
        .visit(&site, |session| session.insert("a", 1).unwrap())
        .await;
    let before = browser.clone();
    browser
        .visit(&site, |session| session.log_in(42).unwrap())
        .await;
    let stored = browser.stored(&site).unwrap();
    let expected = br#"{"_permanent":true,"a":1,"_user_id":"42","_fresh":true}"#;
    assert_eq!(stored, expected);
    assert_eq!(before.stored(&site), None, "the old id is gone at once");
    assert_ne!(before.0, browser.0);
    let (_, session) = browser.open(&site).await;
    assert_eq!(session.user().as_deref(), Some("42"));
    assert_eq!((session.created(), session.signed_in_at()), (None, None));
    let listed = session.sessions().await;
    assert!(matches!(listed, Err(Error::Store(_))));
}

#[tokio::test]
async fn a_late_request_follows_a_new_id() {
    let (site, mut browser) = (site(Flask::default()), Browser::default());
    browser
        .visit(&site, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let (late, session) = browser.open(&site).await;
    let mut out = browser.clone();
    browser
        .visit(&site, |session| session.regenerate_id().unwrap())
        .await;
    session.insert("late", 2_u8).unwrap();
    assert_eq!(out.close(&late).await, None);
    assert_eq!(browser.get(&site, "late").await, Some(2));

    // One that arrives with the old id sees nobody, and its log-out is the session's.
    let (slot, session) = out.open(&site).await;
    assert!(!session.contains("a"));
    session.destroy();
    out.close(&slot).await;
    assert_eq!(browser.get(&site, "a").await, None);
}

#[tokio::test]
async fn a_log_out_between_the_old_id_and_the_new_one_ends_the_session() {
    let (site, mut browser) = (site(Flask::default()), Browser::default());
    browser
        .visit(&site, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let (leaving, session) = browser.open(&site).await;
    session.destroy();

    let (rotating, session) = browser.open(&site).await;
    session.regenerate_id().unwrap();
    let gate = site.store.pause_after(Verb::Delete);
    let rotation = tokio::spawn(async move { rotating.close(Outcome::Succeeded).await.unwrap() });
    let stopped = gate.reached().await;
    // The old record is gone, and nothing says yet where the session went.
    let headers = leaving.close(Outcome::Succeeded).await.unwrap();
    assert!(headers.into_lines().all(|line| line.name != "set-cookie"));
    stopped.release();
    let headers = rotation.await.unwrap();
    assert!(headers.into_lines().all(|line| line.name != "set-cookie"));
    assert_eq!(
        site.store.counts().delete,
        3,
        "the new record is taken back"
    );
}

#[tokio::test]
async fn a_signed_cookie_is_read_and_written() {
    let site = site(Flask::default().with_signer("s3cret"));
    let mut browser = Browser::default();
    browser
        .visit(&site, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let cookie = browser.0.clone().unwrap();
    assert_eq!(cookie.matches('.').count(), 1);
    assert_eq!(browser.get(&site, "a").await, Some(1));
    let (id, _) = cookie.split_once('.').unwrap();
    for forged in [id.to_owned(), format!("{id}.x"), format!("{cookie}x")] {
        assert_eq!(Browser(Some(forged)).get(&site, "a").await, None);
    }
}

#[tokio::test]
async fn an_id_of_any_length_that_flask_made_goes_on() {
    let site = site(Flask::default());
    for id in [
        "a",
        "4bd30c5c-2c84-4d3c-9d9f-0c5e5a0c1f8e",
        &"x".repeat(255),
    ] {
        let browser = Browser(Some(format!("session={id}")));
        assert_eq!(browser.get(&site, "a").await, None);
        let asked = site.bytes.asked.lock().unwrap();
        assert!(asked.iter().any(|asked| asked == id), "{id}");
    }
    let before = site.store.counts().total();
    for id in ["", "a/b", "a b", "a:b", "\u{e9}", &"x".repeat(256)] {
        let browser = Browser(Some(format!("session={id}")));
        assert_eq!(browser.get(&site, "a").await, None);
    }
    assert_eq!(site.store.counts().total(), before);
}

/// A site that leaves Flask, whose sessions lie in this other one.
fn leaving(flask: &Site, settings: Flask) -> Site {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let builder = Config::builder().leaving_flask(settings);
    let config = builder.store_type("redis").cookie_secure(false).build();
    let sessions = Sessions::new(config.unwrap(), store.clone())
        .leaving_flask(flask.store.clone())
        .with_clock(TestClock::default());
    Site {
        sessions,
        store,
        bytes: Arc::default(),
    }
}

#[tokio::test]
async fn whoever_leaves_flask_stays_signed_in() {
    for settings in [
        Flask::default(),
        Flask::default()
            .with_format(Format::Json)
            .with_signer("s3cret"),
    ] {
        let flask = site(settings.clone());
        let mut browser = Browser::default();
        browser
            .visit(&flask, |session| {
                session.log_in(42).unwrap();
                session.insert("a", 7_u8).unwrap();
                session.flash("info", "moved").unwrap();
            })
            .await;
        let site = leaving(&flask, settings);
        // Those that come at once find the same session, whichever of them moves it.
        let (one, two) = tokio::join!(browser.open(&site), browser.open(&site));
        for (_, session) in [one, two] {
            assert_eq!(session.user().as_deref(), Some("42"));
            assert_eq!(session.get::<u8>("a").unwrap(), Some(7));
            assert!(session.is_permanent());
            assert_eq!(session.keys(), ["a", "_flashes"]);
        }
        assert!(flask.bytes.kept.lock().unwrap().is_empty());
        browser
            .visit(&site, |session| session.insert("b", 8_u8).unwrap())
            .await;
        assert_eq!(browser.get(&site, "b").await, Some(8));

        let gone = browser.clone();
        browser.visit(&site, |session| session.destroy()).await;
        assert_eq!(gone.get(&site, "a").await, None);
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_end_also_those_that_were_not_moved_yet() {
    let flask = site(Flask::default());
    let [mut laptop, mut phone, mut tablet, mut other] = [(); 4].map(|()| Browser::default());
    for browser in [&mut laptop, &mut phone, &mut tablet] {
        browser
            .visit(&flask, |session| session.log_in("alice").unwrap())
            .await;
    }
    other
        .visit(&flask, |session| session.log_in("bob").unwrap())
        .await;
    let site = leaving(&flask, Flask::default());
    let user = async |browser: &Browser| browser.open(&site).await.1.user();

    // One of them is just being moved.
    let gate = site.store.pause_before(Verb::Put);
    let moving = user(&tablet);
    let ending = async {
        let stopped = gate.reached().await;
        let (slot, session) = laptop.open(&site).await;
        assert_eq!(session.end_other_sessions().await.unwrap(), 0);
        laptop.close(&slot).await;
        stopped.release();
    };
    let (moved, ()) = tokio::join!(moving, ending);
    assert_eq!(moved, None);
    assert_eq!(user(&phone).await, None);
    assert_eq!(user(&laptop).await.as_deref(), Some("alice"));
    assert_eq!(user(&other).await.as_deref(), Some("bob"));
    assert!(flask.bytes.kept.lock().unwrap().is_empty());

    phone
        .visit(&site, |session| session.log_in("alice").unwrap())
        .await;
    assert_eq!(user(&phone).await.as_deref(), Some("alice"));
    assert_eq!(site.sessions.end_all("alice").await.unwrap(), 2);
    assert_eq!(user(&laptop).await, None);
}

#[tokio::test]
async fn a_large_session_of_flasks_is_not_frozen() {
    let site = site(Flask::default().with_format(Format::Json));
    let browser = Browser(Some("session=large".to_owned()));
    let members: Vec<_> = (10_000..15_000).map(|n| format!("\"{n}\":1")).collect();
    let json = format!("{{\"_permanent\":true,{}}}", members.join(","));
    assert!(json.len() < 64 << 10, "{}", json.len());
    let entry = Entry {
        payload: json.into_bytes().into(),
        deadline: TestClock::START + std::time::Duration::from_secs(60),
        user: None,
    };
    let kept = || site.bytes.kept.lock().unwrap();
    kept().insert("large".to_owned(), entry);
    let (slot, session) = browser.open(&site).await;
    assert!(matches!(
        session.insert("more", "x".repeat(100)),
        Err(Error::TooLarge { .. })
    ));
    session.remove("10000");
    session.insert("10001", 2).unwrap();
    drop(session);
    slot.close(Outcome::Succeeded).await.unwrap();
    let kept = kept()["large"].clone();
    let slid = TestClock::START + site.sessions.config().lifetime();
    assert_eq!(kept.deadline, slid);
    assert!(
        kept.payload
            .starts_with(b"{\"_permanent\":true,\"10001\":2,")
    );
}

#[tokio::test]
async fn flasks_layout_says_that_it_does_not_keep_sign_ins() {
    let (site, mut browser) = (site(Flask::default()), Browser::default());
    let limit = std::time::Duration::from_secs(60);
    browser
        .visit(&site, |session| {
            assert!(matches!(
                session.require_recent(limit),
                Err(Error::NotSignedIn)
            ));
            session.log_in("alice").unwrap();
            session.require_recent(limit).unwrap();
        })
        .await;
    let (_, session) = browser.open(&site).await;
    assert!(matches!(
        session.require_recent(limit),
        Err(Error::SignInUnknown)
    ));
}

#[tokio::test]
async fn what_flask_writes_while_a_session_is_moved_is_moved_too() {
    let flask = site(Flask::default());
    let mut browser = Browser::default();
    browser
        .visit(&flask, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let site = leaving(&flask, Flask::default());
    let gate = site.store.pause_after(Verb::Put);
    let mover = browser.clone();
    let moving = async { mover.get(&site, "a").await };
    let writing = async {
        let stopped = gate.reached().await;
        browser
            .visit(&flask, |session| session.insert("a", 2_u8).unwrap())
            .await;
        stopped.release();
    };
    let (moved, ()) = tokio::join!(moving, writing);
    assert_eq!(moved, Some(2));
    assert!(flask.bytes.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_moved_stays_ended() {
    let flask = site(Flask::default());
    let mut browser = Browser::default();
    browser
        .visit(&flask, |session| session.insert("a", 1_u8).unwrap())
        .await;
    let site = leaving(&flask, Flask::default());
    let gate = site.store.pause_after(Verb::Put);
    let (mover, late) = (browser.clone(), browser.clone());
    let moving = async { mover.get(&site, "a").await };
    let ending = async {
        // It is in its new place, and still in the old one.
        let stopped = gate.reached().await;
        browser.visit(&site, |session| session.destroy()).await;
        assert_eq!(late.get(&site, "a").await, None);
        stopped.release();
    };
    let (moved, ()) = tokio::join!(moving, ending);
    assert_eq!(moved, None);
    assert_eq!(late.get(&site, "a").await, None);
    assert!(flask.bytes.kept.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_loses_nothing() {
    for format in [Format::MessagePack, Format::Json] {
        let flask = Flask::default().with_format(format);
        let config = Config::builder().flask(flask).store_type("redis").build();
        let store: Arc<dyn Store> = Arc::new(Bytes::default());
        let storm = Storm::configured(&config.unwrap(), [store.clone(), store]);
        storm.rage(6_000).await;
        let report = storm.judge(Keeps::Everything).await;
        let report = report.unwrap_or_else(|anomaly| panic!("{format:?}: {anomaly}"));
        assert!(report.conflicts > 0, "requests met");
    }
}
