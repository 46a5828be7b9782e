//! Bare `rtrb` rings, one for each pair of workers, polled by hand: the pipeline one writes who writes only this one.
//!
//! As many threads as cores, and on each of them its workers in turn, as ringtract does it. Nothing is there that a
//! user does not see here: no contained panic, no count, no clean-up, no stop, no report.

use std::sync::Barrier;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::{Due, Pacer, Sent, Wait};
use crate::harness::payload::Payload;
use crate::harness::shape::Network;
use crate::harness::sink::{Sink, Sunk};

/// Requests that a worker moves before it is another's turn.
const BUDGET: usize = 64;

/// Where a worker puts: into one ring of every row.
struct Out<P> {
    rows: Vec<Row<P>>,
}

/// Rings to workers that share the requests.
struct Row<P> {
    rings: Vec<Producer<P>>,
    next: usize,
}

impl<P: Payload> Out<P> {
    /// Whether every row has a ring with room; turns to it.
    #[inline]
    fn has_room(&mut self) -> bool {
        self.rows.iter_mut().all(|row| {
            let count = row.rings.len();
            for _ in 0..count {
                if !row.rings[row.next].is_full() {
                    return true;
                }
                row.next = if row.next + 1 == count { 0 } else { row.next + 1 };
            }
            false
        })
    }

    /// Puts where there was room.
    #[inline]
    fn put(&mut self, value: P) {
        for row in &mut self.rows {
            row.rings[row.next].push(value).expect("there was room");
            row.next = if row.next + 1 == row.rings.len() { 0 } else { row.next + 1 };
        }
    }
}

enum Step<P> {
    Source(Box<Pacer>, Out<P>),
    Work(Vec<Consumer<P>>, Out<P>),
    Sink(Vec<Consumer<P>>, Option<Box<Sink>>),
}

enum Turn {
    Moved,
    Idle,
    Ended,
    Sent(Sent),
    Sunk(Box<Sunk>),
}

/// Takes from every ring, up to the budget, and forgets rings that have ended.
#[inline]
fn drain<P: Payload>(
    rings: &mut Vec<Consumer<P>>,
    mut take: impl FnMut(&mut Consumer<P>) -> bool,
) -> Turn {
    let (mut moved, mut ended) = (false, false);
    for ring in &mut *rings {
        // Asked first: what was put before the end is seen after.
        let is_abandoned = ring.is_abandoned();
        let mut budget = BUDGET;
        while budget > 0 && take(ring) {
            moved = true;
            budget -= 1;
        }
        ended |= is_abandoned && ring.is_empty();
    }
    if ended {
        rings.retain(|ring| !(ring.is_abandoned() && ring.is_empty()));
    }
    match (rings.is_empty(), moved) {
        (true, _) => Turn::Ended,
        (false, true) => Turn::Moved,
        (false, false) => Turn::Idle,
    }
}

impl<P: Payload> Step<P> {
    #[inline]
    fn turn(&mut self) -> Turn {
        match self {
            Self::Source(pacer, out) => {
                for at in 0..BUDGET {
                    if !out.has_room() {
                        return if at > 0 { Turn::Moved } else { Turn::Idle };
                    }
                    match pacer.poll() {
                        Due::Now(_) => out.put(P::new(pacer.give())),
                        Due::At(_) | Due::Later => {
                            return if at > 0 { Turn::Moved } else { Turn::Idle };
                        }
                        Due::Ended => return Turn::Sent(pacer.finish()),
                    }
                }
                Turn::Moved
            }
            Self::Work(rings, out) => drain(rings, |ring| {
                out.has_room() && ring.pop().map(|value| out.put(value.pass())).is_ok()
            }),
            Self::Sink(rings, sink) => {
                let open = sink.as_mut().expect("has not ended");
                match drain(rings, |ring| ring.pop().map(|value| open.take(value.word())).is_ok()) {
                    Turn::Ended => {
                        Turn::Sunk(Box::new(sink.take().expect("has not ended").finish()))
                    }
                    turn => turn,
                }
            }
        }
    }
}

/// Gives turns until all steps have ended.
fn give_turns<P: Payload>(
    mut steps: Vec<Step<P>>,
    wait: Wait,
) -> (Option<Sent>, Option<Box<Sunk>>) {
    let (mut sent, mut sunk) = (None, None);
    while !steps.is_empty() {
        let mut moved = false;
        steps.retain_mut(|step| {
            let turn = step.turn();
            moved |= !matches!(turn, Turn::Idle);
            match turn {
                Turn::Moved | Turn::Idle => return true,
                Turn::Ended => {}
                Turn::Sent(all) => sent = Some(all),
                Turn::Sunk(all) => sunk = Some(all),
            }
            false
        });
        if !moved {
            wait.once();
        }
    }
    (sent, sunk)
}

/// The rings between all steps, and the steps, in the order of the shape.
fn steps<P: Payload>(job: &Job) -> Vec<Step<P>> {
    let network = Network::of(&job.shape);
    // For each queue, the rings that lead to each of its takers.
    let mut takers: Vec<Vec<Vec<Consumer<P>>>> = (0..network.queues)
        .map(|queue| (0..network.takers(queue)).map(|_| Vec::new()).collect())
        .collect();
    let mut out = |queues: &[usize]| {
        let rows = queues.iter().map(|queue| {
            let rings = takers[*queue].iter_mut().map(|taker| {
                let (tx, rx) = RingBuffer::new(job.capacity);
                taker.push(rx);
                tx
            });
            Row { rings: rings.collect(), next: 0 }
        });
        Out { rows: rows.collect() }
    };
    let source = Step::Source(Box::new(job.pacer()), out(&network.entries));
    let workers: Vec<(usize, Out<P>)> = network
        .nodes
        .iter()
        .flat_map(|node| (0..node.workers).map(move |_| node))
        .map(|node| (node.input, out(&node.outputs)))
        .collect();
    let mut steps = vec![source];
    for (input, out) in workers {
        let rings = takers[input].pop().expect("a row of rings for each worker");
        steps.push(Step::Work(rings, out));
    }
    let rings = takers[Network::EXIT].pop().expect("a row of rings for the sink");
    steps.push(Step::Sink(rings, Some(Box::new(job.sink()))));
    steps
}

/// Runs a topology.
pub fn run<P: Payload>(job: &Job, wait: Wait) -> Outcome {
    check(job, job.shape.merged(), || {
        let mut steps = steps::<P>(job);
        let threads = steps.len().min(job.cores.len());
        let ready = Barrier::new(threads);
        std::thread::scope(|scope| {
            let mut handles = Vec::new();
            for (thread, core) in job.cores.iter().take(threads).enumerate() {
                let mine = steps.len() / (threads - thread);
                let mine: Vec<Step<P>> = steps.drain(..mine).collect();
                let ready = &ready;
                handles.push(scope.spawn(move || {
                    pin(*core);
                    ready.wait();
                    give_turns(mine, wait)
                }));
            }
            let (mut sent, mut sunk) = (None, None);
            for handle in handles {
                let told = handle.join().expect("gives turns");
                sent = sent.or(told.0);
                sunk = sunk.or(told.1);
            }
            (sent.expect("the source ended"), *sunk.expect("the sink ended"))
        })
    })
}
