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
fn room_once_seen_does_not_go_away() {
    models::room_stays();
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
