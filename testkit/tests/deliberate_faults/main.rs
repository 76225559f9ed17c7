//! The suite against stores that each break one rule: a trial that nothing can fail proves nothing.

mod broken;

use std::sync::Arc;

use anysession::Store;
use anysession_testkit::{
    Failure, Fault, FaultyStore, Keeps, Outcome, Report, Storm, Suite, Verb, store_suite,
};

use broken::{BrokenStore, Flaw};

#[test]
fn the_store_without_a_flaw_passes_every_trial() {
    assert_eq!(failed_rules(Flaw::None), [""; 0]);
}

/// A flaw that shows only when tasks meet is tried again a few times, others have to be found at once.
#[test]
fn every_flaw_is_found_by_the_trial_of_its_rule() {
    let mut unnoticed = Vec::new();
    for &(flaw, rule) in FLAWS {
        let attempts = if flaw.is_a_race() { 10 } else { 1 };
        let mut failed = Vec::new();
        let found = (0..attempts).any(|_| {
            failed = failed_rules(flaw);
            failed.contains(&rule)
        });
        println!("{flaw:?} is found by {}", failed.join(", "));
        if !found {
            unnoticed.push(format!("{flaw:?} passes {rule}"));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

/// What breaks a promise to visitors shows in the history of a storm, too; conditions that only a store's own trials try
/// do not.
#[test]
fn a_storm_finds_what_loses_writes_or_brings_sessions_back() {
    for flaw in [
        Flaw::LoadIsCached,
        Flaw::PutIgnoresTheVersion,
        Flaw::PutLooksThenWrites,
        Flaw::UpdateCreates,
        Flaw::DeleteDoesNothing,
    ] {
        let anomaly = storm_on(Arc::new(BrokenStore::new(flaw))).expect_err(&format!("{flaw:?}"));
        println!("{flaw:?}: {anomaly}");
    }
}

#[test]
fn a_storm_on_a_sound_store_finds_nothing() {
    let report = storm_on(Arc::new(BrokenStore::new(Flaw::None))).expect("no anomaly");
    println!("{report}");
    assert!(
        report.conflicts > 0 && report.undecided == 0 && report.refused > 0,
        "{report}"
    );
}

#[test]
fn a_storm_takes_what_failed_for_undecided() {
    let store = FaultyStore::new(Arc::new(BrokenStore::new(Flaw::None)));
    for _ in 0..30 {
        for verb in [Verb::Put, Verb::Delete] {
            store.after(10, verb, Fault::FailBefore);
            store.after(10, verb, Fault::FailAfter);
        }
    }
    let report = storm_on(Arc::new(store)).expect("no anomaly");
    println!("{report}");
    assert!(report.undecided > 0, "{report}");
}

fn storm_on(store: Arc<dyn Store>) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let storm = Storm::on([store]);
        storm.rage(4_000).await;
        storm.judge(Keeps::Everything).await
    })
}

/// The other way round: for every rule there is a flaw that its trial finds.
#[test]
fn every_trial_can_fail() {
    for name in suite(Flaw::None).trial_names() {
        let rule = name.trim_start_matches("broken::");
        assert!(
            FLAWS.iter().any(|(_, expected)| *expected == rule),
            "no flaw is there to make {rule} fail"
        );
    }
}

#[test]
fn a_store_that_only_works_alone_fails_the_trials_of_two_handles() {
    // Each handle on its own: nothing is shared, as with a store that was configured to be in memory by mistake.
    let suite =
        suite(Flaw::None).reopening(|| async { Arc::new(BrokenStore::new(Flaw::None)) as Arc<_> });
    let failed = names_of_failed(&suite.outcomes());
    let of_two_handles = [
        "another_handle_sees_what_is_done",
        "what_is_done_outlives_its_handle",
        "two_handles_lose_no_increment",
    ];
    assert_eq!(failed, of_two_handles);
}

#[test]
fn a_store_that_expires_entries_by_itself_passes() {
    assert_eq!(failed_rules(Flaw::NoneAndExpiresByItself), [""; 0]);
}

/// Each flaw, and the trial that has to find it. Others may find it too.
const FLAWS: &[(Flaw, &str)] = &[
    // Writing
    (
        Flaw::LoadIsCached,
        "what_is_done_is_visible_to_every_later_load",
    ),
    (
        Flaw::CreateOverwrites,
        "create_is_refused_if_the_key_is_taken",
    ),
    (
        Flaw::PutIgnoresTheVersion,
        "update_is_refused_at_another_version",
    ),
    (
        Flaw::UpdateCreates,
        "update_is_refused_if_the_key_is_absent",
    ),
    (
        Flaw::UpdateCreates,
        "update_never_brings_a_deleted_key_back",
    ),
    (
        Flaw::UpdateKeepsTheUser,
        "update_replaces_payload_deadline_and_user",
    ),
    (
        Flaw::UpdateNeverShortens,
        "update_replaces_payload_deadline_and_user",
    ),
    (
        Flaw::VersionsStartAnewWithTheKey,
        "every_write_makes_a_new_version",
    ),
    (
        Flaw::VersionsAreHashesOfThePayload,
        "every_write_makes_a_new_version",
    ),
    // Touching
    (Flaw::TouchDoesNothing, "touch_moves_the_deadline"),
    (Flaw::TouchShortens, "touch_never_shortens"),
    (Flaw::TouchChangesTheVersion, "touch_keeps_the_version"),
    (Flaw::TouchCreates, "touch_never_creates"),
    (
        Flaw::TouchIgnoresTheVersion,
        "touch_has_no_effect_at_another_version",
    ),
    // Deleting
    (
        Flaw::DeleteDoesNothing,
        "delete_removes_the_version_that_it_names",
    ),
    (
        Flaw::DeleteIgnoresTheVersion,
        "delete_is_refused_at_another_version",
    ),
    (
        Flaw::DeleteOfNothingIsDone,
        "delete_is_refused_if_the_key_is_absent",
    ),
    // Expiry
    (Flaw::UpdateRevives, "nothing_revives_an_expired_entry"),
    (Flaw::TouchRevives, "nothing_revives_an_expired_entry"),
    (
        Flaw::DeadlineIsTheLastMoment,
        "an_entry_is_gone_at_its_deadline_and_not_before",
    ),
    (
        Flaw::ExpiredKeysStayTaken,
        "an_expired_key_can_be_created_anew",
    ),
    (
        Flaw::ExpiredEntriesAreRefused,
        "an_entry_written_after_its_deadline_counts_as_absent",
    ),
    (
        Flaw::SweepIgnoresTheDeadline,
        "delete_expired_deletes_only_what_is_expired",
    ),
    (
        Flaw::SweepSparesTheBoundary,
        "delete_expired_deletes_only_what_is_expired",
    ),
    (
        Flaw::SweepIgnoresTheLimit,
        "delete_expired_keeps_to_its_limit",
    ),
    (
        Flaw::SweepStopsEarly,
        "delete_expired_says_when_none_are_left",
    ),
    (
        Flaw::SweepAlwaysAnswersTheLimit,
        "delete_expired_says_when_none_are_left",
    ),
    (
        Flaw::SweepDoesNotLookAgain,
        "delete_expired_spares_what_was_just_extended",
    ),
    // What is kept
    (Flaw::PayloadEndsAt64KiB, "payloads_come_back_byte_for_byte"),
    (Flaw::PayloadIsText, "payloads_come_back_byte_for_byte"),
    (Flaw::KeysAreCut, "keys_that_are_alike_do_not_meet"),
    (Flaw::EmptyUserIsNone, "users_come_back_exactly"),
    (Flaw::UserEndsAt64Characters, "users_come_back_exactly"),
    (
        Flaw::UserEndsAtNul,
        "a_user_with_a_nul_is_kept_exactly_or_refused",
    ),
    (
        Flaw::DeadlinesAreSeconds,
        "deadlines_are_kept_to_the_millisecond",
    ),
    (
        Flaw::DeadlinesAreFloats,
        "deadlines_are_kept_to_the_millisecond",
    ),
    (
        Flaw::DeadlinesAreSigned,
        "a_deadline_beyond_the_year_9999_stays_in_the_future",
    ),
    (
        Flaw::LateDeadlinesAreErrors,
        "a_deadline_beyond_the_year_9999_stays_in_the_future",
    ),
    // Users
    (
        Flaw::IndexLags,
        "keys_of_user_holds_a_key_as_soon_as_put_answers",
    ),
    (
        Flaw::IndexAnswersOnePage,
        "keys_of_user_finds_every_one_of_many",
    ),
    (
        Flaw::IndexKnowsOnlyCreates,
        "keys_of_user_follows_a_change_of_user",
    ),
    (Flaw::IndexIgnoresTheUser, "keys_of_user_never_mixes_users"),
    (
        Flaw::UsersIgnoreCase,
        "keys_of_user_tells_similar_users_apart",
    ),
    (
        Flaw::UsersIgnoreSpaces,
        "keys_of_user_tells_similar_users_apart",
    ),
    (
        Flaw::IndexIsNeverPruned,
        "keys_of_user_forgets_what_was_deleted",
    ),
    (
        Flaw::IndexIsNeverPruned,
        "keys_of_user_forgets_what_expired",
    ),
    (
        Flaw::PruneDoesNotLookAgain,
        "keys_of_user_never_holds_too_few_while_entries_come_and_go",
    ),
    // Races
    (Flaw::PutLooksThenWrites, "one_of_many_writers_wins"),
    (Flaw::PutLooksThenWrites, "one_of_many_creators_wins"),
    (Flaw::PutLooksThenWrites, "no_increment_is_lost"),
    (
        Flaw::DeleteLooksThenDeletes,
        "update_and_delete_of_one_version_exclude_each_other",
    ),
    (
        Flaw::PutLooksThenWrites,
        "nothing_is_loaded_after_a_delete_is_done",
    ),
    (Flaw::TouchWritesItAllBack, "touch_never_undoes_a_write"),
    (Flaw::LoadReadsTwice, "load_never_mixes_two_writes"),
];

fn failed_rules(flaw: Flaw) -> Vec<&'static str> {
    names_of_failed(&suite(flaw).outcomes())
}

fn names_of_failed(outcomes: &[Outcome]) -> Vec<&'static str> {
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
    failed.map(|outcome| outcome.rule).collect()
}

fn suite(flaw: Flaw) -> Suite {
    store_suite("broken", move || async move {
        Arc::new(BrokenStore::new(flaw)) as Arc<dyn Store>
    })
}
