//! What this store does in its own way: on which commands, in which keys, and who may open it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod flask;
mod keys;
mod opening;
mod secrets;

fn main() -> std::process::ExitCode {
    common::run(common::tests! {
        commands:
            every_verb_is_one_round_trip,
            requests_cost_the_round_trips_that_are_promised,
            requests_cost_the_commands_that_are_promised,
            what_has_expired_is_replaced_by_what_begins,
            every_verb_is_one_round_trip_also_for_a_user_and_in_a_cluster,
            no_command_looks_through_the_keys_of_others,
            a_server_that_forgot_its_scripts_learns_them_again;
        flask:
            flask_finds_the_bare_value_under_prefix_and_id,
            a_storm_of_sessions_that_are_shared_with_flask_loses_nothing;
        keys:
            applications_with_different_prefixes_do_not_meet,
            redis_removes_a_session_some_time_after_its_deadline,
            a_server_clock_that_is_off_changes_no_answer,
            the_edges_of_time_are_no_errors,
            what_another_wrote_is_no_session_and_stays,
            a_record_in_a_newer_format_or_cut_off_is_no_session_and_stays,
            the_index_of_a_user_expires_with_the_last_session,
            the_index_is_pruned_when_it_is_read;
        opening:
            a_client_of_the_application_will_do,
            a_managed_connection_of_the_application_will_do,
            a_cluster_of_the_application_will_do,
            each_runtime_has_a_connection_that_ends_with_it,
            an_option_that_is_wrong_is_refused,
            a_server_that_is_not_there_is_an_error_in_time,
            a_certificate_of_an_unknown_ca_is_refused,
            a_verb_outside_of_a_runtime_is_an_error;
        secrets:
            a_password_is_in_no_error_and_in_no_debug,
            a_server_that_repeats_what_it_was_sent_gives_no_password_away,
            what_a_server_repeats_of_a_command_is_not_printed;
    })
}
