//! The models of whole steps on threads that park: the loop of a thread, its steps and its doorbell are the product's.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use crossbeam_utils::CachePadded;
use loom::thread;

use super::waking::{Parked, lane_between, park, take_parked};
use super::{Bag, Gift, drain, explore, explore_crowd, request, small_lane};
use crate::contract::factory::Factory;
use crate::error::BoxError;
use crate::lane::fork::Cloner;
use crate::lane::inlet::Inlet;
use crate::lane::outlet::{Broadcast, Outlet};
use crate::lane::ring_lane::{Drained, LaneRx, LaneTx};
use crate::measure::Measure;
use crate::measure::tally::StepTally;
use crate::run::gate::Gate;
use crate::run::thread::{Crew, Recruit};
use crate::step::Step;
use crate::step::control::Control;
use crate::step::meter::Gauge;
use crate::step::post::{FactoryCell, FactoryLife, OnPanic, Post, StagePost};
use crate::step::source::SourceStep;
use crate::step::work::WorkStep;
use crate::sync::{AtomicUsize, lock};
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Idle;

/// Makes one worker, and no other in its place.
struct Once<W>(Option<W>);

impl<W: Send + 'static> Factory for Once<W> {
    type Product = W;

    fn make(&mut self) -> Result<W, BoxError> {
        self.0.take().ok_or_else(|| "there is one only".into())
    }
}

/// A stage of one worker, which ends the run if it panics.
fn stage(factory: Arc<dyn FactoryLife>) -> Arc<StagePost> {
    assert!(factory.enter());
    Arc::new(StagePost {
        path: "stage".to_owned(),
        on_panic: OnPanic::Stop,
        on_failure: None,
        failures: Mutex::default(),
        present: AtomicUsize::new(1),
        factory,
        close_factory: false,
    })
}

fn post(stage: &Arc<StagePost>, control: &Arc<Control>, bell: &Arc<Doorbell>) -> Post {
    Post {
        stage: Arc::clone(stage),
        worker: 0,
        prefault: false,
        control: Arc::clone(control),
        tally: Arc::new(CachePadded::new(StepTally::default())),
        measure: Measure::Off,
        gauge: Gauge::default(),
        makes: None,
        doorbell: Some(Arc::clone(bell)),
        ended: false,
    }
}

/// A thread that gives turns to one step and parks when it cannot move.
fn crew(
    stage: Arc<StagePost>,
    control: Arc<Control>,
    bell: Arc<Doorbell>,
    build: impl FnOnce(Post) -> Box<dyn Step> + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let gate = Arc::new(Gate::new());
        gate.open(0);
        let post = post(&stage, &control, &bell);
        let builder = Box::new(move || Ok(build(post)));
        let builders = vec![(0, Recruit { builder, stage: Arc::clone(&stage), worker: 0 })];
        let (idle, doorbell) = (Idle::Park, Some(bell));
        Crew { gate, control, idle, doorbell, lookout: None, builders }.run();
    })
}

/// A thread with a worker between two lanes.
fn worker<W>(
    work: W,
    (from, to): (LaneRx<u32>, LaneTx<u32>),
    control: &Arc<Control>,
    bell: &Arc<Doorbell>,
) -> thread::JoinHandle<()>
where
    W: FnMut(u32) -> u32 + Send + 'static,
{
    let factory = Arc::new(FactoryCell::new(Once(Some(work))));
    let stage = stage(factory.clone());
    crew(stage, Arc::clone(control), Arc::clone(bell), move |post| {
        let worker = post.make(&factory).expect("the first");
        let inlet = Inlet::new(vec![from], None);
        Box::new(WorkStep::new(worker, factory, inlet, None, Outlet::Lane(to), post))
    })
}

/// A stop while a source and a worker are parked before full lanes ends both, and what the source gave is delivered.
pub fn stop_while_full() {
    explore_crowd(|| {
        let [before, between, after] = [(); 3].map(|()| Doorbell::new());
        let first = lane_between(before, Arc::clone(&between));
        let second = lane_between(Arc::clone(&between), after);
        let control = Control::new(vec![Arc::clone(&first.producer), Arc::clone(&between)]);
        let control = Arc::new(control);
        let numbers = stage(Arc::new(FactoryCell::new(Once(Some(0_u32..)))));
        let source = {
            let Parked { tx, producer, .. } = first;
            crew(numbers, Arc::clone(&control), producer, move |post| {
                Box::new(SourceStep::new(0_u32.., Outlet::Lane(tx), post))
            })
        };
        let worker = worker(|n| n + 1, (first.rx, second.tx), &control, &between);
        control.stop();
        let mut rx = second.rx;
        let got = drain(&mut rx);
        source.join().expect("ends");
        worker.join().expect("ends");
        assert!(got.iter().copied().eq((1..).take(got.len())), "{got:?}");
    });
}

/// A worker that panics and is not replaced releases both its neighbours: one that is parked before a full lane, and one
/// that is parked on an empty one. What it did not take dies with failure, once.
pub fn panic_releases_neighbours() {
    explore_crowd(|| {
        let [before, between, after] = [(); 3].map(|()| Doorbell::new());
        let mut first = lane_between(before, Arc::clone(&between));
        let mut second = lane_between(Arc::clone(&between), after);
        let control = Arc::new(Control::new(vec![Arc::clone(&between)]));
        let fail = |_| -> u32 { resume_unwind(Box::new("on purpose")) };
        let worker = worker(fail, (first.rx, second.tx), &control, &between);
        let endings = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::clone(&endings);
        let putting = thread::spawn(move || {
            for value in 0..2 {
                let (ended, mut request) = (Arc::clone(&ended), request(value));
                request.envelope.on_end(move |success| lock(&ended).push(success));
                park(&first.producer, || first.tx.has_room().then_some(()));
                first.tx.put(request);
            }
        });
        let taking = thread::spawn(move || take_parked(&mut second.rx, &second.consumer));
        putting.join().expect("is let go");
        assert!(taking.join().expect("is let go").is_empty());
        worker.join().expect("contains its panic");
        assert!(control.is_stopping());
        assert_eq!(*lock(&endings), [false, false]);
    });
}

/// A fan-out's end comes after all its branches': whoever takes from them has everything then, a copy from each, and the
/// clean-ups from before it have run once.
pub fn fan_out_closes() {
    explore_crowd(|| {
        let [before, between, after] = [(); 3].map(|()| Doorbell::new());
        let mut one = lane_between(before, Arc::clone(&between));
        let mut out_of_one = lane_between(between, Arc::clone(&after));
        let (two, mut from_two) = small_lane(1, 1, false);
        let mut out_of_two = lane_between(Doorbell::new(), Arc::clone(&after));
        let ends = vec![out_of_one.rx, out_of_two.rx];
        let branch = thread::spawn(move || {
            let values = take_parked(&mut one.rx, &one.consumer);
            values.into_iter().for_each(|value| out_of_one.tx.put(request(value)));
        });
        let taking = thread::spawn(move || {
            let (mut inlet, mut bag) = (Inlet::new(ends, None), Bag::default());
            park(&after, || {
                loop {
                    let had = bag.0.len();
                    match inlet.drain(8, &mut bag) {
                        Drained::Closed => break Some(()),
                        // Only what took nothing has looked.
                        _ if bag.0.len() == had => break None,
                        _ => {}
                    }
                }
            });
            bag.0
        });
        let endings = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::clone(&endings);
        let mut first = request(1);
        first.envelope.on_end(move |success| lock(&ended).push(success));
        let outlets = vec![Outlet::Lane(one.tx), Outlet::Lane(two)];
        let mut outlet = Outlet::Broadcast(Broadcast::new(outlets, &Cloner::of::<u32>()));
        assert!(outlet.ready());
        outlet.fill(1, Gift::of([first]));
        drop(outlet);
        // The other branch.
        drain(&mut from_two).into_iter().for_each(|value| out_of_two.tx.put(request(value)));
        drop(out_of_two.tx);
        assert_eq!(taking.join().expect("ends"), [1, 1]);
        branch.join().expect("ends");
        assert_eq!(lock(&endings).len(), 1);
    });
}

/// A fan-out serves the branches that are left, and is closed once none is.
pub fn fan_out_outlives_a_branch() {
    explore(|| {
        let (one, from_one) = small_lane(1, 1, false);
        let (two, mut from_two) = small_lane(1, 1, false);
        let leaving = thread::spawn(move || drop(from_one));
        let outlets = vec![Outlet::Lane(one), Outlet::Lane(two)];
        let mut outlet = Outlet::Broadcast(Broadcast::new(outlets, &Cloner::of::<u32>()));
        for value in 0..2 {
            while !outlet.ready() {
                thread::yield_now();
            }
            assert!(!outlet.is_closed(), "one branch is left");
            outlet.fill(1, Gift::of([request(value)]));
            assert_eq!(from_two.pop().map(|request| request.value), Some(value));
        }
        leaving.join().expect("leaves");
        drop(from_two);
        assert!(outlet.is_closed());
    });
}
