//! Servers that die, fail over, move keys, fall silent or fill up.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a storm says what it saw"
)]

#[path = "../common/mod.rs"]
mod common;
mod outages;
mod replicas;
mod silence;
mod storms;

fn main() -> std::process::ExitCode {
    common::run(common::tests! {
        outages:
            an_outage_costs_bounded_time_and_is_over_within_seconds,
            an_outage_of_a_cluster_costs_bounded_time_and_is_over_within_seconds,
            a_node_that_dies_is_replaced_by_its_replica,
            in_a_cluster_the_index_is_never_ahead_of_the_record,
            a_server_that_is_full_says_so_and_loses_nothing,
            a_server_that_became_a_replica_is_left_for_one_that_is_not;
        silence:
            a_silent_server_is_given_up_in_time,
            a_write_whose_answer_is_lost_is_an_error_and_is_not_sent_again,
            a_write_to_a_cluster_whose_answer_is_lost_is_not_sent_again,
            an_answer_that_comes_too_late_is_given_to_nobody,
            a_connection_that_breaks_inside_an_answer_is_replaced;
        replicas:
            a_log_out_that_no_replica_knows_is_an_error_if_it_must_be_replicated,
            a_master_that_was_stopped_comes_back_as_a_replica_and_is_not_asked;
        storms:
            a_killed_server_with_an_append_only_file_loses_nothing_in_a_storm,
            a_managed_connection_of_the_application_loses_nothing_in_a_storm,
            a_killed_server_without_one_mixes_nothing_up_in_a_storm,
            a_failover_undoes_nothing_that_was_replicated_in_a_storm,
            a_failover_mixes_nothing_up_in_a_storm,
            a_node_that_dies_undoes_nothing_that_was_replicated_in_a_storm,
            slots_move_under_a_storm;
    })
}
