//! Runs every model.

#![cfg(loom)]

use ringtract::models;

#[test]
fn the_last_push_before_a_drop_is_not_lost() {
    models::last_push_then_drop();
}

#[test]
fn a_batch_published_by_a_drop_is_not_lost() {
    models::staged_batch_then_drop();
}

#[test]
fn a_producer_before_a_full_lane_sees_its_consumer_leave() {
    models::full_lane_then_consumer_leaves();
}

#[test]
fn what_is_put_beside_a_consumer_that_leaves_dies_once() {
    models::consumer_leaves_beside_puts();
}

#[test]
fn room_once_seen_does_not_go_away() {
    models::room_stays();
}

#[test]
fn a_batch_for_which_there_was_room_is_published_whole() {
    models::batch_finds_room();
}

#[test]
fn a_batch_that_its_maker_fills_is_published_whole() {
    models::filled_batch_finds_room();
}

#[test]
fn two_producers_of_one_inlet_close_in_either_order() {
    models::two_producers_close();
}

#[test]
fn a_send_that_was_accepted_is_delivered_despite_a_stop() {
    models::send_against_stop();
}

#[test]
fn a_send_that_was_accepted_is_delivered_despite_the_last_drop() {
    models::send_then_drop();
}

#[test]
fn a_clean_up_behind_a_fan_out_runs_once_with_the_last_copy() {
    models::cleanup_after_fan_out();
}

#[test]
fn an_envelope_that_travels_apart_finds_its_value() {
    models::letter_finds_its_value();
}

#[test]
fn no_wake_up_is_lost_when_both_ends_park() {
    models::waking::both_ends_park();
}

#[test]
fn a_lane_that_closes_while_its_consumer_parks_is_seen() {
    models::waking::close_while_parking();
}

#[test]
fn a_consumer_that_leaves_wakes_a_parked_producer() {
    models::waking::consumer_leaves_a_parked_producer();
}

#[test]
fn a_stop_reaches_everybody_who_is_parked() {
    models::waking::stop_while_parked();
}

#[test]
fn a_parked_input_is_woken_by_a_send() {
    models::waking::parked_input();
}

#[test]
fn a_parked_input_is_woken_by_the_last_drop() {
    models::waking::orphaned_input();
}

#[test]
fn a_stolen_token_does_not_lose_a_ring() {
    models::waking::stolen_token();
}

#[test]
fn nobody_runs_before_the_start_and_all_do_after_it() {
    models::owning::start_barrier();
}

#[test]
fn the_first_failure_is_told_and_nobody_runs() {
    models::owning::first_failure_wins();
}

#[test]
fn histograms_taken_while_they_are_written_hold_everything_once() {
    models::owning::epoch_swap();
}

#[test]
fn a_stop_while_lanes_are_full_drains_what_was_given() {
    models::steps::stop_while_full();
}

#[test]
fn a_worker_that_panics_releases_both_its_neighbours() {
    models::steps::panic_releases_neighbours();
}

#[test]
fn a_fan_out_ends_after_all_its_branches() {
    models::steps::fan_out_closes();
}

#[test]
fn a_fan_out_serves_the_branch_that_is_left() {
    models::steps::fan_out_outlives_a_branch();
}

#[test]
fn a_caller_who_gives_up_has_the_answer_or_never_sees_it() {
    models::calls::answer_against_giving_up();
}

#[test]
fn a_caller_who_leaves_while_the_answer_comes_leaves_nothing() {
    models::calls::answer_against_leaving();
}

#[test]
fn a_parked_caller_is_woken_by_the_answer() {
    models::calls::parked_caller();
}

#[test]
fn a_polled_ticket_is_answered_or_woken() {
    models::calls::polled_ticket();
}

#[test]
fn a_caller_parked_for_a_place_is_woken_by_the_end_of_a_call() {
    models::calls::parked_for_a_place();
}

#[test]
fn a_caller_parked_for_a_place_is_woken_by_a_close() {
    models::calls::parked_while_closing();
}

#[test]
fn a_call_beside_a_close_is_answered_or_refused() {
    models::calls::call_against_close();
}

#[test]
fn the_end_of_a_run_answers_for_what_never_died() {
    models::calls::answer_against_the_end();
}
