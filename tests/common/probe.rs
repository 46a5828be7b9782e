//! Stages and ends that write down what happens to them, and topologies to put them in.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringtract::{
    BoxError, Envelope, Error, Factory, Feed, Input, InputEnd, Next, NoInput, Outcome, Output,
    OutputEnd, Placement, Report, Request, Tract, Worker, fan_out, input, output, parallel, source,
    worker,
};

/// What happened, in order, over all threads.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn note(&self, event: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.into());
    }

    pub fn events(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many events begin like this.
    pub fn count(&self, start: &str) -> usize {
        self.events().iter().filter(|event| event.starts_with(start)).count()
    }

    /// The events that begin like this, sorted.
    pub fn sorted(&self, start: &str) -> Vec<String> {
        let mut events = self.events();
        events.retain(|event| event.starts_with(start));
        events.sort();
        events
    }

    /// Where the first event stands that begins like this.
    pub fn first(&self, start: &str) -> usize {
        let at = self.events().iter().position(|event| event.starts_with(start));
        at.unwrap_or_else(|| panic!("no {start:?} in {:?}", self.events()))
    }

    /// Where the last event stands that begins like this.
    pub fn last(&self, start: &str) -> usize {
        let at = self.events().iter().rposition(|event| event.starts_with(start));
        at.unwrap_or_else(|| panic!("no {start:?} in {:?}", self.events()))
    }

    /// Every worker and source made so far has been closed exactly once.
    pub fn assert_all_closed(&self) {
        let closed = self.sorted("make ").into_iter().map(|made| made.replacen("make", "close", 1));
        assert_eq!(self.sorted("close "), closed.collect::<Vec<_>>());
    }
}

/// One product of [`Probes`]: passes on what it gets, and notes its end.
#[derive(Debug)]
pub struct Probe {
    name: String,
    journal: Journal,
}

impl Worker<u64> for Probe {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        Outcome::Emit(value)
    }

    fn close(&mut self) {
        self.journal.note(format!("close {}", self.name));
    }
}

/// A source of the numbers in a range, which notes that it is asked.
#[derive(Debug)]
pub struct Numbers {
    probe: Probe,
    values: std::ops::Range<u64>,
}

impl Input for Numbers {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        self.probe.journal.note(format!("ask {}", self.probe.name));
        Iterator::next(&mut self.values).map_or(Next::Ended, Next::Value)
    }

    fn close(&mut self) {
        self.probe.close();
    }
}

/// What a factory is to suffer: an error if it returns one, a panic if it does not return.
pub type Trouble = fn() -> BoxError;

/// A factory that numbers its products over all runs, and notes when it makes one and when it is closed.
pub struct Probes<P> {
    name: String,
    journal: Journal,
    made: usize,
    wrap: Box<dyn Fn(Probe) -> P + Send>,
    trouble: Option<(usize, Trouble)>,
}

impl Probes<Probe> {
    pub fn workers(name: &str, journal: &Journal) -> Self {
        Self::new(name, journal, |probe| probe)
    }
}

impl Probes<Numbers> {
    pub fn sources(name: &str, values: std::ops::Range<u64>, journal: &Journal) -> Self {
        Self::new(name, journal, move |probe| Numbers { probe, values: values.clone() })
    }
}

impl<P> Probes<P> {
    fn new(name: &str, journal: &Journal, wrap: impl Fn(Probe) -> P + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            journal: journal.clone(),
            made: 0,
            wrap: Box::new(wrap),
            trouble: None,
        }
    }

    /// Meets with trouble, once, where it would make its product of this number.
    pub fn failing_at(mut self, number: usize, trouble: Trouble) -> Self {
        self.trouble = Some((number, trouble));
        self
    }
}

impl<P: 'static> Factory for Probes<P> {
    type Product = P;

    fn make(&mut self) -> Result<P, BoxError> {
        if let Some((_, trouble)) = self.trouble.take_if(|(number, _)| *number == self.made) {
            return Err(trouble());
        }
        let name = format!("{}[{}]", self.name, self.made);
        self.made += 1;
        self.journal.note(format!("make {name}"));
        Ok((self.wrap)(Probe { name, journal: self.journal.clone() }))
    }

    fn close(&mut self) {
        self.journal.note(format!("end factory {}", self.name));
    }
}

/// A pool of probes.
pub fn probes(name: &str, size: usize, journal: &Journal) -> Tract<u64, u64> {
    worker(name, size, Probes::workers(name, journal))
}

/// A single source of the numbers below `count`.
pub fn numbers(name: &str, count: u64, journal: &Journal) -> Tract<NoInput, u64> {
    source(name, 1, Probes::sources(name, 0..count, journal))
}

/// An input that gives the numbers below `count`, and notes its life.
pub fn noted_input(count: u64, journal: &Journal) -> InputEnd<u64> {
    let probe = Probe { name: "input".to_owned(), journal: journal.clone() };
    input(move || {
        probe.journal.note("make input");
        Ok::<_, BoxError>(Numbers { probe, values: 0..count })
    })
}

struct Notes(Journal);

impl Output<u64> for Notes {
    fn put(&mut self, request: Request<u64>) {
        self.0.note(format!("put {}", *request));
    }

    fn close(&mut self) {
        self.0.note("close output");
    }
}

/// An output that notes its life and every value.
pub fn noted_output(journal: &Journal) -> OutputEnd<u64> {
    let journal = journal.clone();
    output(move || {
        journal.note("make output");
        Ok::<_, BoxError>(Notes(journal))
    })
}

/// Runs a tract to its end into an output, in any way.
pub fn run_to<O: Send + 'static>(
    tract: &Tract<NoInput, O>,
    way: Placement,
    output: OutputEnd<O>,
) -> Result<Report, Error> {
    let setup = tract.setup().placement(way);
    match way {
        Placement::Inline { .. } => Ok(setup.init_inline(output)?.finish()),
        _ => Ok(setup.init(output)?.start()?.wait()),
    }
}

/// Runs a tract to its end between an input and an output, in any way.
pub fn run_between<I: Send + 'static, O: Send + 'static>(
    tract: &Tract<I, O>,
    way: Placement,
    input: InputEnd<I>,
    output: OutputEnd<O>,
) -> Result<Report, Error> {
    let setup = tract.setup().placement(way);
    match way {
        Placement::Inline { .. } => Ok(setup.init_inline_fed(input, output)?.finish()),
        _ => Ok(setup.init_fed(input, output)?.start()?.wait()),
    }
}

/// A shape that passes on every number, some of them more than once.
pub struct Topology {
    pub name: &'static str,
    pub tract: Tract<u64, u64>,
    /// How often each number comes out.
    pub copies: u64,
    /// Workers in it.
    pub workers: usize,
}

/// Every kind of group, alone and nested.
pub fn topologies(journal: &Journal) -> Vec<Topology> {
    let stage = |name: &str, size| probes(name, size, journal);
    let topology = |name, tract, copies, workers| Topology { name, tract, copies, workers };
    vec![
        topology("one worker", stage("one", 1), 1, 1),
        topology("pool", stage("pool", 3), 1, 3),
        topology("chain", stage("a", 1).then(stage("b", 2)).then(stage("c", 1)), 1, 4),
        topology("parallel", parallel("any", [stage("a", 2), stage("b", 1)]), 1, 3),
        topology("fan-out", fan_out("all", [stage("a", 1), stage("b", 2), stage("c", 1)]), 3, 4),
        topology("fan-out of a fan-out and a parallel", nested(&stage), 3, 8),
    ]
}

/// A fan-out to a chain and to a parallel group of fan-outs, and a pool behind it.
fn nested(stage: &impl Fn(&str, usize) -> Tract<u64, u64>) -> Tract<u64, u64> {
    let pair = |name| fan_out(name, [stage("left", 1), stage("right", 1)]);
    let chain = stage("a", 1).then(stage("b", 1));
    fan_out("all", [chain, parallel("any", [pair("this"), pair("that")])]).then(stage("last", 2))
}

/// Sends the numbers below `count`, each with a clean-up that tells how it ended.
pub fn send_tracked(feed: &mut Feed<u64>, count: u64) -> Receiver<(u64, bool)> {
    let (end, ended) = mpsc::channel();
    for n in 0..count {
        let (mut request, end) = (Request::new(n), end.clone());
        request.envelope_mut().on_end(move |success| {
            // The test may have seen enough.
            let _ = end.send((n, success));
        });
        feed.try_send(request).expect("there is room");
    }
    ended
}

/// Waits for what must come true by itself. The limit detects a hang and measures nothing.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < super::A_MINUTE, "after a minute still not: {what}");
        std::thread::yield_now();
    }
}

/// Threads of this process whose name begins like this. The system keeps 15 bytes of a name.
#[cfg(target_os = "linux")]
pub fn threads_named(start: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a process has tasks").flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with(start)).count()
}
