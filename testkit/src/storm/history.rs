//! What was done, when, and what was answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anysession::Timestamp;

/// One session from its sign-in to its end, under whatever ids.
pub(super) type Lineage = u64;

/// One write. A session keeps the marks of all writes in the order in which they were made, so that a lost one and one that was
/// made twice both show.
pub(super) type Mark = u64;

/// A point in a history: they are all different, and what happened before has the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    order: u64,
    pub(super) time: Timestamp,
}

/// An operation that was answered.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) begun: Moment,
    pub(super) ended: Moment,
    pub(super) act: Act,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A sign-in that got this id.
    Begin {
        lineage: Lineage,
        short_lived: bool,
        id: String,
    },
    /// What an id showed. `last`: when all was quiet again.
    Look {
        id: String,
        seen: Option<Seen>,
        last: bool,
    },
    Write {
        lineage: Lineage,
        mark: Mark,
    },
    /// An id replaced, by this one if it was told to this request.
    Rotate {
        lineage: Lineage,
        id: String,
        successor: Option<String>,
    },
    /// A log-out, or a revoke of the user.
    End {
        lineage: Lineage,
    },
}

/// A session as a request saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) lineage: Lineage,
    pub(super) marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was carried out.
    Done,
    /// It was not and never will be: the session has ended, or others were always faster.
    Refused,
    /// An error: it was carried out, or not, or will be.
    Undecided,
}

/// Events in the order of their answers.
#[derive(Debug, Default)]
pub(super) struct History {
    order: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl History {
    pub(super) fn now(&self, time: Timestamp) -> Moment {
        let order = self.order.fetch_add(1, Ordering::SeqCst);
        Moment { order, time }
    }

    pub(super) fn add(&self, begun: Moment, ended: Moment, act: Act, answer: Answer) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(Event {
            begun,
            ended,
            act,
            answer,
        });
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
