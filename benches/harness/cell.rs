//! What is compared: systems, and the cells of the table they are compared in.

use super::job::{Job, Outcome};
use super::load::Load;
use super::shape::Shape;

/// What is run.
#[derive(Debug, Clone)]
pub enum Exercise {
    /// Requests flow from a source through a shape to a sink.
    Flow(Shape),
    /// A value goes there and back between two threads.
    PingPong,
    /// A thread calls a worker on another, and waits for its answer.
    Call,
    /// A value goes from a thread that is awake to one that sleeps.
    Wake,
}

impl Exercise {
    /// The shape that a request passes.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Flow(shape) => shape.clone(),
            Self::PingPong | Self::Call => Shape::Pool(1),
            Self::Wake => Shape::Serial(Vec::new()),
        }
    }
}

/// A named exercise.
#[derive(Debug)]
pub struct Topology {
    pub name: &'static str,
    pub exercise: Exercise,
}

/// What a system is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ringtract.
    Ours,
    /// What one would use instead.
    Peer,
    /// What nothing can be better than, or what the machine does by itself.
    Floor,
}

/// Something that can be measured.
pub struct System {
    pub name: &'static str,
    pub kind: Kind,
    /// In one line: how it is used.
    pub about: &'static str,
    /// Whether its threads never give up their cores.
    pub spins: bool,
    /// `None` where it cannot.
    pub flow: Option<fn(&Job) -> Outcome>,
    pub ping_pong: Option<fn(&Job) -> Outcome>,
    pub call: Option<fn(&Job) -> Outcome>,
    pub wake: Option<fn(&Job) -> Outcome>,
    /// Whether this cell is for it.
    pub fits: fn(&Cell) -> bool,
}

impl System {
    pub fn run_of(&self, exercise: &Exercise) -> Option<fn(&Job) -> Outcome> {
        match exercise {
            Exercise::Flow(_) => self.flow,
            Exercise::PingPong => self.ping_pong,
            Exercise::Call => self.call,
            Exercise::Wake => self.wake,
        }
    }
}

/// One comparison: a topology under a load, on some cores.
#[derive(Clone)]
pub struct Cell {
    pub topology: &'static Topology,
    pub load: Load,
    /// Bytes of a value.
    pub payload: usize,
    /// How many of the cores are used.
    pub cores: usize,
    /// Requests that each queue holds.
    pub capacity: usize,
}

/// Requests that each queue holds, in every system, unless it is the capacity that is looked at.
pub const CAPACITY: usize = 1_024;

impl Cell {
    pub fn new(topology: &'static Topology, load: Load, payload: usize, cores: usize) -> Self {
        Self { topology, load, payload, cores, capacity: CAPACITY }
    }

    /// Threads of a system with one for each worker.
    pub fn threads(&self) -> usize {
        match &self.topology.exercise {
            Exercise::Flow(shape) => shape.workers() + 2,
            Exercise::PingPong | Exercise::Call | Exercise::Wake => 2,
        }
    }

    pub fn title(&self) -> String {
        let Self { topology, load, payload, cores, .. } = self;
        let cores = if *cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
        format!("{}, {load}, {payload} bytes, {cores}", topology.name)
    }
}
