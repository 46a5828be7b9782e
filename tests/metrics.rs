//! Metrics: what handlers are asked and told, and what the histograms hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use ringtract::{
    Aspect, Envelope, FailureKind, Measure, Metric, MetricKey, MetricsHandler, Next, OnPanic,
    Outcome, Placement, Precision, Throttle, Throttled, Verdict, Worker, collect, fan_out,
    final_output, flat_map, outcome, source, worker,
};

/// Counts what it is asked and told.
#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    told: Mutex<BTreeMap<Vec<MetricKey>, u64>>,
    threads: Mutex<Vec<ThreadId>>,
    /// Which of those who ask are answered yes: one in this many; 0 is 1.
    one_in: u64,
}

impl Counts {
    fn one_in(one_in: u64) -> Arc<Self> {
        Arc::new(Self { one_in, ..Self::default() })
    }

    fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }

    /// How often this set of keys came, in this order.
    fn sets(&self) -> Vec<(Vec<MetricKey>, u64)> {
        self.told.lock().expect("nobody panics").clone().into_iter().collect()
    }

    fn total(&self, key: MetricKey) -> u64 {
        self.sets().iter().filter(|(keys, _)| keys.contains(&key)).map(|(_, count)| count).sum()
    }
}

impl MetricsHandler for Counts {
    fn wants(&self) -> bool {
        self.asked.fetch_add(1, SeqCst).is_multiple_of(self.one_in.max(1))
    }

    fn handle(&self, metrics: &[Metric]) {
        let keys = metrics.iter().map(|metric| metric.key).collect();
        *self.told.lock().expect("nobody panics").entry(keys).or_default() += 1;
        let mut threads = self.threads.lock().expect("nobody panics");
        let current = std::thread::current().id();
        if !threads.contains(&current) {
            threads.push(current);
        }
    }
}

use MetricKey::{During, In, Out, Tract};

const PLACEMENTS: [Placement; 3] =
    [Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)];

#[test]
fn s48_keys_come_where_they_belong() {
    for placement in PLACEMENTS {
        let (first, last) = (Counts::one_in(1), Counts::one_in(1));
        let tract = source("numbers", 1, || 0..100_u64)
            .then(worker("first", 1, || |n: u64| n).metrics(Arc::clone(&first)))
            .then(worker("last", 1, || |n: u64| n).metrics(Arc::clone(&last)));
        tract.setup().placement(placement).init(final_output()).unwrap().start().unwrap().wait();
        assert_eq!(first.sets(), [(vec![In, During, Out], 100)]);
        assert_eq!(last.sets(), [(vec![In, During, Out, Tract], 100)]);
    }
}

#[test]
fn s48_the_times_are_those_of_the_request() {
    const WORK: Duration = Duration::from_millis(2);
    let total = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = Arc::clone(&total);
    struct Sum(Arc<Mutex<BTreeMap<MetricKey, Duration>>>);
    impl MetricsHandler for Sum {
        fn handle(&self, metrics: &[Metric]) {
            let mut total = self.0.lock().expect("nobody panics");
            for metric in metrics {
                *total.entry(metric.key).or_default() += metric.value;
            }
        }
    }
    let slow = || {
        |n: u64| {
            std::thread::sleep(WORK);
            n
        }
    };
    let tract = source("numbers", 1, || 0..10_u64).then(worker("slow", 1, slow).metrics(Sum(seen)));
    tract.init(final_output()).unwrap().start().unwrap().wait();
    let total = total.lock().unwrap();
    assert!(total[&During] >= 10 * WORK, "ten requests of 2 ms: {total:?}");
    assert!(total[&Tract] >= total[&During], "a request lives at least as long: {total:?}");
}

/// Discards odd numbers.
fn even_only() -> impl Worker<u64, Out = u64> {
    outcome(
        |n: u64, _: &mut Envelope| {
            if n.is_multiple_of(2) { Outcome::Emit(n) } else { Outcome::Discard }
        },
    )
}

#[test]
fn s49_a_set_is_complete_or_absent_with_discards_and_a_fan_out() {
    for placement in PLACEMENTS {
        let handlers: [Arc<Counts>; 3] = std::array::from_fn(|_| Counts::one_in(1));
        let [sieve, through, half] = &handlers;
        let tract = source("numbers", 1, || 0..1_000_u64)
            .then(worker("sieve", 1, even_only).metrics(Arc::clone(sieve)))
            .then(fan_out(
                "both",
                [
                    worker("through", 1, || |n: u64| n).metrics(Arc::clone(through)),
                    worker("halve", 1, || |n: u64| n / 2)
                        .then(worker("half", 2, even_only).metrics(Arc::clone(half))),
                ],
            ));
        let running = tract.setup().placement(placement).init(final_output()).unwrap();
        let report = running.start().unwrap().wait();
        assert!(report.is_complete(), "{report}");
        // Each request is asked for once: 1,000 here, 500 in each branch.
        assert_eq!((sieve.asked(), through.asked(), half.asked()), (1_000, 500, 500));
        assert_eq!(sieve.sets(), [(vec![In, During], 500), (vec![In, During, Out], 500)]);
        assert_eq!(through.sets(), [(vec![In, During, Out, Tract], 500)]);
        assert_eq!(half.sets(), [(vec![In, During], 250), (vec![In, During, Out, Tract], 250)]);
    }
}

#[test]
fn s49_the_answer_holds_for_the_whole_set() {
    let third = Counts::one_in(3);
    let sieve = worker("sieve", 1, even_only).metrics(Arc::clone(&third));
    let tract = source("numbers", 1, || 0..900_u64).then(sieve);
    tract.init(final_output()).unwrap().start().unwrap().wait();
    // 0, 3, 6, ...: 300 of them, every other one odd.
    assert_eq!(third.asked(), 900);
    assert_eq!(third.sets(), [(vec![In, During], 150), (vec![In, During, Out, Tract], 150)]);
}

#[test]
fn s49_tract_comes_at_the_output_and_not_for_what_fails() {
    let handler = Counts::one_in(1);
    let fails = |n: u64, _: &mut Envelope| match n % 4 {
        0 => Outcome::Fail("no".into()),
        1 => panic!("one"),
        _ => Outcome::Emit(n),
    };
    let tract = source("numbers", 1, || 0..100_u64)
        .then(worker("fails", 1, move || outcome(fails)).on_panic(OnPanic::Replace));
    let (output, collected) = collect();
    let setup = tract.setup().metrics(Arc::clone(&handler));
    setup.init(output).unwrap().start().unwrap().wait();
    assert_eq!(collected.take().len(), 50);
    // 25 failed, 25 panicked and left no set, 50 went on to the output, where they ended.
    assert_eq!(
        handler.sets(),
        [(vec![In, During], 25), (vec![In, During, Out], 50), (vec![In, During, Out, Tract], 50)]
    );
}

#[test]
fn s49_a_request_that_became_several_is_one() {
    let handler = Counts::one_in(1);
    let several = worker("several", 1, || flat_map(|n: u64| 0..n)).metrics(Arc::clone(&handler));
    let tract = source("numbers", 1, || 0..10_u64).then(several);
    let report = tract.init(final_output()).unwrap().start().unwrap().wait();
    assert_eq!(report.stage("several").unwrap().ledger.emitted, 45);
    // The one that became none was discarded, after its work.
    assert_eq!(handler.sets(), [(vec![In, During, Out], 10), (vec![Tract], 9)]);
}

#[test]
fn s50_a_request_without_a_start_gives_no_tract() {
    let handler = Counts::one_in(1);
    let last = worker("last", 1, || |n: u64| n).metrics(Arc::clone(&handler));
    let tract = source("numbers", 1, || 0..10_u64).then(last);
    tract.setup().measure(Measure::Off).init(final_output()).unwrap().start().unwrap().wait();
    assert_eq!(handler.sets(), [(vec![In, During, Out], 10)]);
}

#[test]
fn s51_the_throttler_answers_once_per_period() {
    let start = Instant::now();
    let period = Duration::from_millis(100);
    let always = [Throttle::always(), Throttle::every_from(Duration::ZERO, start)];
    assert!(always.iter().all(|throttle| (0..100).all(|_| throttle.asks_at(start))));
    let never = Throttle::never();
    assert!((0..100).all(|n| !never.asks_at(start + n * period)));

    let throttle = Throttle::every_from(period, start);
    let nearly = period - Duration::from_nanos(1);
    assert!(!throttle.asks_at(start) && !throttle.asks_at(start + nearly), "a full period first");
    assert!(throttle.asks_at(start + period));
    assert!(!throttle.asks_at(start + period) && !throttle.asks_at(start + period + nearly));
    assert!(throttle.asks_at(start + 10 * period), "and then at once");
    assert!(!throttle.asks_at(start + 10 * period + nearly), "periods missed are not made up for");
}

#[test]
fn s51_a_period_is_over_all_who_ask() {
    let start = Instant::now();
    let period = Duration::from_secs(1);
    let throttle = Throttle::every_from(period, start);
    let yes = AtomicU64::new(0);
    for round in 1..=50 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let asked = (0..10).filter(|_| throttle.asks_at(start + round * period));
                    yes.fetch_add(asked.count() as u64, SeqCst);
                });
            }
        });
    }
    assert_eq!(yes.load(SeqCst), 50);
}

#[test]
fn s51_a_throttled_handler_is_told_what_is_let_through() {
    for (throttle, told) in [(Throttle::always(), 100), (Throttle::never(), 0)] {
        let handler = Counts::one_in(1);
        let last = worker("last", 3, || |n: u64| n)
            .metrics(Throttled::new(throttle, Arc::clone(&handler)));
        source("numbers", 1, || 0..100_u64).then(last).run(|_| ()).unwrap();
        assert_eq!(handler.total(During), told);
    }
}

#[test]
fn s52_handlers_are_called_on_the_workers_threads() {
    let handler = Counts::one_in(1);
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&threads);
    let tell = move || {
        let seen = Arc::clone(&seen);
        move |n: u64| {
            let mut seen = seen.lock().expect("nobody panics");
            let current = std::thread::current().id();
            if !seen.contains(&current) {
                seen.push(current);
            }
            n
        }
    };
    let tract = source("numbers", 1, || 0..1_000_u64)
        .then(worker("pool", 3, tell).metrics(Arc::clone(&handler)));
    tract.setup().placement(Placement::PerWorker).run(|_| ()).unwrap();
    let mut worked = threads.lock().unwrap().clone();
    let mut told = handler.threads.lock().unwrap().clone();
    worked.sort_by_key(|id| format!("{id:?}"));
    told.sort_by_key(|id| format!("{id:?}"));
    assert_eq!(worked, told);
}

#[test]
fn s52_a_reader_gets_everything_once_while_workers_go_on() {
    let count = 200_000;
    let tract = source("numbers", 1, move || 0..count).then(worker("half", 1, || |n: u64| n / 2));
    let setup = tract.setup().measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let viewer = running.viewer();
    let mut seen = 0;
    while !running.is_finished() {
        let snapshot = viewer.snapshot().expect("the run is not waited for yet");
        assert!(snapshot.stages[1].ledger.taken >= seen);
        seen = snapshot.stages[1].ledger.taken;
    }
    let report = running.wait();
    let half = report.stage("half").unwrap();
    assert_eq!(half.times.work.count, count, "what snapshots took is in the report all the same");
    assert_eq!(report.histogram(1, Aspect::Tract).map(|h| h.len()), Some(count));
    assert!(viewer.snapshot().is_none());
}

#[test]
fn s52_an_idle_worker_holds_no_reader_up() {
    let open = Arc::new(AtomicBool::new(true));
    let going = Arc::clone(&open);
    // Gives ten requests, then nothing for as long as the test runs.
    struct Dry(Arc<AtomicBool>, u64);
    impl ringtract::Input for Dry {
        type Item = u64;
        fn poll(&mut self, _: &mut Envelope) -> Next<u64> {
            self.1 += 1;
            match self.1 {
                1..=10 => Next::Value(self.1),
                _ if self.0.load(SeqCst) => Next::Nothing,
                _ => Next::Ended,
            }
        }
    }
    let tract =
        source("dry", 1, move || Dry(Arc::clone(&going), 0))
            .then(worker("idle", 1, || |n: u64| n));
    let setup = tract.setup().measure(Measure::ALL).idle(ringtract::Idle::Park);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    // All ten are seen by a reader though the worker never moves again.
    let mut seen = 0;
    while seen < 10 {
        seen += running.snapshot().stages[1].times.work.count;
    }
    let snapshot = running.snapshot();
    assert_eq!(snapshot.stages[1].times.work.count, 0, "what was read is not read again");
    let shares = snapshot.stages[1].shares;
    assert!((shares.busy + shares.starved + shares.blocked - 1.0).abs() < 1e-6, "{shares:?}");
    open.store(false, SeqCst);
    assert_eq!(running.wait().stage("idle").unwrap().times.work.count, 10);
}

#[test]
fn a_handler_that_panics_is_contained() {
    struct Bad;
    impl MetricsHandler for Bad {
        fn handle(&self, _: &[Metric]) {
            panic!("bad handler");
        }
    }
    let tract = source("numbers", 1, || 0..10_u64).then(worker("w", 1, || |n: u64| n).metrics(Bad));
    let mut count = 0;
    let report = tract.run(|_| count += 1).unwrap();
    assert_eq!(count, 10);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].kind, FailureKind::HandlerPanicked);
    assert_eq!(report.failures[0].count, 10);
}

#[test]
fn one_in_n_and_every_period_measure_as_they_say() {
    for (measure, expected) in [
        (Measure::ALL, 1_000),
        (Measure::OneIn(64), 16),
        (Measure::Every(Duration::from_secs(3_600)), 1),
        (Measure::Every(Duration::ZERO), 1_000),
    ] {
        let tract = source("numbers", 1, || 0..1_000_u64)
            .then(worker("a", 2, || |n: u64| n))
            .then(worker("b", 1, || |n: u64| n));
        let report =
            tract.setup().measure(measure).init(final_output()).unwrap().start().unwrap().wait();
        for stage in ["a", "b"] {
            let times = report.stage(stage).unwrap().times;
            assert_eq!((times.wait.count, times.work.count), (expected, expected), "{measure:?}");
            assert_eq!((times.blocked.count, times.age.count), (expected, expected));
            assert_eq!(times.queue.count, expected, "{measure:?}");
        }
        assert_eq!(report.stage("b").unwrap().times.tract.count, expected);
        assert_eq!(report.stage("a").unwrap().times.tract.count, 0);
    }
}

#[test]
fn precision_is_chosen_checked_and_in_the_plan() {
    let tract = source("numbers", 1, || 0..10_u64).then(worker("w", 2, || |n: u64| n));
    let exact = Precision { longest: 1_000_000, digits: 3 };
    let plan = tract.setup().precision(exact).plan().unwrap();
    assert_eq!(plan.histogram_bytes, 3 * exact.bytes_per_worker());
    assert!(exact.bytes_per_worker() > 0);
    assert_eq!(tract.setup().measure(Measure::Off).plan().unwrap().histogram_bytes, 0);
    for wrong in [Precision { longest: 1, digits: 2 }, Precision { longest: 9_999, digits: 6 }] {
        let error = tract.setup().precision(wrong).plan().expect_err("no such histograms");
        assert!(error.to_string().contains("choose at least 2 ns, and 1 to 5 digits"), "{error}");
    }
}

#[test]
fn the_verdict_names_a_stage_that_is_known_to_be_slow() {
    let slow = || {
        |n: u64| {
            let until = Instant::now() + Duration::from_micros(200);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            n
        }
    };
    for placement in PLACEMENTS {
        let tract = source("feed", 1, || 0..500_u64)
            .then(worker("decode", 1, || |n: u64| n + 1))
            .then(worker("slow", 1, slow))
            .then(worker("after", 1, || |n: u64| n));
        let setup = tract.setup().placement(placement).measure(Measure::ALL);
        let report = setup.init(final_output()).unwrap().start().unwrap().wait();
        match &report.verdict {
            // On a machine that is busy with other things no stage may get half of the time, but the slow one gets most.
            Verdict::Stage { path, .. } | Verdict::Nothing { path, .. } => {
                assert_eq!(path, "slow", "{report}");
            }
            other => panic!("{other:?}\n{report}"),
        }
    }
}

#[test]
fn the_most_ever_in_a_lane_is_what_its_consumer_saw() {
    for placement in [Placement::Threads(1), Placement::PerWorker] {
        let tract = source("numbers", 1, || 0..1_000_u64).then(worker("w", 1, || |n: u64| n));
        let setup = tract.setup().placement(placement).capacity(8);
        let running = setup.init(final_output()).expect("plain").start().expect("starts");
        let lanes = running.wait().lanes;
        assert!(lanes.iter().all(|lane| (1..=8).contains(&lane.high_water)), "{lanes:?}");
    }
}
