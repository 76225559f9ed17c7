//! What only shows when responses are delivered: each clause about cookies, switched off, spoils the browser's; and a
//! request that follows with the cookie that the browser has.

use std::collections::HashSet;

use stateright::{Checker, HasDiscoveries, Model};

use super::program::{
    DATA, DESTROY, DESTROY_DATA, LOG_IN_U, LOG_IN_V, Program, READ, REGENERATE, SAVE_DATA,
    SAVE_LOG_IN,
};
use super::start::{Cookies, Start};
use super::wrong::Wrong;
use super::{Broken, Overlaps, Part, pairs, requests, story, with_revoke};

/// What goes wrong first in the browser, if anything does.
fn spoiled(overlaps: Overlaps) -> Option<(&'static str, String)> {
    let checker = Overlaps {
        seen_by_the_browser_only: true,
        ..overlaps
    }
    .checker()
    .finish_when(HasDiscoveries::AnyFailures)
    .spawn_bfs()
    .join();
    let found = checker.discoveries().into_iter().next();
    found.map(|(wrong, path)| (wrong, story(path)))
}

/// Asserts that the browser's cookie is spoiled among these requests without the clause, and not with it.
fn needed(broken: Broken, start: Start, programs: &[Program], cookies: Cookies, wrong: Wrong) {
    let sound = Overlaps {
        starts: vec![start],
        casts: vec![programs.iter().copied().map(Part::Request).collect()],
        cookies,
        ..Overlaps::default()
    };
    let found = spoiled(Overlaps {
        broken: Some(broken),
        ..sound.clone()
    });
    let Some((name, story)) = found else {
        panic!("without {broken:?} the browser's cookie is as it should be");
    };
    assert_eq!(name, wrong.name(), "{story}");
    println!("without {broken:?}: {name}");
    sound.hold(&format!("with {broken:?}"));
}

#[test]
fn without_the_grace_a_parallel_request_overwrites_the_cookie_of_the_login() {
    let wrong = Wrong::CookieOverwritten;
    let cookies = Cookies::EndWithTheBrowser;
    needed(Broken::Grace, Start::LoggedIn, &[DATA], cookies, wrong);
}

#[test]
fn a_request_that_had_to_follow_would_overwrite_the_new_cookie_with_the_old_one() {
    let broken = Broken::NoCookieAfterFollowing;
    let programs = [LOG_IN_U, DATA];
    needed(
        broken,
        Start::SignedIn,
        &programs,
        Cookies::Permanent,
        Wrong::DeadCookie,
    );
}

#[test]
fn the_cookie_of_a_save_would_overwrite_the_one_that_replaced_it() {
    let broken = Broken::CookieOfSaveDropped;
    let programs = [SAVE_LOG_IN, LOG_IN_U];
    needed(
        broken,
        Start::Anonymous,
        &programs,
        Cookies::Permanent,
        Wrong::DeadCookie,
    );
}

#[test]
fn a_log_out_that_finds_another_user_there_would_overwrite_the_cookie_of_their_login() {
    let programs = [LOG_IN_V, DESTROY_DATA];
    let wrong = Wrong::CookieOverwritten;
    let cookies = Cookies::EndWithTheBrowser;
    let broken = Broken::NothingBeginsAfterOver;
    needed(broken, Start::SignedIn, &programs, cookies, wrong);
}

/// With cookies that end with the browser no line is sent again, so any order is promised to be harmless.
fn check_order(start: Start) {
    Overlaps {
        starts: vec![start],
        casts: [pairs(&requests()), with_revoke()].concat(),
        cookies: Cookies::EndWithTheBrowser,
        ..Overlaps::default()
    }
    .hold(&format!("two requests, responses in any order, {start:?}"));
}

#[test]
fn responses_in_any_order_for_an_anonymous_session() {
    check_order(Start::Anonymous);
}

#[test]
fn responses_in_any_order_for_the_session_of_a_user() {
    check_order(Start::SignedIn);
}

#[test]
fn responses_in_any_order_with_that_of_the_login() {
    check_order(Start::LoggedIn);
}

/// Two requests, and one that follows whenever the browser has got nothing, something or everything of theirs.
fn check_follow_up(start: Start, cookies: Cookies, casts: Vec<Vec<Part>>, followers: &[Program]) {
    let mut all = Vec::new();
    for cast in casts {
        let with = |follower: &Program| [&cast[..], &[Part::FollowUp(*follower)]].concat();
        all.extend(followers.iter().map(with));
    }
    Overlaps {
        starts: vec![start],
        casts: all,
        cookies,
        ..Overlaps::default()
    }
    .hold(&format!(
        "two requests and a follow-up, {start:?}, {cookies:?}"
    ));
}

/// What happens at a login: it, and another request.
fn logins() -> Vec<Vec<Part>> {
    let others = [DATA, LOG_IN_V];
    let both = |other: Program| vec![Part::Request(LOG_IN_U), Part::Request(other)];
    others.map(both).to_vec()
}

#[test]
fn a_request_follows_a_login() {
    for start in [Start::Nothing, Start::SignedIn] {
        check_follow_up(start, Cookies::EndWithTheBrowser, logins(), &[READ, DATA]);
    }
}

#[test]
fn a_request_follows_one_with_the_id_from_before_the_login() {
    let late = [DATA, LOG_IN_V, DESTROY].map(|program| vec![Part::Request(program)]);
    let cookies = Cookies::EndWithTheBrowser;
    check_follow_up(
        Start::LoggedIn,
        cookies,
        late.to_vec(),
        &[READ, DATA, DESTROY],
    );
}

fn check_any_two(start: Start) {
    let programs = [DATA, REGENERATE, LOG_IN_U, LOG_IN_V, DESTROY, SAVE_LOG_IN].map(Part::Request);
    let revoked = programs.map(|program| vec![program, Part::Revoke("u")]);
    let casts = [pairs(&programs), revoked.to_vec()].concat();
    let followers = [READ, DATA, DESTROY, LOG_IN_V];
    check_follow_up(start, Cookies::EndWithTheBrowser, casts, &followers);
}

#[test]
#[ignore = "many casts: run by cargo xtask test --deep"]
fn a_request_follows_any_two_on_an_anonymous_session() {
    check_any_two(Start::Anonymous);
}

#[test]
#[ignore = "many casts: run by cargo xtask test --deep"]
fn a_request_follows_any_two_on_the_session_of_a_user() {
    check_any_two(Start::SignedIn);
}

#[test]
#[ignore = "many casts: run by cargo xtask test --deep"]
fn a_request_follows_any_two_with_an_id_that_a_login_replaced() {
    check_any_two(Start::LoggedIn);
}

/// What remains, and no server can mend: the lines of two requests that are entitled to a new id cross on the wire, and
/// the browser is left with the dead one.
#[test]
fn two_new_ids_that_cross_may_leave_the_dead_one() {
    let crossing = Overlaps {
        starts: vec![Start::SignedIn],
        casts: vec![[LOG_IN_U, LOG_IN_U].map(Part::Request).to_vec()],
        cookies: Cookies::EndWithTheBrowser,
        ..Overlaps::default()
    };
    assert!(left_dead(&crossing));
    crossing.hold("two log-ins whose lines may cross");
}

/// The same with one new id, and a permanent session's cookie that is sent again.
#[test]
fn a_cookie_that_is_sent_again_may_cross_the_new_one() {
    let crossing = Overlaps {
        starts: vec![Start::SignedIn],
        casts: vec![[LOG_IN_U, DATA].map(Part::Request).to_vec()],
        ..Overlaps::default()
    };
    assert!(left_dead(&crossing));
    let once = Overlaps {
        cookies: Cookies::EndWithTheBrowser,
        ..crossing
    };
    assert!(!left_dead(&once));
}

/// Whether the browser may be left with an id whose session lives on under another.
fn left_dead(overlaps: &Overlaps) -> bool {
    let mut seen = HashSet::new();
    let mut next = overlaps.init_states();
    while let Some(world) = next.pop() {
        if world.leaves_a_dead_id() {
            return true;
        }
        let mut actions = Vec::new();
        overlaps.actions(&world, &mut actions);
        for action in actions {
            next.extend(
                overlaps
                    .next_state(&world, action)
                    .filter(|world| seen.insert(world.clone())),
            );
        }
    }
    false
}

/// Data operations of a request whose session is another user's by now are dropped, no cookie. So they are if a save
/// found that out and the handler goes on: the cookie of a session of its own could replace that of the login.
#[test]
fn a_save_that_finds_its_session_gone_begins_no_other() {
    let found = spoiled(Overlaps {
        starts: vec![Start::SignedIn],
        casts: vec![[LOG_IN_V, SAVE_DATA].map(Part::Request).to_vec()],
        cookies: Cookies::EndWithTheBrowser,
        ..Overlaps::default()
    });
    assert_eq!(
        found.map(|(wrong, story)| format!("{wrong}\n{story}")),
        None
    );
}
