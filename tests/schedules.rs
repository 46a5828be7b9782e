//! Random topologies under random schedules and with random faults, against the sequential model.
//!
//! `RINGTRACT_SEEDS=10000` sets the number of seeds of each property, `RINGTRACT_SEED=17` replays one. A failing seed is
//! shown with a smaller case.

#[path = "properties/check.rs"]
mod check;
mod common;
#[path = "properties/journal.rs"]
mod journal;
#[path = "properties/labor.rs"]
mod labor;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/tree.rs"]
#[allow(dead_code, reason = "these trees are drawn by the simulation")]
mod tree;

use std::time::Instant;

use proptest::test_runner::TestCaseError;
use ringtract::sim::{self, Case, Fault, Run, SimError};
use ringtract::{BoxError, Ending, Error, OutputEnd, Report, TrySendError, feed, output};

use common::hush_meant_panics;
use journal::{Event, made};
use labor::{Sink, Site, Supply};
use tree::{MOST_GROWTH, Mark, Pool, Tree, Work};

/// Seeds of each property, unless `RINGTRACT_SEEDS` says otherwise.
const SEEDS: u64 = 400;

/// Tries a property, and says how fast that was.
fn for_seeds(name: &str, property: impl Fn(&mut Case) -> Result<(), BoxError>) {
    hush_meant_panics();
    let start = Instant::now();
    let seeds = sim::check(SEEDS, property);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = seeds as f64 / minutes;
    println!("{name}: {seeds} seeds, {rate:.0} a minute");
}

/// What is wrong in the words of the model's checks.
fn told(error: TestCaseError) -> BoxError {
    error.to_string().into()
}

/// A tree; the least of each number drawn is the simplest of its kind.
fn draw_tree(case: &mut Case) -> Tree {
    loop {
        let tree = draw_piece(case, 3);
        if tree.growth() <= MOST_GROWTH {
            return tree.numbered();
        }
    }
}

fn draw_piece(case: &mut Case, depth: u8) -> Tree {
    let kind = if depth == 0 { 0 } else { case.draw(0..=5) };
    if kind <= 1 {
        return Tree::Pool(draw_pool(case));
    }
    let count = case.draw(1..=3);
    if kind == 2 {
        let (members, each) = (small(count), Box::new(draw_piece(case, depth - 1)));
        return Tree::Parallel { members, each };
    }
    let members = (0..count).map(|_| draw_piece(case, depth - 1)).collect();
    if kind == 3 { Tree::Serial(members) } else { Tree::FanOut(members) }
}

fn draw_pool(case: &mut Case) -> Pool {
    let works =
        [Work::Map, Work::Map, Work::Discard, Work::Fail, Work::Panic, Work::Multiply, Work::Break];
    let work = works[small(case.draw(0..=6))];
    let mark = [Mark::None, Mark::Once, Mark::Each][small(case.draw(0..=2))];
    let bits = case.draw(0..=6);
    Pool {
        number: 0,
        workers: small(case.draw(1..=4)),
        capacity: small(case.draw(1..=1 << bits)),
        batch: small(case.draw(1..=4)),
        work,
        mark,
        salt: case.draw(0..=255),
    }
}

fn small(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

/// A tree, what becomes of it written down at a site, and the lanes into the output.
struct Drawn {
    tree: Tree,
    site: Site,
    capacity: usize,
}

/// The most values that the requests of a case may grow to, or about that.
const MOST_VALUES: u64 = 1_000;

impl Drawn {
    fn new(case: &mut Case) -> Self {
        let tree = draw_tree(case);
        let sources = small(case.draw(1..=3));
        let requests = case.draw(0..=80).min(MOST_VALUES / tree.growth());
        let capacity = small(case.draw(1..=16));
        Self { site: Site::new(Supply { sources, requests, brake: None }), tree, capacity }
    }

    fn sink(&self) -> OutputEnd<u64> {
        let site = self.site.clone();
        output(move || Ok::<_, BoxError>(Sink(site)))
    }

    fn start(&self, case: &mut Case) -> Result<Run, Error> {
        let tract = self.site.tract(&self.tree);
        case.start(tract.setup().capacity(self.capacity), self.sink())
    }

    fn run(&self, case: &mut Case) -> Result<Report, SimError> {
        Ok(self.start(case)?.finish()?)
    }

    /// Whoever was made is closed.
    fn all_are_gone(&self) -> Result<(), BoxError> {
        let (made, closed) = (self.site.staff.made.get(), self.site.staff.closed.get());
        if made == closed { Ok(()) } else { Err(format!("{made} made, {closed} closed").into()) }
    }

    /// Not everything has come to its end, but each request has come to one, and the books say which.
    fn is_given_up(&self) -> Result<(), BoxError> {
        check::given_up(&self.tree, &self.site).map_err(told)?;
        self.all_are_gone()
    }
}

/// A worker at this place of the plan takes its time.
fn stall(case: &mut Case, tract: &ringtract::Plan) -> Fault {
    let stage = &tract.stages[small(case.draw(0..=tract.stages.len() as u64 - 1))];
    let worker = small(case.draw(0..=stage.workers as u64 - 1));
    let (after, turns) = (case.draw(0..=20), case.draw(0..=2_000));
    Fault::Stall { stage: stage.path.clone(), worker, after, turns }
}

#[test]
fn every_order_comes_to_what_the_model_says() {
    for_seeds("whole", |case| {
        let drawn = Drawn::new(case);
        let plan = drawn.site.tract(&drawn.tree).plan()?;
        for _ in 0..case.draw(0..=2) {
            let stall = stall(case, &plan);
            case.fault(stall);
        }
        let report = drawn.run(case)?;
        if report.ending != Ending::Natural {
            return Err(format!("it ended {:?}", report.ending).into());
        }
        let requests: Vec<u64> = (0..drawn.site.supply.requests).collect();
        assert_eq!(made(&drawn.site.journal.events()), requests);
        check::whole(&drawn.tree, &drawn.site, &report).map_err(told)
    });
}

#[test]
fn a_stop_at_any_turn_drains_all_that_was_made() {
    for_seeds("stops", |case| {
        let drawn = Drawn::new(case);
        let turn = case_turn(case);
        case.fault(Fault::Stop { turn });
        let report = drawn.run(case)?;
        check::whole(&drawn.tree, &drawn.site, &report).map_err(told)
    });
}

/// A turn, early ones as likely as late ones.
fn case_turn(case: &mut Case) -> u64 {
    let bits = case.draw(0..=9);
    case.draw(1..=1 << bits)
}

#[test]
fn whatever_goes_wrong_each_request_has_one_end_and_the_books_say_which() {
    for_seeds("faults", |case| {
        let drawn = Drawn::new(case);
        let plan = drawn.site.tract(&drawn.tree).plan()?;
        case.any_faults(&plan);
        if case.draw(0..=1) == 1 {
            let after = case.draw(0..=200);
            case.fault(Fault::CloseOutput { after });
        }
        match drawn.run(case) {
            Ok(report) => {
                drawn.is_given_up()?;
                check::books(&drawn.site, &report).map_err(told)
            }
            Err(SimError::Refused(Error::FactoryFailed { .. })) => {
                assert_eq!(drawn.site.journal.len(), 0, "nothing was asked of the sources");
                drawn.all_are_gone()
            }
            Err(error) => Err(error.into()),
        }
    });
}

#[test]
fn a_run_dropped_at_any_turn_ends_every_request_once() {
    for_seeds("drops", |case| {
        let drawn = Drawn::new(case);
        let mut run = drawn.start(case)?;
        let turns = case_turn(case);
        run.turns(turns);
        drop(run);
        drawn.is_given_up()
    });
}

#[test]
fn what_a_feed_accepts_is_delivered_whenever_it_closes() {
    for_seeds("feeds", |case| {
        let drawn = Drawn::new(case);
        let site = &drawn.site;
        let tract = site.piece(&drawn.tree);
        let (first, input) = feed(small(case.draw(1..=8)));
        let mut feeds = vec![first.clone(), first];
        let setup = tract.setup().capacity(drawn.capacity);
        let mut run = case.start_fed(setup, input, drawn.sink())?;
        let (end, at) = (case.draw(0..=2), case.draw(0..=site.supply.requests));
        let mut accepted = 0;
        for value in 0..site.supply.requests {
            if value == at && end == 1 {
                run.stop();
            } else if value == at && end == 2 {
                feeds[0].close();
            }
            match feeds[usize::from(value % 2 == 0)].try_send(site.request(value)) {
                Ok(()) => {
                    accepted += 1;
                    site.journal.note(Event::Made { value });
                }
                Err(error @ (TrySendError::Full(_) | TrySendError::Closed(_))) => {
                    // It was never made: nor did it end.
                    error.into_request().envelope_mut().clear_cleanups();
                }
            }
            let turns = case.draw(0..=20);
            run.turns(turns);
        }
        drop(feeds);
        let report = run.finish()?;
        let taken = report.stages[0].ledger.taken;
        assert_eq!((taken, made(&site.journal.events()).len()), (accepted, small(accepted)));
        check::whole(&drawn.tree, site, &report).map_err(told)
    });
}
