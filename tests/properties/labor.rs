//! From a tree to a tract whose sources and workers write down what they do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringtract::{
    BoxError, Envelope, Factory, Input, Next, NoInput, OnPanic, Outcome, Output, Request, Room,
    Stopper, Tract, Worker, fan_out, parallel, serial, source, worker,
};

use super::common::{Count, MEANT};
use super::journal::{Event, Journal, Place};
use super::tree::{Fate, Mark, Pool, Tree};

/// What a tract is described with.
#[derive(Debug, Clone)]
pub struct Site {
    pub journal: Journal,
    pub staff: Staff,
    pub supply: Supply,
    /// Whether everybody dawdles now and then.
    pub jitter: bool,
}

/// Sources and workers made and closed.
#[derive(Debug, Clone, Default)]
pub struct Staff {
    pub made: Count,
    pub closed: Count,
}

/// What the sources give: the numbers from 0 on.
#[derive(Debug, Clone)]
pub struct Supply {
    pub sources: usize,
    pub requests: u64,
    pub brake: Option<Arc<Brake>>,
}

/// Asks for a stop from within the run, when the numbers have come this far.
#[derive(Debug)]
pub struct Brake {
    pub at: u64,
    pub stopper: OnceLock<Stopper>,
}

impl Site {
    pub fn new(supply: Supply) -> Self {
        Self { journal: Journal::default(), staff: Staff::default(), supply, jitter: false }
    }

    /// Yields, spins or sleeps for a moment, in a fifth of the cases, so that threads come together otherwise than they do by
    /// themselves.
    pub fn dawdle(&self) {
        if !self.jitter {
            return;
        }
        match fastrand::u8(..) {
            0..20 => std::thread::yield_now(),
            20..40 => (0..fastrand::u32(..2_000)).for_each(|_| std::hint::spin_loop()),
            40..44 => std::thread::sleep(Duration::from_micros(fastrand::u64(..100))),
            _ => {}
        }
    }

    /// The sources, and then the tree.
    pub fn tract(&self, tree: &Tree) -> Tract<NoInput, u64> {
        source("source", self.supply.sources, Quarry { site: self.clone(), made: 0 })
            .then(self.piece(tree))
    }

    /// The tree alone.
    pub fn piece(&self, tree: &Tree) -> Tract<u64, u64> {
        self.members(tree, 0)
    }

    /// A request that is written down, to be sent into the tree.
    pub fn request(&self, value: u64) -> Request<u64> {
        let mut request = Request::new(value);
        request.envelope_mut().on_end(self.end(Place::Source, value));
        request
    }

    /// The tree as a member of a parallel group: what `variant` counts differs in its pools.
    fn members(&self, tree: &Tree, variant: usize) -> Tract<u64, u64> {
        match tree {
            Tree::Pool(pool) => self.pool(&pool.variant(variant)),
            Tree::Serial(trees) => {
                let members = trees.iter().map(|tree| self.members(tree, variant));
                serial("serial", members.reduce(Tract::then).expect("at least one"))
            }
            Tree::Parallel { members, each } => {
                let variants = (0..*members).map(|member| variant * members + member);
                parallel("parallel", variants.map(|variant| self.members(each, variant)))
            }
            Tree::FanOut(trees) => {
                fan_out("fan-out", trees.iter().map(|tree| self.members(tree, variant)))
            }
        }
    }

    fn pool(&self, pool: &Pool) -> Tract<u64, u64> {
        let (site, labor) = (self.clone(), pool.clone());
        let factory = move || Laborer::new(site.clone(), labor.clone());
        worker(pool.number.to_string(), pool.workers, factory)
            .capacity(pool.capacity)
            .batch(pool.batch)
            .on_panic(OnPanic::Replace)
    }
}

/// Makes sources that share out the numbers.
struct Quarry {
    site: Site,
    made: u64,
}

impl Factory for Quarry {
    type Product = Numbers;

    fn make(&mut self) -> Result<Numbers, BoxError> {
        let next = self.made % self.site.supply.sources as u64;
        self.made += 1;
        self.site.staff.made.up();
        Ok(Numbers { next, site: self.site.clone() })
    }
}

/// A source: every so many numbers, each with a clean-up.
struct Numbers {
    next: u64,
    site: Site,
}

impl Input for Numbers {
    type Item = u64;

    fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
        let Supply { sources, requests, brake } = &self.site.supply;
        let value = self.next;
        self.site.dawdle();
        if value >= *requests {
            return Next::Ended;
        }
        if let Some(brake) = brake.as_ref().filter(|brake| value >= brake.at) {
            match brake.stopper.get() {
                Some(stopper) => stopper.stop(),
                None => return Next::Nothing,
            }
        }
        self.next += *sources as u64;
        self.site.journal.note(Event::Made { value });
        request.on_end(self.site.end(Place::Source, value));
        Next::Value(value)
    }

    fn close(&mut self) {
        self.site.staff.closed.up();
    }
}

impl Site {
    /// A clean-up that writes down that it ran.
    fn end(&self, place: Place, value: u64) -> impl Fn(bool) + Send + Sync + 'static {
        let journal = self.journal.clone();
        move |success| journal.note(Event::Ended { place, value, success })
    }
}

/// An output that writes down what it gets; where everybody dawdles, it has no room now and then.
pub struct Sink(pub Site);

impl Output<u64> for Sink {
    fn room(&mut self) -> Room {
        match fastrand::u8(..) {
            0..10 if self.0.jitter => Room::Full,
            10..20 if self.0.jitter => Room::Absent,
            _ => Room::Free,
        }
    }

    fn put(&mut self, request: Request<u64>) {
        self.0.dawdle();
        self.0.journal.note(Event::Delivered { value: *request });
    }
}

/// A worker of a pool.
struct Laborer {
    site: Site,
    pool: Pool,
    /// Values still to be given for one request.
    left: std::vec::IntoIter<u64>,
    breaks: bool,
}

impl Laborer {
    fn new(site: Site, pool: Pool) -> Self {
        site.staff.made.up();
        Self { site, pool, left: Vec::new().into_iter(), breaks: false }
    }
}

impl Worker<u64> for Laborer {
    type Out = u64;

    fn work(&mut self, value: u64, request: &mut Envelope) -> Outcome<u64> {
        let number = self.pool.number;
        self.site.dawdle();
        self.site.journal.note(Event::Taken { pool: number, value });
        let end = self.site.end(Place::Pool(number), value);
        match self.pool.mark {
            Mark::None => {}
            Mark::Once => request.on_end(end),
            Mark::Each => request.on_each_end(end),
        }
        match self.pool.fate(value) {
            Fate::Emit(value) => Outcome::Emit(value),
            Fate::Discard => Outcome::Discard,
            Fate::Fail => Outcome::fail("it is the fate of this value"),
            Fate::Panic => panic!("{MEANT}it is the fate of this value"),
            Fate::Several { values, breaks } => {
                (self.left, self.breaks) = (values.into_iter(), breaks);
                Outcome::EmitAll
            }
        }
    }

    fn next(&mut self) -> Option<u64> {
        self.site.dawdle();
        let value = self.left.next();
        assert!(value.is_some() || !self.breaks, "{MEANT}broken off");
        value
    }

    fn close(&mut self) {
        self.site.staff.closed.up();
    }
}
