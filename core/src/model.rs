//! The protocol for requests that overlap, as an explicit-state model: every interleaving of their store verbs.
//!
//! The requests run the real [`plan`](crate::lifecycle::plan), [`Commit`](crate::commit::Commit) and
//! [`settle`](crate::closing::settle) on real encoded records; only the store, the clock and the handlers are the
//! model's own. One action of the model is one verb, so requests may overlap in any way. Besides, at any point, the
//! session's deadline may pass, and a bounded number of times somebody may crash, a client may leave, or a verb may fail
//! although it was, or was not, carried out. A response is on the wire until it is delivered to the browser, in any order.
//!
//! | file | holds |
//! | --- | --- |
//! | `world`, `start` | a state, its actions, and the first one |
//! | `shelf`, `log` | the store, and the data in it |
//! | `program`, `request`, `revoke`, `running` | who acts, and does what |
//! | `ledger`, `wrong` | what an observer who sees everything writes down, and finds wrong |
//! | `browser` | the cookie, the responses on the wire, and what must hold when they are delivered in any order |
//! | `delivery` | what only shows when responses are delivered, and requests that follow with the browser's cookie |
//! | `checker`, `broken` | what is explored, and what can be switched off |
//! | `clauses` | each clause of the protocol is needed: without it the checker finds a counter-example |
//! | `interleaved` | random programs against a sequential reference |

#![expect(
    clippy::needless_pass_by_value,
    reason = "keys are made where they are handed over"
)]

mod broken;
mod browser;
mod checker;
mod clauses;
mod delivery;
mod interleaved;
mod ledger;
mod log;
mod program;
mod request;
mod revoke;
mod running;
mod shelf;
mod start;
mod world;
mod wrong;

use std::time::Duration;

use crate::clock::Timestamp;
use broken::Broken;
use checker::{Overlaps, Part, story};
use program::{DATA, DESTROY, LOG_IN_U, LOG_IN_V, PROGRAMS, REGENERATE, SAVE_LOG_IN};
use start::Start;

/// When everything begins.
const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The session that is there from the beginning ends so soon after, unless somebody writes to it.
const SOON: Duration = Duration::from_secs(1);

fn pairs(parts: &[Part]) -> Vec<Vec<Part>> {
    let later = |at: usize| {
        parts[at..]
            .iter()
            .map(move |second| vec![parts[at], *second])
    };
    (0..parts.len()).flat_map(later).collect()
}

fn requests() -> Vec<Part> {
    PROGRAMS.map(Part::Request).to_vec()
}

fn with_revoke() -> Vec<Vec<Part>> {
    requests()
        .into_iter()
        .map(|request| vec![request, Part::Revoke("u")])
        .collect()
}

fn check(start: Start) {
    let casts = [pairs(&requests()), with_revoke()].concat();
    Overlaps {
        starts: vec![start],
        casts,
        faults: 1,
        ..Overlaps::default()
    }
    .hold(&format!("two requests, {start:?}"));
}

/// Three requests, and two with a revoke.
fn check_three(start: Start, programs: &[Part], faults: u8) {
    let mut casts = Vec::new();
    for pair in pairs(programs) {
        let later = programs.iter().skip_while(|part| **part != pair[1]);
        for third in later.chain([&Part::Revoke("u")]) {
            casts.push([&pair[..], &[*third]].concat());
        }
    }
    Overlaps {
        starts: vec![start],
        casts,
        faults,
        ..Overlaps::default()
    }
    .hold(&format!("three requests, {faults} faults, {start:?}"));
}

/// Each of the programs without its variants.
fn kinds() -> [Part; 6] {
    [DATA, REGENERATE, LOG_IN_U, LOG_IN_V, DESTROY, SAVE_LOG_IN].map(Part::Request)
}

#[test]
fn two_requests_on_an_anonymous_session() {
    check(Start::Anonymous);
}

#[test]
fn two_requests_on_the_session_of_a_user() {
    check(Start::SignedIn);
}

#[test]
fn two_requests_with_an_id_that_a_login_replaced() {
    check(Start::LoggedIn);
}

#[test]
fn two_requests_with_an_id_that_was_replaced_long_ago() {
    check(Start::ReplacedLongAgo);
}

#[test]
fn two_requests_with_an_id_that_was_replaced_twice() {
    check(Start::ReplacedTwice);
}

#[test]
fn two_requests_with_an_id_behind_another_users_session() {
    check(Start::BehindAnother);
}

#[test]
fn two_requests_without_a_session() {
    check(Start::Nothing);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_and_a_fault_on_an_anonymous_session() {
    check_three(Start::Anonymous, &kinds(), 1);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_and_a_fault_on_the_session_of_a_user() {
    check_three(Start::SignedIn, &kinds(), 1);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_and_a_fault_with_an_id_that_a_login_replaced() {
    check_three(Start::LoggedIn, &requests(), 1);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_and_two_faults() {
    let programs = [DATA, REGENERATE, LOG_IN_U, DESTROY].map(Part::Request);
    check_three(Start::SignedIn, &programs, 2);
}

#[test]
#[ignore = "two faults: run by cargo xtask test --deep"]
fn two_requests_and_two_faults() {
    let starts = vec![Start::Anonymous, Start::SignedIn, Start::LoggedIn];
    Overlaps {
        starts,
        casts: [pairs(&requests()), with_revoke()].concat(),
        faults: 2,
        ..Overlaps::default()
    }
    .hold("two requests, two faults");
}
