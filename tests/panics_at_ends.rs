//! Panics in sources, inputs, outputs and sinks. S26.

mod common;

use common::books::{assert_balanced, failures_of, ledger};
use common::deaths::{Deaths, watched};
use common::probe::{run_between, run_to};
use common::staff::Staff;
use common::{EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    BoxError, Ending, Envelope, FailureKind, Input, InputEnd, Next, NoInput, OnPanic, Output,
    OutputEnd, Placement, Report, Request, Room, Tract, collect, feed, final_output, input, output,
    receiver, source, worker,
};

/// Runs a test in every way, quietly, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    hush_meant_panics();
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

fn meant(text: &str) -> String {
    format!("{MEANT}{text}")
}

/// Where an end panics.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spot {
    Next,
    Idle,
    Stop,
    Close,
    Drop,
    Room,
    Put,
}

/// An input that panics once in one place: of ten numbers, or without an end if that place is `stop`.
struct BadInput {
    spot: Spot,
    left: u64,
    idled: bool,
    deaths: Deaths,
}

impl BadInput {
    fn end(spot: Spot, deaths: &Deaths) -> InputEnd<u64> {
        let deaths = deaths.clone();
        input(move || Ok::<_, BoxError>(Self { spot, left: 10, idled: false, deaths }))
    }
}

impl Input for BadInput {
    type Item = u64;

    fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
        self.deaths.watch(self.left, request);
        if self.spot == Spot::Idle && !self.idled {
            return Next::Nothing;
        }
        if self.spot == Spot::Next && self.left == 3 {
            panic!("{MEANT}Next");
        }
        if self.left == 0 && self.spot != Spot::Stop {
            return Next::Ended;
        }
        self.left = self.left.wrapping_sub(1);
        Next::Value(self.left)
    }

    fn stop(&mut self) -> bool {
        if self.spot == Spot::Stop {
            panic!("{MEANT}Stop");
        }
        false
    }

    fn idle(&mut self) {
        if !std::mem::replace(&mut self.idled, true) && self.spot == Spot::Idle {
            panic!("{MEANT}Idle");
        }
    }

    fn close(&mut self) {
        if self.spot == Spot::Close {
            panic!("{MEANT}Close");
        }
    }
}

impl Drop for BadInput {
    fn drop(&mut self) {
        if self.spot == Spot::Drop {
            panic!("{MEANT}Drop");
        }
    }
}

fn kind_at(spot: Spot) -> FailureKind {
    match spot {
        Spot::Close => FailureKind::ClosePanicked,
        Spot::Drop => FailureKind::ValuePanicked,
        _ => FailureKind::Panicked,
    }
}

/// A run with two workers and a collecting output behind this input.
fn run_behind(input: InputEnd<u64>, way: Placement, staff: &Staff) -> (Report, usize) {
    let tract = worker("pool", 2, staff.of(|n: u64| n));
    let (output, values) = collect();
    let report = run_between(&tract, way, input, output).expect("a sound tract");
    (report, values.take().len())
}

fn an_input_that_panics(spot: Spot, expected: usize) {
    in_every_way(move |way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let (report, values) = run_behind(BadInput::end(spot, &deaths), way, &staff);
        assert_eq!(values, expected, "{way:?}");
        assert_eq!((staff.made.get(), staff.closed.get()), (2, 2), "{way:?}");
        let failures = [(kind_at(spot), meant(&format!("{spot:?}")), 1)];
        assert_eq!(failures_of(&report, "input"), failures, "{way:?}");
        assert_eq!(report.failures.len(), 1, "{way:?}: {:?}", report.failures);
        assert!(report.is_complete(), "{way:?}: {report}");
        assert_balanced(&report);
    });
}

#[test]
fn s26_an_input_that_panics_has_ended() {
    an_input_that_panics(Spot::Next, 7);
}

#[test]
fn s26_an_input_that_panics_at_housekeeping_goes_on() {
    an_input_that_panics(Spot::Idle, 10);
}

#[test]
fn s26_an_input_that_panics_in_close_is_closed_all_the_same() {
    an_input_that_panics(Spot::Close, 10);
}

#[test]
fn s26_an_input_that_panics_when_dropped_harms_nothing() {
    an_input_that_panics(Spot::Drop, 10);
}

#[test]
fn s26_what_a_panicking_input_had_put_on_the_envelope_fails() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        run_behind(BadInput::end(Spot::Next, &deaths), way, &Staff::default());
        let expected = (3..=10).map(|left| (left, vec![left > 3])).collect();
        deaths.assert_are(expected);
    });
}

#[test]
fn s26_an_input_that_panics_when_stopped_has_ended() {
    in_every_way(|way| {
        let tract = worker("pool", 2, || |n: u64| n);
        let input = BadInput::end(Spot::Stop, &Deaths::default());
        let setup = tract.setup().placement(way);
        let report = if let Placement::Inline { .. } = way {
            let mut run = setup.init_inline_fed(input, final_output()).expect("a sound tract");
            run.turn();
            run.stop();
            run.finish()
        } else {
            let ready = setup.init_fed(input, final_output()).expect("a sound tract");
            let running = ready.start().expect("runs");
            running.stop();
            running.wait()
        };
        let expected = [(FailureKind::Panicked, meant("Stop"), 1)];
        assert_eq!(failures_of(&report, "input"), expected, "{way:?}");
        assert!(report.is_complete() && report.ending == Ending::Stopped, "{way:?}: {report}");
    });
}

/// Two sources, the first of which panics after five requests, and the second ends after so many.
fn sources(staff: &Staff, others: u64) -> Tract<NoInput, u64> {
    let made = staff.made.clone();
    let bad = (0..6_u64).map(|n| if n == 5 { panic!("{MEANT}source") } else { n });
    let both = move || -> Box<dyn Iterator<Item = u64>> {
        if made.up() == 0 { Box::new(bad.clone()) } else { Box::new(0..others) }
    };
    source("sources", 2, both)
}

#[test]
fn s26_a_source_that_panics_does_not_end_its_siblings() {
    in_every_way(|way| {
        let staff = Staff::default();
        let (output, values) = collect();
        let report = run_to(&sources(&staff, 1_000), way, output).expect("a sound tract");
        assert_eq!(values.take().len(), 1_005, "{way:?}");
        assert_eq!(staff.made.get(), 2, "{way:?}: a source is not replaced");
        let expected = [(FailureKind::Panicked, meant("source"), 1)];
        assert_eq!(failures_of(&report, "sources"), expected, "{way:?}");
        assert!(report.is_complete() && report.ending == Ending::Natural, "{way:?}: {report}");
    });
}

#[test]
fn s26_a_source_that_panics_stops_the_tract_where_its_stage_says_so() {
    const TOO_MANY: u64 = 300_000;
    in_every_way(|way| {
        let tract = sources(&Staff::default(), TOO_MANY).on_panic(OnPanic::Stop);
        let (output, values) = collect();
        let report = run_to(&tract.capacity(4), way, output).expect("a sound tract");
        assert_eq!(report.ending, Ending::Stopped, "{way:?}");
        assert!((values.take().len() as u64) < TOO_MANY, "{way:?}");
        assert!(report.is_complete(), "{way:?}: {report}");
    });
}

/// An output that panics in one place: at every tenth put, when asked for room for the fiftieth, else once.
struct BadOutput {
    spot: Spot,
    taken: u64,
    idled: bool,
}

impl BadOutput {
    fn end(spot: Spot) -> OutputEnd<u64> {
        output(move || Ok::<_, BoxError>(Self { spot, taken: 0, idled: false }))
    }
}

impl Output<u64> for BadOutput {
    fn room(&mut self) -> Room {
        match self.spot {
            Spot::Room if self.taken == 49 => panic!("{MEANT}Room"),
            Spot::Idle if !self.idled => Room::Absent,
            _ => Room::Free,
        }
    }

    fn put(&mut self, request: Request<u64>) {
        self.taken += 1;
        if self.spot == Spot::Put && *request % 10 == 3 {
            panic!("{MEANT}Put");
        }
    }

    fn idle(&mut self) {
        if !std::mem::replace(&mut self.idled, true) && self.spot == Spot::Idle {
            panic!("{MEANT}Idle");
        }
    }

    fn close(&mut self) {
        if self.spot == Spot::Close {
            panic!("{MEANT}Close");
        }
    }
}

impl Drop for BadOutput {
    fn drop(&mut self) {
        if self.spot == Spot::Drop {
            panic!("{MEANT}Drop");
        }
    }
}

fn an_output_that_panics(spot: Spot, times: u64) {
    in_every_way(move |way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let tract = source("numbers", 1, staff.of(watched(0..100, &deaths))).then(worker(
            "one",
            1,
            staff.of(|n: u64| n),
        ));
        let report = run_to(&tract, way, BadOutput::end(spot)).expect("a sound tract");

        let failures = [(kind_at(spot), meant(&format!("{spot:?}")), times)];
        assert_eq!(failures_of(&report, "output"), failures, "{way:?}");
        assert_eq!(report.failures.len(), 1, "{way:?}: {:?}", report.failures);
        let delivered = |n| spot != Spot::Put || n % 10 != 3;
        deaths.assert_each_once(0..100, delivered);
        let ledger = ledger(&report, "output");
        assert_eq!((ledger.taken, ledger.emitted + ledger.failed), (100, 100), "{way:?}");
        assert_eq!((staff.made.get(), staff.closed.get()), (2, 2), "{way:?}");
        assert!(report.is_complete() && report.ending == Ending::Natural, "{way:?}: {report}");
    });
}

#[test]
fn s26_an_output_that_panics_fails_the_request_in_hand_and_is_used_on() {
    an_output_that_panics(Spot::Put, 10);
}

#[test]
fn s26_an_output_that_panics_at_housekeeping_goes_on() {
    an_output_that_panics(Spot::Idle, 1);
}

#[test]
fn s26_an_output_that_panics_in_close_is_closed_all_the_same() {
    an_output_that_panics(Spot::Close, 1);
}

#[test]
fn s26_an_output_that_panics_when_dropped_harms_nothing() {
    an_output_that_panics(Spot::Drop, 1);
}

#[test]
fn s26_an_output_that_panics_when_asked_for_room_is_closed() {
    in_every_way(|way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let tract = source("endless", 1, staff.of(watched(0..u64::MAX, &deaths))).then(worker(
            "pool",
            2,
            staff.of(|n: u64| n),
        ));
        let report = run_to(&tract, way, BadOutput::end(Spot::Room)).expect("a sound tract");

        let expected = [(FailureKind::Panicked, meant("Room"), 1)];
        assert_eq!(failures_of(&report, "output"), expected, "{way:?}");
        let (sent, delivered) =
            (ledger(&report, "endless").emitted, ledger(&report, "output").emitted);
        assert_eq!(delivered, 49, "{way:?}");
        assert_eq!(deaths.totals(), (delivered, sent - delivered), "{way:?}");
        assert!(deaths.all().values().all(|told| told.len() == 1), "{way:?}");
        assert_eq!((staff.made.get(), staff.closed.get()), (3, 3), "{way:?}");
        assert_balanced(&report);
    });
}

#[test]
fn s26_a_sink_that_panics_fails_the_request_in_hand_and_is_used_on() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let numbers = watched(0..100, &deaths);
        let tract = source("numbers", 1, move || numbers.clone());
        let mut seen = 0;
        let sink = |n| if n % 10 == 3 { panic!("{MEANT}sink") } else { seen += 1 };
        let report = tract.setup().placement(way).run(sink).expect("a sound tract");
        assert_eq!(seen, 90, "{way:?}");
        let expected = [(FailureKind::Panicked, meant("sink"), 10)];
        assert_eq!(failures_of(&report, "output"), expected, "{way:?}");
        deaths.assert_each_once(0..100, |n| n % 10 != 3);
        assert!(report.is_complete() && report.ending == Ending::Natural, "{way:?}: {report}");
    });
}

#[test]
fn s26_a_user_who_panics_with_a_received_request_fails_it() {
    hush_meant_panics();
    within_a_minute(|| {
        let deaths = Deaths::default();
        let numbers = watched(0..2, &deaths);
        let (output, mut receiver) = receiver();
        let tract = source("numbers", 1, move || numbers.clone());
        let running = tract.init(output).expect("a sound tract").start().expect("runs");
        let first = receiver.recv().expect("a request");
        let user = std::thread::spawn(move || {
            let _in_hand = first;
            panic!("{MEANT}user");
        });
        user.join().expect_err("it panics");
        drop(receiver.recv().expect("a request"));
        deaths.assert_each_once(0..2, |n| n == 1);
        assert!(running.wait().is_complete());
    });
}

#[test]
fn s26_a_sender_is_let_go_when_a_stage_gives_up() {
    in_every_way(|way| {
        if let Placement::Inline { .. } = way {
            return;
        }
        let (mut feed, input) = feed(2);
        let dies = worker("dies", 1, || |_: u64| -> u64 { panic!("{MEANT}dies") });
        let tract = dies.on_panic(OnPanic::Stop);
        let setup = tract.setup().placement(way);
        let ready = setup.init_fed(input, final_output()).expect("a sound tract");
        let running = ready.start().expect("runs");
        let sent = (0..u64::MAX).take_while(|&n| feed.send(n).is_ok()).count();
        assert!(sent > 0);
        let report = running.wait();
        assert_eq!(report.ending, Ending::Stopped, "{way:?}");
        assert_balanced(&report);
    });
}
