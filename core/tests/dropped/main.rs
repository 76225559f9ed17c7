//! Requests that are dropped after any number of polls, as a framework does whose client has left.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod halting;
mod site;
mod unattended;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anysession::{Outcome, Session};

use site::{OLD, Shown, Site};

/// What a visitor with `k` = `v` does, and what the old id and a new one show then.
type Deed = (&'static str, fn(&Session), Shown, Shown);

const DEEDS: [Deed; 4] = [
    (
        "set",
        |session| session.insert("k", "w").unwrap(),
        Some(("w", None)),
        None,
    ),
    (
        "regenerate",
        |session| session.regenerate_id().unwrap(),
        None,
        OLD,
    ),
    (
        "log in",
        |session| session.log_in("alice").unwrap(),
        None,
        Some(("v", Some("alice"))),
    ),
    ("destroy", Session::destroy, None, None),
];

#[test]
fn a_request_that_is_dropped_while_it_is_closed_is_closed_to_its_end() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let guard = site.sessions.guard(unattended::spawn);
            deed(&site.session(&guard.slot(), 0));
            let ended = poll(guard.close(Outcome::Succeeded), polls).is_some();
            let tasks = unattended::run();
            assert_eq!(tasks, usize::from(!ended), "tasks of {step}");
            assert_eq!(site.shown(), [old_id, new_id], "{step}");
            site.goes_on(&step);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn a_request_that_is_dropped_before_it_is_closed_changes_nothing_but_ends_its_session_if_asked() {
    for (name, deed, ..) in DEEDS {
        let site = Site::with_a_session();
        let guard = site.sessions.guard(unattended::spawn);
        deed(&site.session(&guard.slot(), 0));
        drop(guard);
        unattended::run();
        let kept = OLD.filter(|_| name != "destroy");
        assert_eq!(site.shown(), [kept, None], "{name}");
        site.goes_on(name);
    }
}

/// A panic in the handler drops the inner one first, a client that leaves the outer one.
#[test]
fn a_log_out_is_carried_out_once_whichever_of_two_guards_is_dropped_first() {
    for outer_first in [true, false] {
        let site = Site::with_a_session();
        let outer = site.sessions.guard(unattended::spawn);
        let inner = site
            .sessions
            .guard_inside(Some(&outer.slot()), unattended::spawn);
        site.session(&inner.slot(), 0).destroy();
        match outer_first {
            true => drop((outer, inner)),
            false => drop((inner, outer)),
        }
        assert_eq!(unattended::run(), 1, "outer first: {outer_first}");
        assert_eq!(site.shown(), [None, None], "outer first: {outer_first}");
    }
}

#[test]
fn a_request_that_never_asked_for_its_session_leaves_no_task() {
    let site = Site::with_a_session();
    drop(site.sessions.guard(unattended::spawn));
    drop(
        site.sessions
            .guard(unattended::spawn)
            .close(Outcome::Succeeded),
    );
    assert_eq!(unattended::run(), 0);
}

/// Without a guard, or where the process ends in the middle.
#[test]
fn a_close_that_nobody_finishes_leaves_the_old_session_or_the_new_one() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let slot = site.sessions.slot();
            deed(&site.session(&slot, 0));
            let ended = poll(slot.close(Outcome::Succeeded), polls).is_some();
            match ended {
                true => assert_eq!(site.shown(), [old_id, new_id], "{step}"),
                false => site.is_old_or([old_id, new_id], &step),
            }
            site.goes_on(&step);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn a_save_that_is_dropped_leaves_the_old_session_or_the_new_one_and_the_close_says_so() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let guard = site.sessions.guard(unattended::spawn);
            let session = site.session(&guard.slot(), 0);
            deed(&session);
            let saved = poll(session.save(), polls);
            let closed = run(guard.close(Outcome::Succeeded));
            let unknown = polls > 0 && saved.is_none();
            assert_eq!(
                closed.is_err(),
                unknown,
                "whether the close of {step} fails"
            );
            match unknown {
                true => site.is_old_or([old_id, new_id], &step),
                false => assert_eq!(site.shown(), [old_id, new_id], "{step}"),
            }
            site.goes_on(&step);
            if saved.is_some() {
                break;
            }
        }
    }
}

/// Polls a future at most this often, and drops it.
fn poll<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Polls a future until it is ready. Nothing here takes long.
fn run<F: Future>(future: F) -> F::Output {
    poll(future, 1000).unwrap()
}
