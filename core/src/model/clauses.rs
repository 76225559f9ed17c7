//! Each clause of the protocol is needed: switched off, the checker finds a counter-example. This is also how we know
//! that the checker can find anything.

use stateright::{Checker, HasDiscoveries, Model};

use crate::commit::Clause;

use super::program::{
    DATA, DESTROY, DESTROY_LOG_IN, LOG_IN_U, LOG_IN_V, Program, READ, REGENERATE, SAVE_DATA,
    SAVE_LOG_IN,
};
use super::start::Start;
use super::wrong::Wrong;
use super::{Broken, Overlaps, Part, story};

/// Asserts that this goes wrong among these requests without the clause, and nothing with it.
fn needed(broken: Broken, start: Start, programs: &[Program], wrong: Wrong) {
    let parts = programs.iter().map(|program| Part::Request(*program));
    needed_among(broken, start, parts.collect(), wrong);
}

fn needed_among(broken: Broken, start: Start, cast: Vec<Part>, wrong: Wrong) {
    let sound = Overlaps {
        starts: vec![start],
        casts: vec![cast],
        faults: 1,
        ..Overlaps::default()
    };
    let without = Overlaps {
        broken: Some(broken),
        ..sound.clone()
    };
    let checker = without
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let found = checker.discoveries();
    let Some(path) = found.get(wrong.name()) else {
        let stories: Vec<_> = found
            .into_iter()
            .map(|(wrong, path)| (wrong, story(path)))
            .collect();
        panic!("without {broken:?} there is no {wrong:?}, but {stories:#?}");
    };
    println!(
        "without {broken:?}: {wrong:?} after {} actions",
        path.clone().into_actions().len()
    );
    sound.hold(&format!("with {broken:?}"));
}

macro_rules! clauses {
    ($($name:ident: $broken:expr, $start:ident, [$($program:ident),*] => $wrong:ident;)*) => {
        $(
            #[test]
            fn $name() {
                needed($broken, Start::$start, &[$($program),*], Wrong::$wrong);
            }
        )*
    };
}

clauses! {
    changes_are_computed_anew_on_the_newest_record:
        Broken::Commit(Clause::Replayed), Anonymous, [DATA, DATA] => LostUpdate;
    the_new_record_is_written_before_the_old_one_is_replaced:
        Broken::Commit(Clause::NewRecordFirst), SignedIn, [REGENERATE] => LostUpdate;
    a_write_before_the_replacement_is_merged:
        Broken::Commit(Clause::MergedBeforeReplaced), SignedIn, [REGENERATE, DATA] => LostUpdate;
    the_old_record_is_replaced_at_the_version_that_was_read:
        Broken::TombstoneAtTheVersion, SignedIn, [REGENERATE, DATA] => LostUpdate;
    data_follows_a_replaced_id:
        Broken::Commit(Clause::Followed), SignedIn, [DATA, REGENERATE] => LostUpdate;
    a_login_follows_a_replaced_id:
        Broken::Commit(Clause::Followed), Anonymous, [LOG_IN_U, REGENERATE] => TwoLiveIds;
    an_id_is_regenerated_once:
        Broken::Commit(Clause::RegeneratedOnce), SignedIn, [REGENERATE, REGENERATE] => BadCookie;
    another_users_session_is_left_alone:
        Broken::Commit(Clause::UserCompared), SignedIn, [DATA, LOG_IN_V] => CrossUser;
    the_user_is_compared_at_every_hop:
        Broken::Commit(Clause::UserComparedAtEveryHop), BehindAnother, [LOG_IN_U] => CrossUser;
    a_login_leaves_another_users_data:
        Broken::Commit(Clause::AnotherUsersDataDropped), SignedIn, [LOG_IN_V] => CrossUser;
    what_was_done_before_somebody_else_logged_in_is_dropped:
        Broken::EarlierDataDropped, SignedIn, [LOG_IN_V] => CrossUser;
    a_destroy_follows_a_replaced_id:
        Broken::Commit(Clause::DestroyFollows), SignedIn, [DESTROY, REGENERATE] => OkNotDone;
    a_destroy_looks_again_after_a_conflict:
        Broken::Commit(Clause::DestroyReloads), SignedIn, [DESTROY, DATA] => OkNotDone;
    a_destroy_deletes_at_the_version_that_was_read:
        Broken::DeleteAtTheVersion, SignedIn, [DESTROY, REGENERATE] => OkNotDone;
    a_destroy_with_a_replaced_id_goes_by_the_same_table:
        Broken::ReplacedIsKnown, ReplacedTwice, [DESTROY] => OkNotDone;
    a_destroy_that_ran_out_of_tries_is_an_error:
        Broken::Commit(Clause::ErrorWhenTriesRunOut), SignedIn, [DESTROY, SAVE_DATA] => OkNotDone;
    a_login_that_ran_out_of_tries_is_an_error:
        Broken::Commit(Clause::ErrorWhenTriesRunOut), SignedIn, [LOG_IN_U, SAVE_DATA] => OkNotDone;
    a_regeneration_whose_session_is_gone_is_taken_back:
        Broken::Commit(Clause::WithdrawnWhenGone), SignedIn, [REGENERATE, DESTROY] => Orphan;
    our_own_successor_counts_as_done:
        Broken::Commit(Clause::OwnSuccessorIsDone), SignedIn, [REGENERATE] => LostUpdate;
    a_verb_of_unknown_result_is_not_sent_again:
        Broken::NeverResent, Anonymous, [DATA] => DoubledUpdate;
    nothing_is_deleted_because_of_an_unknown_result:
        Broken::NothingDeletedForUnknown, SignedIn, [REGENERATE] => LostUpdate;
    a_login_within_the_grace_gets_no_cookie_of_others:
        Broken::Grace, LoggedIn, [DATA] => BadCookie;
    the_cookie_of_a_save_is_not_sent_if_the_session_is_gone:
        Broken::CookieOfSaveDropped, Anonymous, [SAVE_LOG_IN, LOG_IN_U] => BadCookie;
    a_verb_is_judged_by_its_own_time:
        Broken::TimeOfTheVerb, SignedIn, [DATA] => Resurrected;
    an_expired_entry_counts_as_gone_in_a_writing_verb:
        Broken::ExpiredIsGone, SignedIn, [DATA] => Resurrected;
    a_touch_revives_nothing:
        Broken::ExpiredIsGone, SignedIn, [READ] => Resurrected;
    what_a_request_did_whose_client_left_is_dropped:
        Broken::DroppedWhenFailed, SignedIn, [DATA] => NotDropped;
    a_log_out_is_carried_out_though_the_client_left:
        Broken::LogOutFinished, SignedIn, [DESTROY] => OkNotDone;
    a_put_replaces_the_version_that_was_read:
        Broken::PutAtTheVersion, SignedIn, [DATA, DESTROY] => Resurrected;
    a_put_never_overwrites_another_write:
        Broken::PutAtTheVersion, SignedIn, [DATA, DATA] => LostUpdate;
}

#[test]
fn a_revoke_that_does_not_know_of_one_session_does_not_say_that_all_are_over() {
    let cast = vec![Part::Request(DESTROY_LOG_IN), Part::Revoke("u")];
    let broken = Broken::FailureOfARevokeTold;
    needed_among(broken, Start::SignedIn, cast, Wrong::OkNotDone);
}

#[test]
fn a_revoke_lists_again_after_its_first_pass() {
    let cast = vec![Part::Request(DESTROY_LOG_IN), Part::Revoke("u")];
    needed_among(Broken::ListedAgain, Start::SignedIn, cast, Wrong::OkNotDone);
}
