//! The adapter suite against adapters and stores that each make one mistake: a trial that nothing can fail proves
//! nothing.

mod catching;
mod reference;
mod stores;

use anysession_testkit::{Suite, adapter_suite, adapter_suite_on};

use catching::try_all;
use reference::Flaw;
use stores::BrokenStore;

#[test]
fn the_adapter_without_a_flaw_passes_every_trial() {
    let failed: Vec<_> = (flawed(Flaw::None).outcomes().into_iter())
        .filter_map(|outcome| Some((outcome.rule, outcome.result.err()?)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_flaw_of_an_adapter_is_found_by_the_trial_of_its_rule() {
    use Flaw as F;
    let (found, unnoticed) = try_all(&[
        (
            F::ChangesKeptOn5xx,
            &[
                "a_5xx_or_408_changes_nothing",
                "a_5xx_leaves_the_id_as_it_was",
                "an_error_from_further_in_counts_by_its_status",
            ],
            flawed,
        ),
        (F::ChangesKeptOnPanic, &["a_panic_changes_nothing"], flawed),
        (
            F::SessionLoadedOnEveryRoute,
            &[
                "a_route_that_ignores_the_session_costs_nothing",
                "what_the_framework_answers_by_itself_costs_nothing",
            ],
            flawed,
        ),
        (
            F::OneCookieHeaderRead,
            &[
                "several_cookie_headers_are_all_read",
                "the_crumbs_of_an_http_2_request_are_all_read",
            ],
            flawed,
        ),
        (
            F::CookieNamesDecoded,
            &["the_cookie_header_is_read_byte_by_byte"],
            flawed,
        ),
        (
            F::UnicodeSpacesTrimmed,
            &["the_cookie_header_is_read_byte_by_byte"],
            flawed,
        ),
        (
            F::OnlyTheDefaultCookieRead,
            &["a_cookie_that_is_configured_otherwise_is_set_read_and_removed"],
            flawed,
        ),
        (
            F::DomainLeftOut,
            &["a_cookie_that_is_configured_otherwise_is_set_read_and_removed"],
            flawed,
        ),
        (
            F::CookieForUnknownIdRemoved,
            &[
                "an_unknown_id_is_never_adopted",
                "the_id_of_a_destroyed_session_is_never_adopted",
                "log_out_without_a_session_writes_nothing",
            ],
            flawed,
        ),
        (
            F::CookieSetTwice,
            &[
                "a_new_session_sets_one_cookie_with_safe_attributes",
                "no_response_has_two_session_cookies",
            ],
            flawed,
        ),
        (
            F::SetCookieFolded,
            &["the_applications_cookies_are_untouched"],
            flawed,
        ),
        (
            F::CookieNotSetOnErrors,
            &[
                "responses_without_a_body_carry_the_cookie",
                "a_cookie_that_save_called_for_is_sent_on_5xx",
            ],
            flawed,
        ),
        (
            F::CookieNotSetWithoutBody,
            &["responses_without_a_body_carry_the_cookie"],
            flawed,
        ),
        (
            F::VaryLeftOut,
            &[
                "a_response_that_read_the_session_varies_by_cookie",
                "error_pages_vary_by_cookie",
            ],
            flawed,
        ),
        (
            F::VaryDuplicated,
            &["vary_is_merged_not_duplicated"],
            flawed,
        ),
        (
            F::CacheControlOverwritten,
            &["the_applications_cache_control_is_kept"],
            flawed,
        ),
        (
            F::LoadErrorTakenForAnonymous,
            &["a_store_that_is_down_at_load_is_503_and_nothing_is_written"],
            flawed,
        ),
        (
            F::ErrorShown,
            &["a_store_that_is_down_at_load_is_503_and_nothing_is_written"],
            flawed,
        ),
        (
            F::SaveErrorIgnored,
            &[
                "a_store_that_is_down_at_save_is_503_without_a_cookie",
                "a_random_source_that_fails_is_503_and_stores_nothing",
                "a_stream_that_cannot_be_committed_is_503",
                "a_socket_that_cannot_be_committed_is_503",
            ],
            flawed,
        ),
        (
            F::RemovalForgottenOnError,
            &["a_destroy_that_the_store_refuses_is_503_and_removes_the_cookie"],
            flawed,
        ),
        (
            F::CookieLogged,
            &["no_id_reaches_a_log_line_or_the_store"],
            flawed,
        ),
        (
            F::NeverClosed,
            &["data_comes_back_until_it_is_removed"],
            flawed,
        ),
        (
            F::NotClosedOnFailure,
            &[
                "destroy_is_carried_out_on_5xx",
                "a_destroy_before_a_panic_or_a_5xx_is_final",
            ],
            flawed,
        ),
        (
            F::PanicEndsTheSession,
            &[
                "a_panic_changes_nothing",
                "what_save_has_committed_stays_after_a_panic",
            ],
            flawed,
        ),
        (
            F::LogOutGivenUpWithItsClient,
            &[
                "a_log_out_is_carried_out_when_its_client_has_gone",
                "a_log_out_is_carried_out_when_its_client_over_http_2_has_gone",
            ],
            flawed,
        ),
        (
            F::NothingSpawned,
            &["a_log_out_is_carried_out_when_its_client_has_gone"],
            flawed,
        ),
        (
            F::NothingSpawned,
            &["a_log_out_is_carried_out_when_its_client_over_http_2_has_gone"],
            flawed,
        ),
        (
            F::SessionEndsWithItsClient,
            &[
                "a_client_that_goes_before_the_commit_changes_nothing_or_all",
                "a_client_that_goes_over_http_2_before_the_commit_changes_nothing_or_all",
                "a_client_that_goes_at_any_verb_leaves_the_old_session_or_the_new_one",
                "a_client_that_goes_over_http_2_at_any_verb_leaves_the_old_session_or_the_new_one",
            ],
            flawed,
        ),
        (
            F::StreamBuffered,
            &["a_stream_begins_with_its_cookie_and_goes_on_later"],
            flawed,
        ),
        (
            F::StreamCommittedAtItsEnd,
            &[
                "a_stream_begins_with_its_cookie_and_goes_on_later",
                "a_save_in_a_stream_that_needs_a_cookie_is_an_error",
                "a_write_in_a_stream_that_is_not_saved_is_an_event",
                "a_client_that_leaves_a_stream_keeps_what_was_committed",
                "a_panic_in_a_stream_keeps_what_was_committed",
            ],
            flawed,
        ),
        (
            F::CommittedAfterTheHeaders,
            &[
                "the_commit_of_a_stream_is_done_before_its_headers",
                "the_commit_of_a_socket_is_done_before_its_101",
                "the_101_of_a_socket_carries_the_cookie",
                "a_save_that_fails_in_a_socket_is_told",
                "a_client_that_leaves_a_socket_keeps_what_was_committed",
            ],
            flawed,
        ),
        (
            F::AnotherSessionAfterTheHeaders,
            &[
                "a_save_in_a_stream_is_committed",
                "a_message_is_saved_before_its_reply",
                "a_socket_cannot_get_a_new_id",
                "a_log_out_in_a_socket_is_final",
            ],
            flawed,
        ),
        (
            F::InterimResponseVaries,
            &["an_interim_response_carries_no_header_of_ours"],
            flawed,
        ),
        (
            F::TrailerReadAsHeader,
            &["a_cookie_in_a_trailer_is_not_read"],
            flawed,
        ),
    ]);
    println!("{found}");
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn every_flaw_of_a_store_is_found_by_the_trial_of_its_rule() {
    use stores::Flaw as F;
    let (found, unnoticed) = try_all(&[
        (
            F::DeadlineNeverComes,
            &["an_idle_session_ends_at_its_deadline_and_not_before"],
            on_broken,
        ),
        (
            F::OldIdStaysAlive,
            &[
                "the_old_id_is_dead_at_once_after_regenerate",
                "log_in_gives_a_new_id_and_the_old_one_is_dead_at_once",
                "log_in_while_twenty_requests_run_leaves_one_new_id",
                "a_socket_follows_a_regenerated_id",
                "a_socket_does_not_write_into_another_users_session",
            ],
            on_broken,
        ),
        (
            F::VersionIgnored,
            &[
                "overlapping_writes_to_different_keys_are_both_kept",
                "a_regenerate_in_flight_keeps_what_others_wrote",
                "a_flash_is_shown_by_exactly_one_of_two_overlapping_requests",
                "a_socket_that_is_open_for_long_keeps_what_others_wrote",
            ],
            on_broken,
        ),
        (
            F::DeletedKeyRevived,
            &[
                "a_write_in_flight_does_not_bring_back_a_destroyed_session",
                "a_stream_whose_session_has_ended_says_so",
                "a_log_out_elsewhere_ends_what_a_socket_may_write",
            ],
            on_broken,
        ),
        (
            F::ExpiredKeyRevived,
            &["a_write_in_flight_does_not_bring_back_an_expired_session"],
            on_broken,
        ),
        (
            F::TakenKeyOverwritten,
            &["an_id_that_is_taken_is_not_given_out"],
            on_broken,
        ),
        (
            F::TouchDoesNothing,
            &[
                "reading_keeps_a_session_alive",
                "a_client_that_goes_at_any_verb_leaves_the_old_session_or_the_new_one",
                "a_client_that_goes_over_http_2_at_any_verb_leaves_the_old_session_or_the_new_one",
            ],
            on_broken,
        ),
        (
            F::TouchOnEveryRead,
            &["a_session_that_is_only_read_is_touched_once_in_a_tenth_of_its_lifetime"],
            on_broken,
        ),
        (
            F::DeleteDoesNothing,
            &[
                "destroy_is_carried_out_on_5xx",
                "a_client_that_goes_during_a_destroy_can_destroy_again",
            ],
            on_broken,
        ),
        (
            F::UsersForgotten,
            &["the_other_sessions_are_ended", "all_sessions_are_ended"],
            on_broken,
        ),
        (
            F::UserForgedOnLoad,
            &["data_comes_back_until_it_is_removed"],
            on_broken,
        ),
    ]);
    println!("{found}");
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn an_adapter_without_http_2_says_so_or_fails() {
    let unaware = flawed(Flaw::Http2Unknown);
    let failed = unaware.outcome_of(HTTP_2).map(|outcome| outcome.result);
    assert!(matches!(failed, Some(Err(_))), "{failed:?}");
    let honest = unaware.except(HTTP_2, "it is HTTP/1.1 by hand");
    assert!(honest.outcome_of(HTTP_2).is_none());
}

#[test]
fn an_adapter_that_goes_the_other_way_says_so_or_fails() {
    let passes = |suite: Suite, rule| suite.outcome_of(rule).map(|outcome| outcome.result.is_ok());
    let try_both = |goes_first, goes_other, first, other| {
        let silent_is = |flaw| passes(silent(flaw), first);
        assert_eq!(silent_is(goes_first), Some(true), "{goes_first:?}: {first}");
        let failed = silent_is(goes_other);
        assert_eq!(failed, Some(false), "{goes_other:?}: {first}");
        let declared_is = |flaw| passes(silent(flaw).declares(other), other);
        let passed = declared_is(goes_other);
        assert_eq!(passed, Some(true), "{goes_other:?}: {other}");
        // A server may hear too late that a client has gone, where others have the processor.
        let failed = (0..3).any(|_| declared_is(goes_first) == Some(false));
        assert!(failed, "{goes_first:?}: {other}");
    };
    std::thread::scope(|scope| {
        for (goes_first, goes_other, first, other) in [
            (
                Flaw::None,
                Flaw::LineWithoutUtf8Dropped,
                "a_byte_that_is_no_utf8_in_anothers_cookie_does_no_harm",
                "a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped",
            ),
            (
                Flaw::None,
                Flaw::HandlerGoesOn,
                "a_handler_is_dropped_when_its_client_leaves",
                "a_handler_goes_on_when_its_client_leaves",
            ),
            (
                Flaw::None,
                Flaw::HandlerGoesOn,
                "a_handler_is_dropped_when_its_client_leaves_over_http_2",
                "a_handler_goes_on_when_its_client_leaves_over_http_2",
            ),
            (
                Flaw::ConnectionClosedOnPanic,
                Flaw::None,
                "a_panic_closes_the_connection",
                "a_panic_is_answered_with_500",
            ),
        ] {
            scope.spawn(move || try_both(goes_first, goes_other, first, other));
        }
    });
}

const HTTP_2: &str = "the_crumbs_of_an_http_2_request_are_all_read";

fn flawed(flaw: Flaw) -> Suite {
    silent(flaw).declares("a_panic_is_answered_with_500")
}

/// As [`flawed`], but it does not say which ways it goes.
fn silent(flaw: Flaw) -> Suite {
    adapter_suite(format!("{flaw:?}"), move |sessions, address| {
        reference::serve(&sessions, address, flaw);
    })
}

fn on_broken(flaw: stores::Flaw) -> Suite {
    adapter_suite_on(
        format!("{flaw:?}"),
        move || async move { BrokenStore::open(flaw) },
        |sessions, address| reference::serve(&sessions, address, Flaw::None),
    )
}
