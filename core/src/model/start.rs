//! What there is in the beginning.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{Random, RandomError, SessionId, StoreKey};
use crate::layout::Layout;
use crate::record::{Record, Tombstone};
use crate::store::{Entry, Expect, Write};

use super::browser::Browser;
use super::ledger::Ledger;
use super::log::first_data;
use super::request::Sent;
use super::shelf::{Shelf, User};
use super::world::POLICY;
use super::{Broken, NOON, SOON};

/// What there is when the requests arrive, all with the same cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// No cookie, and an empty store.
    Nothing,
    Anonymous,
    SignedIn,
    /// An anonymous session whose id was just replaced when u logged in.
    LoggedIn,
    /// A session of u whose id was replaced a minute ago.
    ReplacedLongAgo,
    /// A session of u whose id was replaced twice.
    ReplacedTwice,
    /// u, then v, then u again.
    BehindAnother,
}

/// Which cookies the session that is there from the beginning has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cookies {
    #[default]
    /// They have a Max-Age, and are sent again when the deadline moves.
    Permanent,
    /// They are sent once.
    EndWithTheBrowser,
}

/// What is set up before anybody acts.
pub(super) struct Beginning {
    pub(super) shelf: Shelf,
    pub(super) ledger: Ledger,
    pub(super) browser: Browser,
    /// What the requests come with.
    pub(super) cookie: Option<StoreKey>,
}

impl Start {
    pub(super) fn set_up(self, cookies: Cookies, broken: Option<Broken>) -> Beginning {
        let mut beginning = Beginning {
            shelf: Shelf::new(broken),
            ledger: Ledger::default(),
            browser: Browser::default(),
            cookie: None,
        };
        let minute = Duration::from_secs(60);
        let (hops, user): (&[_], _) = match self {
            Start::Nothing => return beginning,
            Start::Anonymous => (&[], None),
            Start::SignedIn => (&[], Some("u")),
            Start::LoggedIn => (&[(None, NOON)], Some("u")),
            Start::ReplacedLongAgo => (&[(Some("u"), NOON.before(minute))], Some("u")),
            Start::ReplacedTwice => (&[(Some("u"), NOON), (Some("u"), NOON)], Some("u")),
            Start::BehindAnother => (&[(Some("u"), NOON), (Some("v"), NOON)], Some("u")),
        };
        let user: User = user.map(Into::into);
        beginning.sessions(hops, user.clone(), cookies);
        let (old, last) = (key(first_id(0)), key(first_id(hops.len() as u8)));
        beginning.cookie = Some(old.clone());
        beginning.browser = match self {
            // The response to the log-in is still on the wire.
            Start::LoggedIn => {
                let mut browser = Browser::new(old.clone(), None);
                browser.answered(true, Sent::Set(last), user, Some(old));
                browser.entitled = 1;
                browser
            }
            _ => Browser::new(last, user),
        };
        beginning
    }
}

impl Beginning {
    /// A live session of this user, and the ids that it had before.
    fn sessions(&mut self, hops: &[(Option<&str>, Timestamp)], user: User, cookies: Cookies) {
        let ids = 0..=hops.len() as u8;
        let keys: Vec<_> = ids.map(|at| key(first_id(at))).collect();
        for (at, (user, replaced)) in hops.iter().enumerate() {
            let tombstone = Tombstone {
                successor: keys[at + 1].clone(),
                replaced: *replaced,
                user: user.map(Into::into),
            };
            let deadline = NOON + Duration::from_secs(600);
            self.put(
                keys[at].clone(),
                Layout::Native.encode_tombstone(&keys[at], &tombstone, deadline),
            );
            self.ledger
                .replaced(keys[at].clone(), keys[at + 1].clone(), tombstone.user);
        }
        let last = keys[hops.len()].clone();
        let record = Record {
            user: user.clone(),
            signed_in: user.as_ref().map(|_| NOON),
            permanent: (cookies == Cookies::EndWithTheBrowser).then_some(false),
            data: first_data(),
            ..POLICY.new_record(NOON)
        };
        self.put(
            last.clone(),
            Layout::Native.encode(&last, &record, NOON + SOON),
        );
        self.ledger.begin(last.clone(), user.clone());
        self.ledger.watch((last, user));
    }

    fn put(&mut self, key: StoreKey, entry: Entry) {
        let user = entry.user.clone();
        self.shelf
            .index
            .extend(user.map(|user| (user, key.clone())));
        assert!(matches!(
            self.shelf.put(key, &Expect::Absent, entry, NOON),
            Write::Done(_)
        ));
    }
}

/// The ids of the sessions that are there from the beginning.
fn first_id(at: u8) -> u8 {
    200 + at
}

pub(super) fn key(number: u8) -> StoreKey {
    Layout::Native.store_key(&session_id(number))
}

pub(super) fn session_id(number: u8) -> SessionId {
    #[derive(Debug)]
    struct Numbered(u8);
    impl Random for Numbered {
        fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
            *bytes = [self.0; 32];
            Ok(())
        }
    }
    SessionId::generate(&Numbered(number)).unwrap()
}
