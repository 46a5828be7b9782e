//! The kit of a stage: where its types are known, behind an interface without them.
//!
//! Types are erased here, once per stage, and come back here when the stage is wired: a kit makes the outlets of
//! its workers, which settles the type of their lanes, and the builders of its steps, which take the other
//! ends of such lanes. That both agree is what [`Tract<I, O>`](crate::Tract) stands for.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use crate::contract::factory::Factory;
use crate::contract::input::Input;
use crate::contract::output::Output;
use crate::contract::request::Request;
use crate::contract::worker::Worker;
use crate::error::BoxError;
use crate::error::{Error, panic_message};
use crate::lane::Load;
use crate::lane::fork::Fork;
use crate::lane::inlet::Inlet;
use crate::lane::outlet::{Broadcast, Outlet, Route};
use crate::lane::receiver::Dock;
use crate::lane::ring_lane::{LaneRx, LaneSpec, lane};
use crate::step::Step;
use crate::step::post::{FactoryCell, FactoryLife, Post};
use crate::step::sink::SinkStep;
use crate::step::source::SourceStep;
use crate::step::work::WorkStep;
use crate::sync::lock;

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

    /// Bytes that one request takes in a lane to this stage; 0 for a source.
    fn request_size(&self) -> usize;

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
        Fork::Stage(stage) => {
            let lanes = (0..wires.size(*stage)).map(|worker| wire_lane(*stage, worker, wires));
            one_or_route(lanes.collect())
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
            one_or_route(exits)
        }
        Fork::Broadcast(members, cloner) => {
            let branches = members.iter().map(|member| wire_outlet(member, wires)).collect();
            Outlet::Broadcast(Broadcast::new(branches, cloner))
        }
    }
}

fn one_or_route<T>(mut outlets: Vec<Outlet<T>>) -> Outlet<T> {
    if outlets.len() == 1 { outlets.remove(0) } else { Outlet::Route(Route::new(outlets)) }
}

fn wire_lane<T: Send + 'static>(stage: usize, worker: usize, wires: &mut dyn Wires) -> Outlet<T> {
    let (tx, rx) = lane::<T>(wires.spec(stage, worker));
    wires.attach(stage, worker, Box::new(rx));
    Outlet::Lane(tx)
}

fn slot<T>() -> usize {
    size_of::<Request<T>>()
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

    fn request_size(&self) -> usize {
        slot::<I>()
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
        let inlet = Inlet::new(typed_lanes::<I>(lanes), load);
        let outlet = typed_outlet(outlet);
        Some(Box::new(move || {
            let worker = post.make(&factory)?;
            Ok(Box::new(WorkStep::new(worker, factory, inlet, outlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::clone(&self.factory) as Arc<dyn FactoryLife>
    }
}

/// A stage of sources.
pub(crate) struct SourceKit<F> {
    factory: Arc<FactoryCell<F>>,
}

impl<F: Factory> SourceKit<F> {
    pub(crate) fn new(factory: F) -> Self {
        Self { factory: Arc::new(FactoryCell::new(factory)) }
    }
}

impl<F, S> Kit for SourceKit<F>
where
    S: Input<Item: Send + 'static> + 'static,
    F: Factory<Product = S>,
{
    fn kind(&self) -> StageKind {
        StageKind::Source
    }

    fn request_size(&self) -> usize {
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
        let outlet = typed_outlet(outlet);
        Some(Box::new(move || {
            let input = post.make(&factory)?;
            Ok(Box::new(SourceStep::new(input, outlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::clone(&self.factory) as Arc<dyn FactoryLife>
    }
}

/// Opens an end on the thread that will use it. Ends belong to one run, so it is used once.
pub(crate) type Opener<E> = Box<dyn FnOnce() -> Result<E, BoxError> + Send>;

/// The factory life of what has no factory.
struct NoFactory;

impl FactoryLife for NoFactory {
    fn enter(&self) -> bool {
        true
    }

    fn leave(&self, _close: bool) {}

    fn close(&self) {}
}

/// Opens an end; its error and its panic name the stage.
fn open<E>(opener: Opener<E>, post: &Post) -> Result<E, Error> {
    let (path, worker) = (post.stage.path.clone(), post.worker);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(opener)) {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(source)) => Err(Error::FactoryFailed { path, worker, source }),
        Err(panic) => Err(Error::FactoryPanicked { path, worker, message: panic_message(&*panic) }),
    }
}

/// The input of one run.
pub(crate) struct InputKit<P>(Mutex<Option<Opener<P>>>);

impl<P> InputKit<P> {
    pub(crate) fn new(opener: Opener<P>) -> Self {
        Self(Mutex::new(Some(opener)))
    }
}

impl<P: Input<Item: Send + 'static> + 'static> Kit for InputKit<P> {
    fn kind(&self) -> StageKind {
        StageKind::Input
    }

    fn request_size(&self) -> usize {
        0
    }

    fn outlet(&self, fork: &Fork, wires: &mut dyn Wires) -> Erased {
        Box::new(wire_outlet::<P::Item>(fork, wires))
    }

    fn step(
        &self,
        post: Post,
        _lanes: Vec<Erased>,
        _load: Option<Arc<Load>>,
        outlet: Erased,
    ) -> Option<StepBuilder> {
        let opener = lock(&self.0).take()?;
        let outlet = typed_outlet(outlet);
        Some(Box::new(move || {
            let input = open(opener, &post)?;
            Ok(Box::new(SourceStep::new(input, outlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::new(NoFactory)
    }
}

/// The output of one run.
pub(crate) struct OutputKit<T, P> {
    opener: Mutex<Option<Opener<P>>>,
    requests: PhantomData<fn(T)>,
}

impl<T, P> OutputKit<T, P> {
    pub(crate) fn new(opener: Opener<P>) -> Self {
        Self { opener: Mutex::new(Some(opener)), requests: PhantomData }
    }
}

impl<T: Send + 'static, P: Output<T> + 'static> Kit for OutputKit<T, P> {
    fn kind(&self) -> StageKind {
        StageKind::Output
    }

    fn request_size(&self) -> usize {
        slot::<T>()
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
        let opener = lock(&self.opener).take()?;
        let inlet = Inlet::new(typed_lanes::<T>(lanes), load);
        Some(Box::new(move || {
            let output = open(opener, &post)?;
            Ok(Box::new(SinkStep::new(output, inlet, post)))
        }))
    }

    fn factory(&self) -> Arc<dyn FactoryLife> {
        Arc::new(NoFactory)
    }
}

/// A receiver: its lanes go to the user, and there is no step.
pub(crate) struct ReceiverKit<T>(pub(crate) Arc<Dock<T>>);

impl<T: Send + 'static> Kit for ReceiverKit<T> {
    fn kind(&self) -> StageKind {
        StageKind::Receiver
    }

    fn request_size(&self) -> usize {
        slot::<T>()
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
}

impl<T> Drop for ReceiverKit<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
