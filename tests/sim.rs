//! Simulated runs: the same seed, the same run; time that passes when nothing can move; faults by plan; smaller cases.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Count;
use common::books::assert_balanced;
use common::deaths::{Deaths, watched};
use ringtract::sim::{self, Case, Fault, SimError};
use ringtract::{
    BoxError, Ending, Envelope, Error, FailureKind, Input, Measure, Next, NoInput, Output, Request,
    Room, Tract, collect, fan_out, feed, filter_map, final_output, for_each, output, receiver,
    source, worker,
};

/// Two stages of two workers behind two sources, which write down who took what.
fn noted(journal: &Arc<Mutex<Vec<(&'static str, u64)>>>) -> Tract<NoInput, u64> {
    let stage = |name| {
        let journal = Arc::clone(journal);
        worker(name, 2, move || {
            let journal = Arc::clone(&journal);
            move |n: u64| {
                journal.lock().expect("nobody panics").push((name, n));
                n
            }
        })
    };
    source("numbers", 2, || 0..20_u64).then(stage("one")).then(stage("two"))
}

/// What happened under a seed, in order.
fn order(seed: u64) -> Vec<(&'static str, u64)> {
    let journal = Arc::default();
    let ran = sim::explore([seed], |case| {
        case.run(noted(&journal).setup().capacity(3), final_output())?;
        Ok(())
    });
    assert!(ran.is_none(), "{ran:?}");
    journal.lock().expect("nobody panics").clone()
}

#[test]
fn the_same_seed_gives_the_same_order_and_others_give_others() {
    let orders = (0..20).map(|seed| {
        let first = order(seed);
        assert_eq!(first, order(seed));
        first
    });
    let orders = orders.collect::<BTreeSet<_>>();
    assert!(orders.len() > 15, "{} orders of 20 seeds", orders.len());
}

/// Ticks every so often, by the clock of the run.
struct Timer {
    due: Instant,
    period: Duration,
    left: u32,
}

impl Input for Timer {
    type Item = Instant;

    fn poll(&mut self, request: &mut Envelope) -> Next<Instant> {
        if self.left == 0 {
            return Next::Ended;
        }
        if ringtract::now() < self.due {
            return Next::NotBefore(self.due);
        }
        request.set_started(self.due);
        let due = self.due;
        self.due += self.period;
        self.left -= 1;
        Next::Value(due)
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_timer_ticks_when_it_is_due_and_no_time_is_lost_between() {
    let before = Instant::now();
    sim::check(50, |case| {
        let start = ringtract::now();
        let timer = move || Timer { due: ringtract::now() + HOUR, period: HOUR, left: 24 };
        let ticks = Arc::<Mutex<Vec<Duration>>>::default();
        let seen = Arc::clone(&ticks);
        let tract = source("timer", 1, timer).then(worker("clock", 1, move || {
            let seen = Arc::clone(&seen);
            move |due: Instant| {
                assert_eq!(ringtract::now(), due);
                seen.lock().expect("nobody panics").push(due - start);
            }
        }));
        let report = case.run(tract.setup().measure(Measure::ALL), final_output())?;
        let hours: Vec<Duration> = (1..=24).map(|hours| hours * HOUR).collect();
        assert_eq!(*ticks.lock().expect("nobody panics"), hours);
        assert_eq!((ringtract::now() - start, report.elapsed), (24 * HOUR, 24 * HOUR));
        // Nothing is late, and the worker waited for nearly all of the time.
        let clock = report.stage("clock").expect("a stage");
        assert_eq!((clock.times.age.count, clock.times.age.max), (24, 0));
        assert!(clock.shares.starved > 0.99, "{:?}", clock.shares);
        Ok(())
    });
    assert!(before.elapsed() < 24 * HOUR);
}

#[test]
fn two_timers_are_asked_in_the_order_of_their_times() {
    sim::check(50, |case| {
        let start = ringtract::now();
        let mut periods = [3_u32, 5].into_iter();
        let timers = source("timers", 2, move || {
            let period = periods.next().ok_or("two timers")? * HOUR;
            Ok::<_, BoxError>(Timer { due: start + period, period, left: 10 })
        });
        // One lane after the other is read, so only what is not in them at the same time has an order.
        let (output, ticks) = collect();
        case.run(timers.setup(), output)?;
        let ticks = ticks.take();
        assert_eq!(ticks.len(), 20);
        assert!(ticks.is_sorted());
        Ok(())
    });
}

/// Has nothing the first few times.
struct Hesitant(u32);

impl Input for Hesitant {
    type Item = u32;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u32> {
        self.0 -= 1;
        match self.0 {
            0 => Next::Ended,
            1 => Next::Value(1),
            _ => Next::Nothing,
        }
    }
}

#[test]
fn who_cannot_say_when_is_asked_again_after_a_nap() {
    sim::check(20, |case| {
        let start = ringtract::now();
        let report = case.run(source("hesitant", 1, || Hesitant(100)).setup(), final_output())?;
        assert_eq!(report.stage("hesitant").expect("a stage").ledger.emitted, 1);
        let passed = ringtract::now() - start;
        assert!(
            passed > Duration::from_micros(50) && passed < Duration::from_secs(1),
            "{passed:?}"
        );
        Ok(())
    });
}

/// Never takes anything.
struct Wall(Room);

impl Output<u64> for Wall {
    fn room(&mut self) -> Room {
        self.0
    }

    fn put(&mut self, _request: Request<u64>) {
        unreachable!("there is no room");
    }
}

#[test]
fn a_run_that_nothing_can_move_is_stuck_and_says_who_is() {
    for room in [Room::Full, Room::Absent, Room::UntilWoken] {
        sim::check(5, |case| {
            let deaths = Deaths::default();
            let numbers = watched(0..10, &deaths);
            let tract =
                source("numbers", 1, move || numbers.clone())
                    .then(worker("pass", 1, || |n: u64| n));
            let wall = output(move || Ok::<_, BoxError>(Wall(room)));
            let Err(SimError::Stuck(stuck)) = case.run(tract.setup().capacity(2), wall) else {
                return Err("it has ended".into());
            };
            assert_eq!(stuck.report.ending, Ending::GivenUp);
            let late: Vec<_> =
                stuck.report.unfinished.iter().map(|late| late.stage.as_str()).collect();
            assert_eq!(late, ["numbers", "pass", "output"]);
            assert!(stuck.to_string().contains("pass[0] (Waiting after 2)"), "{stuck}");
            // Given up, they have failed.
            deaths.assert_each_once(0..4, |_| false);
            Ok(())
        });
    }
}

/// A source of numbers, a stage of two workers, an output that counts.
fn halves() -> Tract<NoInput, u64> {
    source("numbers", 1, || 0..200_u64).then(worker("half", 2, || |n: u64| n / 2))
}

fn panic_at(worker: usize, request: u64) -> Fault {
    Fault::Panic { stage: "half".into(), worker, request }
}

#[test]
fn a_planned_panic_fails_the_request_in_hand_whether_or_not_anything_is_measured() {
    for measure in [Measure::Off, Measure::ALL] {
        sim::check(50, |case| {
            case.fault(panic_at(0, 1));
            case.fault(panic_at(1, 7));
            case.fault(panic_at(1, 3));
            let (output, halves_seen) = collect();
            let report = case.run(halves().setup().measure(measure), output)?;
            assert_balanced(&report);
            let ledger = report.stage("half").expect("a stage").ledger;
            assert_eq!((ledger.taken, ledger.emitted, ledger.failed), (200, 197, 3));
            assert_eq!(ledger.panics, 3);
            assert_eq!(report.failures[0].kind, FailureKind::Panicked);
            assert_eq!(halves_seen.take().len(), 197);
            Ok(())
        });
    }
}

#[test]
fn a_planned_panic_of_the_output_fails_one_request() {
    sim::check(20, |case| {
        case.fault(Fault::Panic { stage: "output".into(), worker: 0, request: 10 });
        let deaths = Deaths::default();
        let numbers = watched(0..20, &deaths);
        let (output, seen) = collect();
        let report = case.run(source("numbers", 1, move || numbers.clone()).setup(), output)?;
        assert_balanced(&report);
        assert_eq!(seen.take().len(), 19);
        assert_eq!(deaths.totals(), (19, 1));
        Ok(())
    });
}

#[test]
fn a_planned_failure_of_a_factory_is_met_as_workers_are_made_or_replaced() {
    let failing = |make| Fault::FailingMake { stage: "half".into(), make };
    sim::check(20, |case| {
        case.fault(failing(2));
        let refused = case.run(halves().setup(), final_output());
        let Err(SimError::Refused(Error::FactoryFailed { path, worker, .. })) = refused else {
            return Err("it was made".into());
        };
        assert_eq!((path.as_str(), worker), ("half", 1));
        Ok(())
    });
    sim::check(50, |case| {
        case.fault(panic_at(0, 5));
        case.fault(failing(3));
        let report = case.run(halves().setup(), final_output())?;
        assert_balanced(&report);
        assert_eq!(report.ending, Ending::Stopped);
        let kinds: Vec<_> = report.failures.iter().map(|failure| failure.kind).collect();
        assert_eq!(kinds, [FailureKind::Panicked, FailureKind::NotReplaced]);
        Ok(())
    });
}

#[test]
fn a_stalled_worker_holds_no_more_than_its_share_and_comes_back_when_all_wait() {
    for turns in [5_000, u64::MAX] {
        sim::check(50, |case| {
            case.fault(Fault::Stall { stage: "half".into(), worker: 0, after: 0, turns });
            let report = case.run(halves().setup(), final_output())?;
            assert!(report.is_complete());
            let workers = &report.stage("half").expect("a stage").workers;
            assert!((1..=4).contains(&workers[0].taken), "{workers:?}");
            Ok(())
        });
    }
}

#[test]
fn a_stall_begins_after_the_request_it_is_planned_for() {
    let most = RefCell::new(0);
    sim::check(50, |case| {
        case.fault(Fault::Stall { stage: "pass".into(), worker: 0, after: 3, turns: 1_000 });
        let tract = source("numbers", 1, || 0..).then(worker("pass", 1, || |n: u64| n));
        let mut run = case.start(tract.setup().capacity(64), final_output())?;
        run.turns(500);
        run.stop();
        let report = run.finish()?;
        assert!(report.is_complete());
        // What was taken before, in a turn of 64 at the most, and what the lane holds.
        let made = report.stage("numbers").expect("a stage").ledger.taken;
        assert!(made <= 2 + 64 + 64, "{report}");
        let most = &mut *most.borrow_mut();
        *most = made.max(*most);
        Ok(())
    });
    assert!(most.into_inner() >= 3 + 64);
}

#[test]
fn a_planned_stop_drains_what_was_made() {
    let most = RefCell::new(0);
    sim::check(100, |case| {
        let turn = case.draw(1..=300);
        case.fault(Fault::Stop { turn });
        let tract = source("numbers", 1, || 0..).then(worker("pass", 2, || |n: u64| n));
        let report = case.run(tract.setup(), final_output())?;
        assert!(report.is_complete());
        assert_eq!(report.ending, Ending::Stopped);
        let ledger = report.stage("numbers").expect("a stage").ledger;
        let most = &mut *most.borrow_mut();
        *most = ledger.taken.max(*most);
        Ok(())
    });
    assert!(most.into_inner() > 100);
}

#[test]
fn an_output_closes_after_exactly_so_many() {
    sim::check(100, |case| {
        let after = case.draw(0..=250);
        case.fault(Fault::CloseOutput { after });
        let deaths = Deaths::default();
        let numbers = watched(0..200, &deaths);
        let tract = source("numbers", 1, move || numbers.clone()).then(fan_out(
            "both",
            [worker("one", 1, || |n: u64| n), worker("two", 2, || |n: u64| n)],
        ));
        let (output, seen) = collect();
        let report = case.run(tract.setup().capacity(4), output)?;
        assert_balanced(&report);
        let delivered = seen.take().len() as u64;
        assert!(delivered == after || (delivered == 400 && after > 400), "{delivered} of {after}");
        let made = report.stage("numbers").expect("a stage").ledger.taken;
        let (whole, failed) = deaths.totals();
        assert_eq!(whole + failed, made);
        Ok(())
    });
}

#[test]
fn a_fault_that_nobody_can_have_is_refused_by_name() {
    let nobody = [
        panic_at(2, 1),
        Fault::Panic { stage: "third".into(), worker: 0, request: 1 },
        Fault::Panic { stage: "numbers".into(), worker: 0, request: 1 },
        Fault::Stall { stage: "numbers".into(), worker: 1, after: 0, turns: 1 },
        Fault::CloseOutput { after: 1 },
    ];
    for fault in nobody {
        sim::check(1, |case| {
            case.fault(fault.clone());
            let refused = case.start(halves().setup(), final_output());
            let Err(error @ Error::NoSuchVictim { .. }) = refused else {
                return Err("it was taken".into());
            };
            assert!(
                error.to_string().contains("`numbers` (1, takes nothing), `half` (2)"),
                "{error}"
            );
            Ok(())
        });
    }
}

#[test]
fn a_run_by_hand_moves_only_when_it_is_told_to() {
    sim::check(50, |case| {
        let ((mut feed, input), (output, mut doubled)) = (feed(8), receiver());
        let tract = worker("double", 1, || |n: u64| 2 * n);
        let mut run = case.start_fed(tract.setup(), input, output)?;
        assert_eq!(run.plan().stages.len(), 3);
        feed.try_send(1)?;
        feed.try_send(2)?;
        assert!(doubled.try_recv().is_err());
        run.settle();
        let start = ringtract::now();
        assert_eq!((*doubled.try_recv()?, *doubled.try_recv()?), (2, 4));
        let mut request = Request::new(3);
        request.envelope_mut().set_started(start);
        feed.try_send(request)?;
        run.pass(HOUR);
        let request = doubled.try_recv()?;
        assert_eq!((*request, request.envelope().age()), (6, Some(HOUR)));
        run.stopper().stop();
        drop((feed, doubled));
        assert_eq!(run.finish()?.ending, Ending::Stopped);
        Ok(())
    });
}

#[test]
fn a_run_that_is_dropped_ends_every_request() {
    sim::check(50, |case| {
        let deaths = Deaths::default();
        let numbers = watched(0..u64::MAX, &deaths);
        let tract =
            source("numbers", 1, move || numbers.clone()).then(worker("pass", 2, || |n: u64| n));
        let mut run = case.start(tract.setup().capacity(3), final_output())?;
        let turns = case.draw(0..=100);
        run.turns(turns);
        drop(run);
        assert!(deaths.all().values().all(|told| told.len() == 1));
        Ok(())
    });
}

/// A property that fails only where there are more than 40 numbers, and the source comes more than 40 ahead of the output:
/// a size, an order, and faults that have nothing to do with it.
fn needs_luck(case: &mut Case) -> Result<(), BoxError> {
    let count = case.draw(0..=300);
    let _unused = case.draw(5..=1_000);
    case.fault(Fault::Stop { turn: 1_000_000 });
    case.fault(Fault::Panic { stage: "pass".into(), worker: 0, request: 1_000_000 });
    let (made, most) = (Count::default(), Count::default());
    let (making, ahead) = (made.clone(), most.clone());
    let numbers = move || {
        let making = making.clone();
        (0..count).inspect(move |_| making.add(1))
    };
    let output = for_each(move |n: u64| ahead.add(u64::from(made.get() - n > 40)));
    let tract = source("numbers", 1, numbers).then(worker("pass", 1, || |n: u64| n));
    case.run(tract.setup(), output)?;
    if most.get() > 0 { Err("too far ahead".into()) } else { Ok(()) }
}

#[test]
fn a_failure_is_found_made_smaller_and_replayed() {
    let failure = sim::explore(0..1_000, needs_luck).expect("some seed starves the output");
    assert_eq!(failure.message, "too far ahead");
    assert!((41..=100).contains(&failure.draws()[0]) && failure.draws()[1] == 5, "{failure}");
    assert_eq!(failure.faults(), [], "{failure}");
    assert!((1..200).contains(&failure.disorderly_turns()), "{failure}");
    let text = failure.to_string();
    assert!(text.contains(&format!("RINGTRACT_SEED={}", failure.seed)), "{text}");
    let again = sim::explore([failure.seed], needs_luck).expect("it fails again");
    assert_eq!(again.to_string(), text);
}

#[test]
fn a_fault_that_matters_stays() {
    let failure = sim::explore([3], |case| {
        case.fault(Fault::Stall { stage: "half".into(), worker: 0, after: 0, turns: 10 });
        case.fault(panic_at(1, 4));
        let report = case.run(halves().setup(), final_output())?;
        assert_eq!(report.stage("half").expect("a stage").ledger.failed, 0);
        Ok(())
    });
    let failure = failure.expect("a request fails");
    assert_eq!(failure.faults(), [panic_at(1, 4)]);
    assert_eq!(failure.disorderly_turns(), 0);
}

#[test]
fn any_faults_are_such_that_the_run_can_have() {
    let kinds = RefCell::new(BTreeSet::new());
    sim::check(300, |case| {
        let tract =
            halves().then(worker("odd", 3, || filter_map(|n: u64| (n % 2 == 1).then_some(n))));
        case.any_faults(&tract.plan()?);
        let kind = |fault: &Fault| fault.to_string().split_whitespace().nth(1).map(str::to_owned);
        kinds.borrow_mut().extend(case.faults().iter().filter_map(kind));
        match case.run(tract.setup(), final_output()) {
            Ok(report) => assert_balanced(&report),
            Err(SimError::Refused(Error::FactoryFailed { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    });
    let kinds = kinds.into_inner();
    assert!(kinds.len() == 4, "{kinds:?}");
}
