//! How the values that one request becomes make one answer, in which order, whichever comes first.

mod common;

use std::thread;

use ringtract::{
    CallError, Placement, Service, Tract, Unanswered, fan_out, filter_map, flat_map, parallel,
    worker,
};

use common::{EVERY_THREADED_WAY, within_a_minute};

/// A branch that appends its number, after as many turns of the scheduler as somebody thought up for it.
fn branch(name: &str, size: usize, number: u64) -> Tract<Vec<u64>, Vec<u64>> {
    worker(name, size, move || {
        let mut random = fastrand::Rng::with_seed(number);
        move |mut trail: Vec<u64>| {
            (0..random.u32(0..6)).for_each(|_| thread::yield_now());
            trail.push(number);
            trail
        }
    })
}

fn pair(name: &str, numbers: [u64; 2]) -> Tract<Vec<u64>, Vec<u64>> {
    fan_out(name, numbers.map(|n| branch(&format!("{name} {n}"), 2, n)))
}

type Walks = Service<Vec<u64>, Vec<Vec<u64>>>;

fn all(tract: &Tract<Vec<u64>, Vec<u64>>, placement: Placement) -> Walks {
    tract.setup().placement(placement).service().all().start().expect("a rule is given")
}

/// Calls it from two threads, and compares every answer.
fn always(tract: &Tract<Vec<u64>, Vec<u64>>, expected: &[&[u64]]) {
    for placement in EVERY_THREADED_WAY {
        let service = all(tract, placement);
        thread::scope(|scope| {
            for caller in 0..2 {
                let mut service = service.clone();
                scope.spawn(move || {
                    for _ in 0..100 {
                        let answer = service.call(vec![caller]).expect("every copy arrives");
                        let walks: Vec<_> = answer.iter().map(|walk| &walk[1..]).collect();
                        assert_eq!(walks, expected, "{placement:?}");
                        assert!(answer.iter().all(|walk| walk[0] == caller));
                    }
                });
            }
        });
    }
}

#[test]
fn s44_all_answers_come_in_the_order_of_the_branches() {
    within_a_minute(|| {
        let four = fan_out("four", [3, 1, 4, 2].map(|n| branch(&format!("b{n}"), 2, n)));
        always(&four, &[&[3], &[1], &[4], &[2]]);
    });
}

#[test]
fn s44_branches_inside_branches_count_like_sections_in_chapters() {
    within_a_minute(|| {
        let deep = branch("a", 1, 10).then(pair("deep", [11, 12])).then(branch("z", 2, 13));
        let nested = fan_out("nested", [deep, branch("b", 1, 20), pair("side", [31, 32])]);
        let expected: [&[u64]; 5] = [&[10, 11, 13], &[10, 12, 13], &[20], &[31], &[32]];
        always(&nested, &expected);
    });
}

#[test]
fn s44_one_fan_out_after_the_other_counts_the_first_first() {
    within_a_minute(|| {
        let twice = pair("first", [1, 2]).then(pair("second", [3, 4]));
        always(&twice, &[&[1, 3], &[1, 4], &[2, 3], &[2, 4]]);
        // Which member of a parallel group a copy takes says nothing about its place.
        let either = parallel("either", [branch("e1", 2, 5), branch("e2", 1, 5)]);
        always(&pair("first", [2, 1]).then(either), &[&[2, 5], &[1, 5]]);
    });
}

#[test]
fn s44_the_values_that_a_worker_makes_of_one_keep_their_order() {
    within_a_minute(|| {
        let several = |name: &str, from: u64| {
            worker(name, 1, move || {
                flat_map(move |walk: Vec<u64>| {
                    (from..from + 12).map(move |n| [&walk[..], &[n]].concat())
                })
            })
        };
        let both = fan_out("both", [several("left", 100), several("right", 0)]);
        let expected: Vec<[u64; 2]> = (100..112).chain(0..12).map(|n| [n, 7]).collect();
        let expected: Vec<&[u64]> = expected.iter().map(|walk| &walk[..]).collect();
        always(&both.then(branch("last", 2, 7)), &expected);
    });
}

#[test]
fn s44_k_of_n_come_in_the_order_of_the_branches_as_well() {
    within_a_minute(|| {
        let multiples = |of: u64| {
            worker(format!("of {of}"), 1, move || {
                filter_map(move |n: u64| n.is_multiple_of(of).then_some(of))
            })
        };
        let tract = fan_out("of", [7, 2, 5, 3].map(multiples));
        let mut two = tract.setup().service().at_least(2).start().expect("a rule is given");
        let mut first = tract.setup().service().first().start().expect("a rule is given");
        for n in 1..400_u64 {
            let expected: Vec<_> = [7, 2, 5, 3].into_iter().filter(|k| n % k == 0).collect();
            match two.call(n) {
                Ok(answer) => assert_eq!(answer, expected, "of {n}"),
                Err(error) => {
                    assert!(expected.len() < 2, "of {n}");
                    assert_eq!(error, CallError::Unanswered(Unanswered::Discarded));
                }
            }
            match first.call(n) {
                Ok(answer) => assert!(expected.contains(&answer), "of {n}"),
                Err(_) => assert!(expected.is_empty(), "of {n}"),
            }
        }
    });
}
