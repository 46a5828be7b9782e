//! When clean-ups run, where, in which order, and what copies of a request have in common. S35, S39.

mod common;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::deaths::{Deaths, marked, watched};
use common::probe::run_to;
use common::{EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    BoxError, Envelope, NoInput, Outcome, Placement, Request, Tract, fan_out, filter_map,
    final_output, flat_map, outcome, output, parallel, source, worker,
};

/// Runs a test in every way, quietly, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    hush_meant_panics();
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

/// Clean-ups that have run: where each was added, for which request, with what flag, on which thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Entry>>>);

type Entry = (&'static str, u64, bool, ThreadId);

impl Log {
    fn add(&self, place: &'static str, n: u64, request: &mut Envelope) {
        let log = self.clone();
        request.on_end(move |success| {
            let event = (place, n, success, thread::current().id());
            log.0.lock().expect("no panic in here").push(event);
        });
    }

    /// A worker that adds two clean-ups and says what becomes of the request.
    fn adds(
        &self,
        places: [&'static str; 2],
        ending: fn(u64) -> Outcome<u64>,
        threads: &Threads,
    ) -> Tract<u64, u64> {
        let (log, threads) = (self.clone(), threads.clone());
        worker(places[0], 1, move || {
            let (log, threads) = (log.clone(), threads.clone());
            outcome(move |n: u64, request: &mut Envelope| {
                threads.note(places[0]);
                places.iter().for_each(|place| log.add(place, n, request));
                ending(n)
            })
        })
    }

    fn of(&self, n: u64) -> Vec<(&'static str, bool, ThreadId)> {
        let log = self.0.lock().expect("no panic in there");
        let of_request = log.iter().filter(|event| event.1 == n);
        of_request.map(|&(place, _, success, thread)| (place, success, thread)).collect()
    }
}

/// Which thread each worker was last seen on.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<BTreeMap<&'static str, ThreadId>>>);

impl Threads {
    fn note(&self, place: &'static str) {
        self.0.lock().expect("no panic in here").insert(place, thread::current().id());
    }

    fn of(&self, place: &str) -> ThreadId {
        self.0.lock().expect("no panic in there")[place]
    }
}

#[test]
fn s35_clean_ups_run_in_the_order_added_on_the_thread_where_the_request_dies() {
    type Ending = fn(u64) -> Outcome<u64>;
    let endings: [(Ending, bool); 4] = [
        (Outcome::Emit, true),
        (|_| Outcome::Discard, false),
        (|_| Outcome::fail("failed"), false),
        (|_| panic!("{MEANT}panic"), false),
    ];
    for (ending, success) in endings {
        in_every_way(move |way| {
            let (log, threads) = (Log::default(), Threads::default());
            let at_source = log.clone();
            let numbers = marked(0..20, move |n, request: &mut Envelope| {
                at_source.add("source", n, request);
            });
            let tract = source("numbers", 1, move || numbers.clone())
                .then(log.adds(["first", "second"], Outcome::Emit, &threads))
                .then(worker("between", 1, || |n: u64| n))
                .then(log.adds(["third", "fourth"], ending, &threads));
            run_to(&tract, way, final_output()).expect("a sound tract");

            let here = threads.of("third");
            let order = ["source", "first", "second", "third", "fourth"];
            let expected = order.map(|place| (place, success, here));
            (0..20).for_each(|n| assert_eq!(log.of(n), expected, "{way:?}"));
        });
    }
}

#[test]
fn s35_at_an_output_clean_ups_run_on_its_thread() {
    in_every_way(|way| {
        let (log, threads) = (Log::default(), Threads::default());
        let tract =
            source("numbers", 1, || 0..20).then(log.adds(["a", "b"], Outcome::Emit, &threads));
        let at_output = threads.clone();
        let end = output(move || {
            Ok::<_, BoxError>(move |_: Request<u64>| {
                at_output.note("output");
            })
        });
        run_to(&tract, way, end).expect("a sound tract");
        let here = threads.of("output");
        let expected = [("a", true, here), ("b", true, here)];
        (0..20).for_each(|n| assert_eq!(log.of(n), expected, "{way:?}"));
    });
}

/// Watched requests: once, and once per copy.
fn watched_twice(count: u64, once: &Deaths, each: &Deaths) -> Tract<NoInput, u64> {
    let (once, each) = (once.clone(), each.clone());
    let numbers = marked(0..count, move |n, request: &mut Envelope| {
        once.watch(n, request);
        each.watch_each(n, request);
    });
    source("numbers", 1, move || numbers.clone())
}

fn pass(name: &str) -> Tract<u64, u64> {
    worker(name, 1, || |n: u64| n)
}

/// Discards some numbers.
fn drops(name: &str, which: fn(u64) -> bool) -> Tract<u64, u64> {
    worker(name, 1, move || filter_map(move |n: u64| (!which(n)).then_some(n)))
}

fn is_odd(n: u64) -> bool {
    n % 2 == 1
}

/// Each request's flags, sorted, since copies die in no certain order.
fn sorted(deaths: &Deaths) -> Vec<Vec<bool>> {
    let flags = deaths.all().into_values().map(|mut flags| {
        flags.sort_unstable();
        flags
    });
    flags.collect()
}

#[test]
fn s39_after_a_fan_out_clean_ups_run_once_with_success_only_if_every_copy_succeeded() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let branches = [pass("a"), drops("b", is_odd), pass("c").then(drops("d", |n| n % 4 == 3))];
        let tract = watched_twice(40, &once, &each).then(fan_out("all", branches));
        run_to(&tract, way, final_output()).expect("a sound tract");

        once.assert_each_once(0..40, |n| !is_odd(n));
        let of_copies = |n: u64| {
            let mut flags = vec![true, !is_odd(n), n % 4 != 3];
            flags.sort_unstable();
            flags
        };
        assert_eq!(sorted(&each), (0..40).map(of_copies).collect::<Vec<_>>(), "{way:?}");
    });
}

#[test]
fn s39_a_clean_up_from_before_a_fan_out_waits_for_the_last_copy() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let numbers = watched(0..10, &deaths);
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let end = output(move || {
            Ok::<_, BoxError>(move |request: Request<u64>| {
                keep.lock().expect("no panic in here").push(request);
            })
        });
        let branches = [pass("a"), pass("b"), pass("c")];
        let tract = source("numbers", 1, move || numbers.clone()).then(fan_out("all", branches));
        run_to(&tract, way, end).expect("a sound tract");

        let mut copies = std::mem::take(&mut *kept.lock().expect("no panic in there"));
        copies.sort_by_key(|request| **request);
        for (at, copy) in copies.into_iter().enumerate() {
            deaths.assert_each_once(0..at as u64 / 3, |_| true);
            drop(copy);
        }
        deaths.assert_each_once(0..10, |_| true);
    });
}

/// Watches each request or copy that passes.
fn watches(name: &str, deaths: &Deaths) -> Tract<u64, u64> {
    let deaths = deaths.clone();
    worker(name, 1, move || {
        let deaths = deaths.clone();
        outcome(move |n: u64, request: &mut Envelope| {
            deaths.watch(n, request);
            Outcome::Emit(n)
        })
    })
}

#[test]
fn s39_clean_ups_added_in_a_branch_are_that_branchs_alone() {
    in_every_way(|way| {
        let (good, bad) = (Deaths::default(), Deaths::default());
        let branches =
            [watches("good", &good), watches("bad", &bad).then(drops("drops", |_| true))];
        let tract = source("numbers", 1, || 0..30).then(fan_out("both", branches));
        run_to(&tract, way, final_output()).expect("a sound tract");
        good.assert_each_once(0..30, |_| true);
        bad.assert_each_once(0..30, |_| false);
    });
}

#[test]
fn s39_nested_fan_outs_each_wait_for_their_own_copies() {
    in_every_way(|way| {
        let [outer, each, inner, leaf] = [(); 4].map(|()| Deaths::default());
        let pair = fan_out("pair", [watches("leaf", &leaf), drops("drops", is_odd)]);
        let branch = watches("inner", &inner).then(pair);
        let tract = watched_twice(30, &outer, &each).then(fan_out("all", [pass("a"), branch]));
        run_to(&tract, way, final_output()).expect("a sound tract");

        outer.assert_each_once(0..30, |n| !is_odd(n));
        inner.assert_each_once(0..30, |n| !is_odd(n));
        leaf.assert_each_once(0..30, |_| true);
        let of_copies = |n| if is_odd(n) { [false, true, true] } else { [true; 3] };
        let expected: Vec<_> = (0..30).map(|n| of_copies(n).to_vec()).collect();
        assert_eq!(sorted(&each), expected, "{way:?}");
    });
}

#[test]
fn s39_the_values_of_one_request_are_copies_of_it() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let tract = watched_twice(30, &once, &each)
            .then(worker("three", 1, || flat_map(|n: u64| [n, n + 1_000, n])))
            .then(drops("drops", |n| n > 1_000 && is_odd(n)));
        run_to(&tract, way, final_output()).expect("a sound tract");

        once.assert_each_once(0..30, |n| !is_odd(n));
        let of_copies = |n| if is_odd(n) { [false, true, true] } else { [true; 3] };
        let expected: Vec<_> = (0..30).map(|n| of_copies(n).to_vec()).collect();
        assert_eq!(sorted(&each), expected, "{way:?}");
    });
}

#[test]
fn s39_a_request_that_becomes_no_values_at_all_is_discarded_with_all_its_clean_ups() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let tract = watched_twice(30, &once, &each)
            .then(worker("none", 1, || flat_map(|_: u64| None::<u64>)));
        run_to(&tract, way, final_output()).expect("a sound tract");
        once.assert_each_once(0..30, |_| false);
        each.assert_each_once(0..30, |_| false);
    });
}

#[test]
fn s39_a_request_that_panics_before_its_first_value_fails_with_all_its_clean_ups() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let torn =
            || flat_map(|n: u64| (0..n).chain([0]).map(|_| -> u64 { panic!("{MEANT}torn") }));
        let tract = watched_twice(30, &once, &each).then(worker("torn", 1, torn));
        run_to(&tract, way, final_output()).expect("a sound tract");
        once.assert_each_once(0..30, |_| false);
        each.assert_each_once(0..30, |_| false);
    });
}

/// A value that cannot be copied.
struct Unique(Cell<u64>);

impl Clone for Unique {
    fn clone(&self) -> Self {
        panic!("{MEANT}copy of {}", self.0.get());
    }
}

#[test]
fn s39_a_request_of_which_no_copy_can_be_made_fails_with_all_its_clean_ups() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let branch = |name| worker(name, 1, || |value: Unique| value.0.get());
        let tract = watched_twice(10, &once, &each)
            .then(worker("unique", 1, || |n: u64| Unique(Cell::new(n))))
            .then(fan_out("both", [branch("a"), branch("b")]));
        run_to(&tract, way, final_output()).expect("a sound tract");
        once.assert_each_once(0..10, |_| false);
        each.assert_each_once(0..10, |_| false);
    });
}

#[test]
fn s39_a_fan_out_behind_a_parallel_group_keeps_its_requests_together() {
    in_every_way(|way| {
        let (once, each) = (Deaths::default(), Deaths::default());
        let pair = |name| fan_out(name, [pass("a"), drops("b", is_odd)]);
        let group = parallel("any", [pair("this"), pair("that")]);
        let tract = watched_twice(60, &once, &each).then(group);
        run_to(&tract, way, final_output()).expect("a sound tract");
        once.assert_each_once(0..60, |n| !is_odd(n));
        let expected: Vec<_> = (0..60).map(|n| vec![!is_odd(n), true]).collect();
        assert_eq!(sorted(&each), expected, "{way:?}");
    });
}
