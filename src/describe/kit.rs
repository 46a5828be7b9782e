//! The kit of a stage: where its types are known, behind an interface without them.
//!
//! Types are erased here, once per stage, and come back here when the stage is wired: a kit makes the outlets of
//! its workers, which settles the type of their lanes, and the builders of its steps, which take the other
//! ends of such lanes. That both agree is what [`Tract<I, O>`](crate::Tract) stands for.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::contract::factory::Factory;
use crate::contract::input::Input;
use crate::contract::output::Output;
use crate::contract::worker::Worker;
use crate::error::BoxError;
use crate::error::Error;
use crate::lane::Load;
use crate::lane::fork::Fork;
use crate::lane::inlet::Inlet;
use crate::lane::outlet::{Broadcast, Outlet};
use crate::lane::receiver::Dock;
use crate::lane::ring_lane::{LaneRx, LaneSpec, lane};
use crate::lane::route::Route;
use crate::lane::track::slot_bytes;
use crate::step::Step;
use crate::step::post::{FactoryCell, FactoryLife, Post};
use crate::step::sink::SinkStep;
use crate::step::source::SourceStep;
use crate::step::work::WorkStep;
use crate::wait::doorbell::Doorbell;

/// What a stage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum StageKind {
    /// Makes requests.
    Source,
    /// Works on requests.
    Worker,
    /// The input given to this run.
    Input,
    /// The output given to this run.
    Output,
    /// A receiver in the user's hand; it has no thread.
    Receiver,
}

/// Builds a step on the thread that will run it.
pub(crate) type StepBuilder = Box<dyn FnOnce() -> Result<Box<dyn Step>, Error> + Send>;

/// One end of a lane, or an outlet, without its type.
pub(crate) type Erased = Box<dyn Any + Send>;

/// What a kit asks of the wiring: a lane from the worker it is wiring to a worker of a later stage.
pub(crate) trait Wires {
    /// The number of the worker whose outlet is being made.
    fn worker(&self) -> usize;
    /// Workers of a stage.
    fn size(&self, stage: usize) -> usize;
    /// What the next lane to that worker is to be.
    fn spec(&mut self, stage: usize, worker: usize) -> LaneSpec;
    /// Hands over the consumer's end of that lane.
    fn attach(&mut self, stage: usize, worker: usize, rx: Erased);
}

/// Makes what a stage consists of.
pub(crate) trait Kit: Send + Sync {
    fn kind(&self) -> StageKind;

    /// Bytes that one request takes in a lane to this stage, whose values may travel apart from their envelopes; 0 for
    /// a source.
    fn request_size(&self, split: bool) -> usize;

    /// Makes the outlet of one worker.
    fn outlet(&self, fork: &Fork, wires: &mut dyn Wires) -> Erased;

    /// Makes the builder of one worker's step; `None` where the stage has no steps.
    fn step(
        &self,
        post: Post,
        lanes: Vec<Erased>,
        load: Option<Arc<Load>>,
        outlet: Erased,
    ) -> Option<StepBuilder>;

    fn factory(&self) -> Arc<dyn FactoryLife>;

    /// What wakes whoever takes from its lanes, where that is no thread of the run.
    fn doorbell(&self) -> Option<Arc<Doorbell>> {
        None
    }
}

const TYPES_AGREE: &str = "`Tract<I, O>` joins only lanes of the same type";

fn typed_outlet<T: 'static>(outlet: Erased) -> Outlet<T> {
    *outlet.downcast().expect(TYPES_AGREE)
}

fn typed_lanes<T: 'static>(lanes: Vec<Erased>) -> Vec<LaneRx<T>> {
    lanes.into_iter().map(|lane| *lane.downcast().expect(TYPES_AGREE)).collect()
}

fn wire_outlet<T: Send + 'static>(fork: &Fork, wires: &mut dyn Wires) -> Outlet<T> {
    match fork {
        Fork::Final => Outlet::Final,
        Fork::End(ending) => Outlet::End(ending.typed()),
        Fork::Stage(stage) => {
            let lanes = (0..wires.size(*stage)).map(|worker| wire_lane(*stage, worker, wires));
            let lanes = lanes.collect();
            one_or_route(lanes, wires.worker())
        }
        Fork::Route(members) => {
            // Workers compete, not members: the lanes of pools stand side by side.
            let mut exits = Vec::new();
            for member in members {
                match wire_outlet(member, wires) {
                    Outlet::Route(route) => exits.extend(route.into_outlets()),
                    other => exits.push(other),
                }
            }
            one_or_route(exits, wires.worker())
        }
        Fork::Broadcast(members, cloner) => {
            let branches = members.iter().map(|member| wire_outlet(member, wires)).collect();
            Outlet::Broadcast(Broadcast::new(branches, cloner))
        }
    }
}

fn one_or_route<T>(mut outlets: Vec<Outlet<T>>, producer: usize) -> Outlet<T> {
    if outlets.len() == 1 {
        outlets.remove(0)
    } else {
        Outlet::Route(Route::new(outlets, producer))
    }
}

fn wire_lane<T: Send + 'static>(stage: usize, worker: usize, wires: &mut dyn Wires) -> Outlet<T> {
    let (tx, rx) = lane::<T>(wires.spec(stage, worker));
    wires.attach(stage, worker, Box::new(rx));
    Outlet::Lane(tx)
}

/// A stage of workers.
pub(crate) struct WorkerKit<I, F> {
    factory: Arc<FactoryCell<F>>,
    requests: PhantomData<fn(I)>,
}

impl<I, F: Factory> WorkerKit<I, F> {
    pub(crate) fn new(factory: F) -> Self {
        Self { factory: Arc::new(FactoryCell::new(factory)), requests: PhantomData }
    }
}

impl<I, F, W> Kit for WorkerKit<I, F>
where
    I: Send + 'static,
    W: Worker<I, Out: Send + 'static> + 'static,
    F: Factory<Product = W>,
{
    fn kind(&self) -> StageKind {
        StageKind::Worker
    }

    fn request_size(&self, split: bool) -> usize {
        slot_bytes::<I>(split)
    }

    fn outlet(&self, fork: &Fork, wires: &mut dyn Wires) -> Erased {
        Box::new(wire_outlet::<W::Out>(fork, wires))
    }

    fn step(
        &self,
        post: Post,
        lanes: Vec<Erased>,
        load: Option<Arc<Load>>,
        outlet: Erased,
    ) -> Option<StepBuilder> {
        let factory = Arc::clone(&self.factory);
        let inlet = Inlet::new(typed_lanes::<I>(lanes), load.clone());
        let mut outlet = typed_outlet(outlet);
        Some(Box::new(move || {
            if post.prefault {
                outlet.prefault();
            }
            let worker = post.make(&factory)?;
            Ok(Box::new(WorkStep::new(worker, factory, inlet, load, outlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::clone(&self.factory) as Arc<dyn FactoryLife>
    }
}

/// A stage of sources, or the input of one run.
pub(crate) struct SourceKit<F> {
    kind: StageKind,
    factory: Arc<FactoryCell<F>>,
}

impl<F: Factory> SourceKit<F> {
    pub(crate) fn new(kind: StageKind, factory: F) -> Self {
        Self { kind, factory: Arc::new(FactoryCell::new(factory)) }
    }
}

impl<F, S> Kit for SourceKit<F>
where
    S: Input<Item: Send + 'static> + 'static,
    F: Factory<Product = S>,
{
    fn kind(&self) -> StageKind {
        self.kind
    }

    fn request_size(&self, _split: bool) -> usize {
        0
    }

    fn outlet(&self, fork: &Fork, wires: &mut dyn Wires) -> Erased {
        Box::new(wire_outlet::<S::Item>(fork, wires))
    }

    fn step(
        &self,
        post: Post,
        _lanes: Vec<Erased>,
        _load: Option<Arc<Load>>,
        outlet: Erased,
    ) -> Option<StepBuilder> {
        let factory = Arc::clone(&self.factory);
        let mut outlet = typed_outlet(outlet);
        Some(Box::new(move || {
            if post.prefault {
                outlet.prefault();
            }
            let input = post.make_end(&factory, S::attach)?;
            Ok(Box::new(SourceStep::new(input, outlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::clone(&self.factory) as Arc<dyn FactoryLife>
    }
}

/// The factory of an end, which belongs to one run and is opened once.
pub(crate) struct Opener<E>(Option<Box<dyn FnOnce() -> Result<E, BoxError> + Send>>);

impl<E> Opener<E> {
    pub(crate) fn new(open: impl FnOnce() -> Result<E, BoxError> + Send + 'static) -> Self {
        Self(Some(Box::new(open)))
    }
}

impl<E: 'static> Factory for Opener<E> {
    type Product = E;

    fn make(&mut self) -> Result<E, BoxError> {
        self.0.take().ok_or("an end is opened once")?()
    }
}

/// The output of one run.
pub(crate) struct OutputKit<T, P> {
    factory: Arc<FactoryCell<Opener<P>>>,
    requests: PhantomData<fn(T)>,
}

impl<T, P: 'static> OutputKit<T, P> {
    pub(crate) fn new(opener: Opener<P>) -> Self {
        Self { factory: Arc::new(FactoryCell::new(opener)), requests: PhantomData }
    }
}

impl<T: Send + 'static, P: Output<T> + 'static> Kit for OutputKit<T, P> {
    fn kind(&self) -> StageKind {
        StageKind::Output
    }

    fn request_size(&self, split: bool) -> usize {
        slot_bytes::<T>(split)
    }

    fn outlet(&self, _fork: &Fork, _wires: &mut dyn Wires) -> Erased {
        Box::new(())
    }

    fn step(
        &self,
        post: Post,
        lanes: Vec<Erased>,
        load: Option<Arc<Load>>,
        _outlet: Erased,
    ) -> Option<StepBuilder> {
        let factory = Arc::clone(&self.factory);
        let inlet = Inlet::new(typed_lanes::<T>(lanes), load);
        Some(Box::new(move || {
            let output = post.make_end(&factory, P::attach)?;
            Ok(Box::new(SinkStep::new(output, inlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::clone(&self.factory) as Arc<dyn FactoryLife>
    }
}

/// The factory life of what has no factory.
struct NoFactory;

impl FactoryLife for NoFactory {
    fn enter(&self) -> bool {
        true
    }

    fn leave(&self, _close: bool) {}

    fn close(&self) {}
}

/// A receiver: its lanes go to the user, and there is no step.
pub(crate) struct ReceiverKit<T>(pub(crate) Arc<Dock<T>>);

impl<T: Send + 'static> Kit for ReceiverKit<T> {
    fn kind(&self) -> StageKind {
        StageKind::Receiver
    }

    fn request_size(&self, split: bool) -> usize {
        slot_bytes::<T>(split)
    }

    fn outlet(&self, _fork: &Fork, _wires: &mut dyn Wires) -> Erased {
        Box::new(())
    }

    fn step(
        &self,
        _post: Post,
        lanes: Vec<Erased>,
        _load: Option<Arc<Load>>,
        _outlet: Erased,
    ) -> Option<StepBuilder> {
        self.0.connect(typed_lanes(lanes));
        None
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::new(NoFactory)
    }

    fn doorbell(&self) -> Option<Arc<Doorbell>> {
        Some(Arc::clone(self.0.doorbell()))
    }
}

impl<T> Drop for ReceiverKit<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
