//! The suite that every adapter passes.

mod browser;
mod cookie;
mod departure;
mod dice;
mod http;
mod ledger;
mod logs;
mod multiplexed;
mod site;
mod streaming;
mod websocket;

mod bodies;
mod caching;
mod clearing;
mod cookies;
mod costs;
mod data;
mod disconnects;
mod endings;
mod failures;
mod flashes;
mod handlers;
mod headers;
mod hostile;
mod http2;
mod lifetimes;
mod logins;
mod outages;
mod overlaps;
mod records;
mod rotation;
mod secrets;
mod sockets;
mod streams;
mod unknown_ids;
mod users;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anysession::{MemoryStore, Sessions, Store};

use crate::suite::{Failure, Suite, block_on};
use site::{Serve, World};

/// One trial for each promise that a visitor can see, against an adapter that serves the [probe](crate::probe).
///
/// `serve` serves the probe of these sessions on this address and blocks; the suite calls it on a thread of its own for
/// each trial, and leaves the thread alone until the process ends. Requests come over real TCP connections, some of
/// them as no browser would send them. Deadlines are tried with a clock that the suite sets, races with gates, and an
/// outage with a store that fails as told, so that nothing waits.
///
/// A framework that does not serve what a trial needs [says so](Suite::except), and why; that is HTTP/2 without TLS for
/// some, which the trials with `http_2` in their names ask for. Where frameworks go one of two ways and both are right, an
/// adapter [declares](Suite::declares) the second one, and that is tried instead:
///
/// | instead of | |
/// | --- | --- |
/// | `a_panic_closes_the_connection` | `a_panic_is_answered_with_500` |
/// | `a_handler_is_dropped_when_its_client_leaves` | `a_handler_goes_on_when_its_client_leaves` |
/// | `a_handler_is_dropped_when_its_client_leaves_over_http_2` | `a_handler_goes_on_when_its_client_leaves_over_http_2` |
/// | `a_byte_that_is_no_utf8_in_anothers_cookie_does_no_harm` | `a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped` |
///
/// With an adapter for axum, `tests/suite.rs` (and `[[test]] name = "suite"`, `harness = false` in its `Cargo.toml`) is
///
/// ```no_run
/// use std::{net::SocketAddr, process::ExitCode};
///
/// use anysession::Sessions;
/// use anysession_testkit::{adapter_suite, run};
///
/// fn main() -> ExitCode {
///     run([adapter_suite("axum", serve)])
/// }
///
/// fn serve(sessions: Sessions, address: SocketAddr) {
///     // Starts a runtime, and serves the probe on it until the process ends.
///     # let _ = (sessions, address);
/// }
/// ```
pub fn adapter_suite<S>(name: impl Into<String>, serve: S) -> Suite
where
    S: Fn(Sessions, SocketAddr) + Send + Sync + 'static,
{
    let open = || async { Arc::new(MemoryStore::new()) as Arc<dyn Store> };
    adapter_suite_on(name, open, serve)
}

/// The servers of all trials stay until the process ends. Many systems begin with 1,024 files, or 256, and allow more to
/// whoever asks.
#[cfg(unix)]
fn open_more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const ENOUGH: u64 = 8192;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < ENOUGH) {
        let current = Some(limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH)));
        // If it is refused, so are some files later, which is told then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

/// The [`adapter_suite`] on other stores than the memory store: `open` gives each trial an empty one.
///
/// ```no_run
/// # use std::{net::SocketAddr, sync::Arc};
/// # use anysession::{Sessions, Store};
/// # use anysession_testkit::{ReferenceStore, adapter_suite_on};
/// # fn serve(_: Sessions, _: SocketAddr) {}
/// # let _ =
/// adapter_suite_on("axum_on_reference", || async {
///     Arc::new(ReferenceStore::new()) as Arc<dyn Store>
/// }, serve)
/// # ;
/// ```
pub fn adapter_suite_on<Open, Opening, S>(name: impl Into<String>, open: Open, serve: S) -> Suite
where
    Open: Fn() -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Arc<dyn Store>> + Send + 'static,
    S: Fn(Sessions, SocketAddr) + Send + Sync + 'static,
{
    #[cfg(unix)]
    open_more_files();
    let mut suite = Suite::new(name);
    let open: self::Open = Arc::new(move || Box::pin(open()));
    let serve: Serve = Arc::new(serve);
    let run = |trial: AdapterTrial| {
        let (open, serve) = (Arc::clone(&open), Arc::clone(&serve));
        move || {
            let world = World::new(Arc::clone(&open), Arc::clone(&serve));
            block_on(async move {
                trial(world.clone()).await?;
                for site in world.sites() {
                    site.keeps_its_ids_secret().await?;
                }
                Ok(())
            })
        }
    };
    for &(rule, trial, other) in TRIALS {
        suite.add(rule, run(trial));
        if let Some(&(rule, trial)) = other {
            suite.add_other(rule, run(trial));
        }
    }
    suite
}

type Open = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send>> + Send + Sync>;
type Work = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
type AdapterTrial = fn(World) -> Work;

/// Returns a [`Failure`] unless both are equal.
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($rule:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => $crate::suite::ensure!(
                *actual == *expected,
                "{}: expected {:?}, got {:?}",
                format_args!($($rule)+),
                expected,
                actual
            ),
        }
    };
}
use ensure_eq;

/// A table of trials under the names of their functions, each with the other way if there are two.
macro_rules! trials {
    ($($group:ident: $($rule:ident $(or $other:ident)?),+;)+) => {
        &[$($((
            stringify!($rule),
            |world| Box::pin($group::$rule(world)),
            [$((stringify!($other), (|world| Box::pin($group::$other(world))) as AdapterTrial))?].first(),
        )),+),+]
    };
}

type Other = Option<&'static (&'static str, AdapterTrial)>;

const TRIALS: &[(&str, AdapterTrial, Other)] = trials! {
    costs:
        a_route_that_ignores_the_session_costs_nothing,
        reading_costs_one_round_trip,
        reading_and_writing_costs_two_round_trips,
        a_new_session_costs_one_round_trip,
        regenerating_the_id_costs_three_round_trips,
        log_in_on_a_new_session_costs_at_most_two_round_trips,
        reading_without_a_cookie_writes_nothing_and_sets_no_cookie,
        a_session_that_is_only_read_is_touched_once_in_a_tenth_of_its_lifetime;
    cookies:
        a_new_session_sets_one_cookie_with_safe_attributes,
        a_write_to_a_known_session_sets_no_cookie,
        the_cookie_of_a_permanent_session_has_max_age,
        a_session_becomes_permanent_and_back,
        a_touch_sends_a_permanent_cookie_again,
        the_cookie_never_outlives_the_session,
        the_removal_cookie_has_the_same_attributes,
        a_cookie_that_is_configured_otherwise_is_set_read_and_removed;
    caching:
        a_response_that_read_the_session_varies_by_cookie,
        error_pages_vary_by_cookie,
        vary_is_merged_not_duplicated,
        the_applications_cache_control_is_kept;
    headers:
        the_applications_cookies_are_untouched,
        no_response_has_two_session_cookies,
        head_does_what_get_does,
        responses_without_a_body_carry_the_cookie,
        what_the_framework_answers_by_itself_costs_nothing;
    bodies:
        an_interim_response_carries_no_header_of_ours,
        a_cookie_in_a_trailer_is_not_read;
    data:
        data_comes_back_until_it_is_removed,
        clear_removes_the_data_and_keeps_the_user,
        text_comes_back_character_by_character,
        overlapping_writes_to_different_keys_are_both_kept,
        fifty_overlapping_increments_are_fifty,
        of_two_inserts_of_one_key_the_later_save_wins,
        a_client_error_keeps_the_changes;
    clearing:
        overlapping_removals_leave_other_keys_alone,
        a_clear_in_flight_is_replayed_on_the_newest_data,
        settings_and_data_of_overlapping_requests_are_both_kept;
    endings:
        a_read_in_flight_does_not_bring_back_a_destroyed_session,
        a_permanent_read_in_flight_does_not_send_the_cookie_of_a_destroyed_session,
        a_write_in_flight_does_not_bring_back_a_destroyed_session,
        a_regenerate_in_flight_does_not_bring_back_a_destroyed_session,
        a_write_in_flight_does_not_bring_back_an_expired_session,
        a_regenerate_in_flight_does_not_bring_back_an_expired_session,
        a_write_in_flight_does_not_bring_back_a_revoked_session,
        a_log_in_in_flight_begins_a_fresh_session_after_a_destroy,
        a_destroy_in_flight_after_a_destroy_says_nothing,
        destroy_is_carried_out_on_5xx,
        a_destroy_before_a_panic_or_a_5xx_is_final,
        a_destroy_that_the_store_refuses_is_503_and_removes_the_cookie,
        a_destroy_reaches_the_store_after_a_sibling_request_was_aborted,
        destroy_then_insert_begins_a_session_under_a_fresh_id;
    overlaps:
        a_write_in_flight_follows_a_regenerated_id,
        a_permanent_read_in_flight_does_not_send_the_replaced_id_again,
        a_write_in_flight_is_dropped_when_the_user_has_changed,
        a_regenerate_in_flight_keeps_what_others_wrote,
        a_regenerate_in_flight_leaves_a_regenerated_id_alone,
        a_regenerate_in_flight_is_dropped_when_the_user_has_changed,
        a_log_in_in_flight_keeps_what_others_wrote,
        a_log_in_in_flight_follows_the_same_user,
        a_log_in_in_flight_leaves_somebody_elses_session_alone,
        a_destroy_in_flight_takes_what_others_wrote_with_it,
        a_destroy_in_flight_follows_a_regenerated_id,
        a_destroy_in_flight_leaves_somebody_elses_session_alone,
        a_cookie_saved_in_mid_request_is_not_sent_when_the_session_has_ended;
    rotation:
        the_old_id_is_dead_at_once_after_regenerate,
        regenerate_keeps_data_and_absolute_deadline,
        regenerate_without_a_session_does_nothing,
        a_write_with_the_old_id_within_the_grace_is_dropped_without_a_cookie,
        after_the_grace_the_old_id_is_like_an_unknown_one,
        destroy_with_the_old_id_ends_the_successor,
        destroy_with_the_old_id_leaves_another_users_session_alone,
        log_in_with_the_old_id_of_an_anonymous_session_keeps_nothing_of_the_successor;
    logins:
        log_in_gives_a_new_id_and_the_old_one_is_dead_at_once,
        log_in_keeps_the_data_of_an_anonymous_session,
        log_in_as_the_same_user_keeps_the_data,
        log_in_as_another_user_clears_the_data,
        log_in_resets_the_absolute_deadline,
        log_in_while_twenty_requests_run_leaves_one_new_id,
        destroy_then_log_in_begins_a_fresh_session;
    failures:
        a_5xx_or_408_changes_nothing,
        a_5xx_leaves_the_id_as_it_was,
        a_panic_changes_nothing,
        an_error_from_further_in_counts_by_its_status,
        what_save_has_committed_stays_on_5xx,
        what_save_has_committed_stays_after_a_panic,
        a_cookie_that_save_called_for_is_sent_on_5xx,
        a_cookie_that_save_called_for_is_sent_when_the_closing_save_fails;
    outages:
        a_store_that_is_down_at_load_is_503_and_nothing_is_written,
        a_store_that_is_down_at_save_is_503_without_a_cookie,
        a_write_of_unknown_result_is_never_sent_again,
        a_store_that_is_full_is_503,
        a_session_that_stays_contended_is_503,
        a_touch_that_fails_does_not_fail_the_request,
        a_verb_that_never_answers_hurts_only_its_own_request,
        a_random_source_that_fails_is_503_and_stores_nothing,
        an_id_that_is_taken_is_not_given_out;
    handlers:
        a_panic_closes_the_connection
            or a_panic_is_answered_with_500,
        a_handler_is_dropped_when_its_client_leaves
            or a_handler_goes_on_when_its_client_leaves,
        a_handler_is_dropped_when_its_client_leaves_over_http_2
            or a_handler_goes_on_when_its_client_leaves_over_http_2;
    disconnects:
        a_client_that_goes_before_the_commit_changes_nothing_or_all,
        a_client_that_goes_over_http_2_before_the_commit_changes_nothing_or_all,
        a_client_that_goes_at_any_verb_leaves_the_old_session_or_the_new_one,
        a_client_that_goes_over_http_2_at_any_verb_leaves_the_old_session_or_the_new_one,
        a_client_that_goes_during_a_destroy_can_destroy_again,
        a_log_out_is_carried_out_when_its_client_has_gone,
        a_log_out_is_carried_out_when_its_client_over_http_2_has_gone;
    streams:
        the_commit_of_a_stream_is_done_before_its_headers,
        a_stream_begins_with_its_cookie_and_goes_on_later,
        a_save_in_a_stream_is_committed,
        a_save_in_a_stream_that_needs_a_cookie_is_an_error,
        a_write_in_a_stream_that_is_not_saved_is_an_event,
        a_stream_whose_session_has_ended_says_so,
        a_client_that_leaves_a_stream_keeps_what_was_committed,
        a_panic_in_a_stream_keeps_what_was_committed,
        a_stream_that_cannot_be_committed_is_503;
    sockets:
        the_commit_of_a_socket_is_done_before_its_101,
        the_101_of_a_socket_carries_the_cookie,
        a_message_is_saved_before_its_reply,
        a_socket_that_is_open_for_long_keeps_what_others_wrote,
        a_socket_cannot_get_a_new_id,
        a_log_out_elsewhere_ends_what_a_socket_may_write,
        a_log_out_in_a_socket_is_final,
        a_socket_follows_a_regenerated_id,
        a_socket_does_not_write_into_another_users_session,
        a_socket_that_cannot_be_committed_is_503,
        a_save_that_fails_in_a_socket_is_told,
        a_client_that_leaves_a_socket_keeps_what_was_committed;
    unknown_ids:
        an_unknown_id_is_never_adopted,
        an_empty_id_is_never_adopted,
        the_id_of_a_destroyed_session_is_never_adopted,
        guessing_ids_writes_nothing,
        log_out_without_a_session_writes_nothing;
    hostile:
        a_malformed_id_costs_no_round_trip,
        an_id_of_the_right_length_costs_one_look_up_at_most,
        the_cookie_header_is_read_byte_by_byte,
        a_byte_that_is_no_utf8_in_anothers_cookie_does_no_harm
            or a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped,
        several_cookie_headers_are_all_read,
        of_several_cookies_the_first_that_loads_counts,
        a_thousand_cookies_of_our_name_cost_four_look_ups,
        ten_thousand_other_cookies_do_no_harm,
        a_64_kib_cookie_header_does_no_harm;
    http2:
        the_crumbs_of_an_http_2_request_are_all_read;
    lifetimes:
        an_idle_session_ends_at_its_deadline_and_not_before,
        reading_keeps_a_session_alive,
        the_absolute_lifetime_never_slides,
        set_lifetime_is_for_one_session,
        a_clock_that_was_set_back_extends_nothing,
        a_clock_that_was_set_forward_ends_the_session;
    records:
        a_corrupt_record_is_no_session_and_stays_as_it_is,
        a_cut_off_record_is_no_session_and_stays_as_it_is,
        a_record_under_anothers_key_is_no_session,
        a_record_with_anothers_name_is_no_session,
        a_record_of_a_newer_format_is_not_overwritten,
        a_value_that_is_too_large_fails_at_insert;
    flashes:
        a_flash_is_shown_once,
        flashes_are_taken_by_category,
        a_flash_is_shown_by_exactly_one_of_two_overlapping_requests,
        overlapping_flashes_are_all_kept,
        a_failed_request_shows_no_flash_away;
    users:
        a_users_sessions_are_listed_with_the_current_one_marked,
        one_session_is_ended_by_its_handle,
        a_handle_of_somebody_else_ends_nothing,
        the_other_sessions_are_ended,
        ending_the_others_spares_a_session_that_was_regenerated,
        ending_the_others_finds_a_log_in_that_came_in_between,
        all_sessions_are_ended,
        without_a_user_it_is_401,
        require_recent_asks_to_sign_in_again;
    secrets:
        no_id_reaches_a_log_line_or_the_store;
};
