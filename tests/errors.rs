//! Errors: every message is one line that names the stage and says what to do.

mod common;

use std::error::Error as _;

use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    Error, NoInput, Placement, Setup, Tract, fan_out, feed, final_output, for_each, parallel,
    serial, source, worker,
};

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

/// A stage, deep inside.
fn nested(stage: Tract<u64, u64>) -> Tract<NoInput, u64> {
    serial("orders", source("feed", 1, || 0..3_u64).then(parallel("archive", [stage])))
}

/// The one message of all ways to meet this error.
fn message(tract: &Tract<NoInput, u64>) -> String {
    let error = tract.plan().expect_err("it is refused").to_string();
    for way in EVERY_WAY {
        let same = tract.setup().placement(way).run(drop).expect_err("it is refused");
        assert_eq!(same.to_string(), error, "{way:?}");
    }
    let initialised = tract.init(final_output()).expect_err("it is refused");
    assert_eq!(initialised.to_string(), error);
    assert_eq!(error.lines().count(), 1);
    error
}

#[test]
fn an_empty_pool() {
    assert_eq!(
        message(&nested(stage("slow disk", 0))),
        "stage `orders/archive/slow disk` has a pool of 0 workers: give it at least 1"
    );
}

#[test]
fn an_empty_group() {
    let nobody: [Tract<u64, u64>; 0] = [];
    assert_eq!(
        message(&nested(fan_out("disks", nobody))),
        "group `orders/archive/disks` has no members: give it at least 1"
    );
}

#[test]
fn a_capacity_that_no_ring_can_have() {
    for asked in [0, (1 << 24) + 1, usize::MAX] {
        assert_eq!(
            message(&nested(stage("disk", 1).capacity(asked))),
            format!(
                "the lanes of `orders/archive/disk` cannot have the capacity {asked}: choose 1 to 16777216"
            )
        );
    }
    for fine in [1, 1 << 24] {
        nested(stage("disk", 1).capacity(fine)).plan().expect("the limits are in");
    }
}

fn setup_message(configure: impl Fn(Setup<'_, NoInput, u64>) -> Setup<'_, NoInput, u64>) -> String {
    let tract = nested(stage("disk", 1));
    let error = configure(tract.setup()).plan().expect_err("it is refused").to_string();
    let same = configure(tract.setup()).run(drop).expect_err("it is refused");
    assert_eq!(same.to_string(), error);
    error
}

#[test]
fn a_capacity_of_the_run_that_no_ring_can_have() {
    for asked in [0, (1 << 24) + 1] {
        assert_eq!(
            setup_message(|setup| setup.capacity(asked)),
            format!("a run's lanes cannot have the capacity {asked}: choose 1 to 16777216")
        );
    }
}

#[test]
fn a_capacity_of_a_feed_that_no_ring_can_have() {
    let (_feed, input) = feed(0);
    let tract = stage("disk", 1);
    let error = tract.setup().init_fed(input, final_output()).expect_err("no room");
    let expected = "the lanes of `input` cannot have the capacity 0: choose 1 to 16777216";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_empty_batch() {
    assert_eq!(
        message(&nested(stage("disk", 1).batch(0))),
        "stage `orders/archive/disk` has a batch of 0: choose 1 for none, or more"
    );
}

#[test]
fn a_core_that_is_not_there() {
    let tract = nested(stage("disk", 1).on_core(4711));
    let Err(Error::NoSuchCore { path, core, cores }) = tract.plan() else { panic!("no such core") };
    assert_eq!((path.as_str(), core), ("orders/archive/disk", 4711));
    assert!(!cores.is_empty());
    assert_eq!(
        message(&tract),
        format!(
            "stage `orders/archive/disk` asks for core 4711, but this process may use {cores:?}: choose one of them"
        )
    );
}

#[test]
fn no_threads() {
    assert_eq!(
        setup_message(|setup| setup.placement(Placement::Threads(0))),
        "a placement on 0 threads: choose at least 1, or `Placement::Inline`"
    );
}

#[test]
fn an_inline_placement_without_a_caller() {
    let tract = nested(stage("disk", 1));
    let setup = tract.setup().placement(Placement::Inline { seed: 1 });
    let error = setup.init(final_output()).expect_err("nobody gives turns");
    assert!(matches!(error, Error::InlineNeedsCaller));
    assert_eq!(
        error.to_string(),
        "an inline placement has no threads to start: use `run`, or `init_inline`, or another placement"
    );
}

#[test]
fn a_factory_that_fails() {
    within_a_minute(|| {
        let mut made = 0;
        let tract = nested(worker("disk", 3, move || {
            made = (made + 1) % 3;
            if made == 0 { Err("no space left") } else { Ok(|n: u64| n) }
        }));
        let error = tract.init(for_each(drop)).expect_err("no space");
        assert_eq!(
            error.to_string(),
            "the factory of `orders/archive/disk` could not make worker 2: no space left"
        );
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no space left"));
    });
}

#[test]
fn a_factory_that_panics() {
    within_a_minute(|| {
        for (panic, said) in [
            ((|| panic!("no space")) as fn() -> fn(u64) -> u64, "no space"),
            (|| panic!("no {}", "space"), "no space"),
            (|| std::panic::panic_any(28), "a panic without a message"),
        ] {
            let tract = nested(worker("disk", 1, panic));
            assert_eq!(
                tract.init(final_output()).expect_err("no space").to_string(),
                format!("the factory of `orders/archive/disk` panicked making worker 0: {said}")
            );
        }
    });
}

#[test]
fn a_factory_that_is_closed() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let tract = nested(stage("disk", 1).close_factory());
            tract.setup().placement(way).run(drop).expect("runs once");
            let error = tract.setup().placement(way).run(drop).expect_err("and not twice");
            assert!(
                matches!(&error, Error::FactoryClosed { path } if path == "orders/archive/disk")
            );
            assert_eq!(
                error.to_string(),
                "the factory of `orders/archive/disk` was closed after an earlier run: leave out `close_factory` to run it again"
            );
        }
    });
}

/// That the system's refusal leads to this error is tested with S09.
#[test]
fn a_thread_that_the_system_refuses() {
    let error =
        Error::Thread { name: "orders/disk".to_owned(), source: std::io::Error::other("too many") };
    assert_eq!(
        error.to_string(),
        "the system gave no thread for `orders/disk`: too many; use fewer threads"
    );
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("too many"));
}

#[test]
fn what_is_wrong_first_is_told_first() {
    let tract = nested(stage("first", 0)).then(stage("second", 0)).then(stage("third", 1).batch(0));
    let error = tract.plan().expect_err("three things are wrong");
    assert!(matches!(&error, Error::EmptyPool { path } if path == "orders/archive/first"));
}
