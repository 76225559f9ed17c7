//! The visitor's browser: one cookie, and the responses that are on the wire to it.
//!
//! A response is put on the wire when its request is answered, and is delivered in any order: nothing in HTTP keeps the
//! responses of one visitor in the order in which the store changed. One without a line for the cookie changes nothing
//! in the browser, so it is not put there. The browser never forgets a cookie by itself: what it may send any time is
//! what matters.
//!
//! What is promised, and judged when all requests are answered and all responses delivered:
//!
//! - In the order in which they were answered, any number of responses leave a cookie whose session is live, or was
//!   ended (`DeadCookie`).
//! - In any order, if at most one request was entitled to a new id, the browser has the id that is live; without one, or
//!   with a dead one, it is left only if a session was ended, or something failed (`CookieOverwritten`).
//! - Whatever happened, the browser never has an id that leads to another user than the one for whom it was sent
//!   (`AnotherUsersCookie`), nor one whose session was ended and is there again (`Resurrected`).
//!
//! What remains, as no server can mend it: when two requests are entitled to a new id, as with two log-ins at once, and
//! their two lines cross on the wire, the later one to arrive names an id that is dead; likewise a line that sends a
//! permanent session's cookie again, if it crosses the line with the new id. The visitor is anonymous then, and has to
//! log in again.

use crate::clock::Timestamp;
use crate::id::StoreKey;

use super::ledger::Ledger;
use super::request::Sent;
use super::shelf::{Gist, Shelf, User};
use super::wrong::Wrong;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Browser {
    pub(super) cookie: Option<Cookie>,
    /// In the order of the answers.
    wire: Vec<Line>,
    /// How many requests may be answered with a new id.
    pub(super) entitled: u8,
    /// The id that the browser is to have in the end, if nobody ends its session.
    goal: Option<StoreKey>,
    /// A line was overtaken by one that was answered later.
    crossed: bool,
    /// A line that only sends a permanent session's cookie again was overtaken.
    renewed_late: bool,
    /// A request was answered with an error.
    pub(super) failed: bool,
}

/// An id, and the user for whose session it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cookie {
    pub(super) key: StoreKey,
    pub(super) user: User,
}

/// What a response says of the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Line {
    Set { cookie: Cookie, again: bool },
    Remove,
}

impl Browser {
    /// The browser as it sent the first requests.
    pub(super) fn new(key: StoreKey, user: User) -> Self {
        Browser {
            cookie: Some(Cookie {
                key: key.clone(),
                user,
            }),
            goal: Some(key),
            ..Browser::default()
        }
    }

    /// Takes note of a response to a request about a session of this user, which came with this cookie.
    pub(super) fn answered(&mut self, ok: bool, sent: Sent, user: User, came: Option<StoreKey>) {
        self.failed |= !ok;
        let line = match sent {
            Sent::Nothing => return,
            Sent::Remove => Line::Remove,
            Sent::Set(key) => {
                let again = came == Some(key.clone());
                if !again {
                    self.goal = Some(key.clone());
                }
                let cookie = Cookie { key, user };
                Line::Set { cookie, again }
            }
        };
        self.wire.push(line);
    }

    /// How many responses are on the wire.
    pub(super) fn awaited(&self) -> usize {
        self.wire.len()
    }

    /// One of the responses arrives.
    pub(super) fn deliver(&mut self, at: usize) {
        let again = |line: &Line| matches!(line, Line::Set { again: true, .. });
        self.crossed |= at > 0;
        self.renewed_late |= self.wire[..at].iter().any(again);
        self.cookie = match self.wire.remove(at) {
            Line::Set { cookie, .. } => Some(cookie),
            Line::Remove => None,
        };
    }

    /// Looks at what the browser has or will get, at any time.
    pub(super) fn audit(&self, ledger: &Ledger, shelf: &Shelf, now: Timestamp) -> Option<Wrong> {
        let coming = self.wire.iter().filter_map(|line| match line {
            Line::Set { cookie, .. } => Some(cookie),
            Line::Remove => None,
        });
        let mut cookies = self.cookie.iter().chain(coming);
        cookies.find_map(|cookie| match shelf.gist(&cookie.key, now) {
            Some(Gist::Record { user, .. }) if *user != cookie.user => {
                Some(Wrong::AnotherUsersCookie)
            }
            Some(Gist::Record { .. }) if ledger.was_ended(&cookie.key) => Some(Wrong::Resurrected),
            _ => None,
        })
    }

    /// Looks at what the browser is left with, when nothing failed.
    pub(super) fn audit_the_end(
        &self,
        ledger: &Ledger,
        shelf: &Shelf,
        now: Timestamp,
    ) -> Option<Wrong> {
        if self.failed {
            return None;
        }
        if !self.crossed && self.is_left_behind(ledger, shelf, now) {
            return Some(Wrong::DeadCookie);
        }
        let overwritten = match self.live(shelf, now) {
            Some(live) => Some(live) != self.goal,
            None => self.goal.is_some() && !ledger.any_ended(),
        };
        (self.entitled <= 1 && !self.renewed_late && overwritten)
            .then_some(Wrong::CookieOverwritten)
    }

    /// Whether it has the id of a session that moved on and was not ended.
    pub(super) fn is_left_behind(&self, ledger: &Ledger, shelf: &Shelf, now: Timestamp) -> bool {
        let ended = |cookie: &Cookie| ledger.was_ended(&cookie.key);
        self.live(shelf, now).is_none() && self.cookie.as_ref().is_some_and(|cookie| !ended(cookie))
    }

    /// The id that it has, if there is a session under it.
    fn live(&self, shelf: &Shelf, now: Timestamp) -> Option<StoreKey> {
        let key = self.cookie.as_ref()?.key.clone();
        matches!(shelf.gist(&key, now), Some(Gist::Record { .. })).then_some(key)
    }

    /// For whoever reads a counter-example.
    pub(super) fn tell(&self, at: usize) -> String {
        format!("the browser gets {:?}", self.wire[at])
    }
}
