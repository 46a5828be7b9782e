//! A thread for each worker and a channel before each stage: how one builds a pipeline of channels.
//!
//! The workers of a pool, and the members of a parallel group, take from one channel. Where a channel has only one
//! receiver, each worker has a channel of its own and whoever sends takes them in turn.

use std::sync::{Arc, Barrier};

use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::Wait;
use crate::harness::payload::Payload;
use crate::harness::shape::Network;

/// A bounded channel.
pub trait Channel: 'static {
    type Tx<P: Payload>: Send + Clone;
    type Rx<P: Payload>: Send;

    /// A channel, with a receiver for each of those who take from it.
    fn queue<P: Payload>(capacity: usize, takers: usize) -> (Self::Tx<P>, Vec<Self::Rx<P>>);

    /// Waits for room.
    fn send<P: Payload>(tx: &mut Self::Tx<P>, value: P);

    /// Whether there was room.
    fn try_send<P: Payload>(tx: &mut Self::Tx<P>, value: P) -> bool;

    /// Waits for a value; `None` at the end.
    fn recv<P: Payload>(rx: &Self::Rx<P>) -> Option<P>;

    /// A value if there is one; an error at the end.
    fn try_recv<P: Payload>(rx: &Self::Rx<P>) -> Result<Option<P>, Ended>;
}

/// All senders are gone, and all values taken.
pub struct Ended;

/// How the threads wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the channel does, which in the end is to park.
    Block,
    /// By asking again at once.
    Spin,
}

impl Form {
    #[inline]
    fn send<C: Channel, P: Payload>(self, tx: &mut C::Tx<P>, value: P) {
        match self {
            Self::Block => C::send(tx, value),
            Self::Spin => {
                while !C::try_send(tx, value) {
                    std::hint::spin_loop();
                }
            }
        }
    }

    #[inline]
    fn recv<C: Channel, P: Payload>(self, rx: &C::Rx<P>) -> Option<P> {
        match self {
            Self::Block => C::recv(rx),
            Self::Spin => loop {
                match C::try_recv(rx) {
                    Ok(Some(value)) => return Some(value),
                    Ok(None) => std::hint::spin_loop(),
                    Err(Ended) => return None,
                }
            },
        }
    }
}

/// The senders of these queues.
pub fn pick<T: Clone>(txs: &[T], queues: &[usize]) -> Vec<T> {
    queues.iter().map(|queue| txs[*queue].clone()).collect()
}

/// Runs a topology.
pub fn run<C: Channel, P: Payload>(job: &Job, form: Form) -> Outcome {
    let network = Network::of(&job.shape);
    let queue = |queue| C::queue::<P>(job.capacity, network.takers(queue));
    let (txs, mut rxs): (Vec<_>, Vec<_>) = (0..network.queues).map(queue).unzip();
    let threads = job.shape.workers() + 2;
    let ready = Barrier::new(threads);
    let ready = &ready;
    check(job, job.shape.merged(), || {
        std::thread::scope(|scope| {
            let mut thread = 1;
            for node in &network.nodes {
                for _ in 0..node.workers {
                    let rx = rxs[node.input].pop().expect("a receiver for each worker");
                    let mut outputs = pick(&txs, &node.outputs);
                    let core = job.core(thread, threads);
                    thread += 1;
                    scope.spawn(move || {
                        pin(core);
                        ready.wait();
                        while let Some(value) = form.recv::<C, P>(&rx) {
                            let value = value.pass();
                            outputs.iter_mut().for_each(|tx| form.send::<C, P>(tx, value));
                        }
                    });
                }
            }
            let mut entries = pick(&txs, &network.entries);
            let sink = scope.spawn({
                let rx = rxs[Network::EXIT].pop().expect("a receiver for the sink");
                let (core, mut sink) = (job.core(threads - 1, threads), job.sink());
                move || {
                    pin(core);
                    ready.wait();
                    while let Some(value) = form.recv::<C, P>(&rx) {
                        sink.take(value.word());
                    }
                    sink.finish()
                }
            });
            drop(txs);
            let source = scope.spawn({
                let (core, mut pacer) = (job.core(0, threads), job.pacer());
                let wait = if form == Form::Spin { Wait::Spin } else { Wait::Sleep };
                move || {
                    pin(core);
                    ready.wait();
                    while let Some(due) = pacer.wait(wait) {
                        for _ in 0..due {
                            let value = P::new(pacer.give());
                            entries.iter_mut().for_each(|tx| form.send::<C, P>(tx, value));
                        }
                    }
                    pacer.finish()
                }
            });
            (source.join().expect("gives"), sink.join().expect("takes"))
        })
    })
}

/// There and back between two threads, a value at a time.
pub fn ping_pong<C: Channel, P: Payload>(job: &Job, form: Form) -> Outcome {
    let (mut there, mut rx) = C::queue::<P>(job.capacity, 1);
    let (mut back, mut returns) = C::queue::<P>(job.capacity, 1);
    let (rx, returns) = (rx.remove(0), returns.remove(0));
    let ready = Arc::new(Barrier::new(2));
    check(job, job.shape.merged(), || {
        std::thread::scope(|scope| {
            let (core, echo_ready) = (job.core(1, 2), Arc::clone(&ready));
            scope.spawn(move || {
                pin(core);
                echo_ready.wait();
                while let Some(value) = form.recv::<C, P>(&rx) {
                    form.send::<C, P>(&mut back, value.pass());
                }
            });
            let (core, mut pacer, mut sink) = (job.core(0, 2), job.pacer(), job.sink());
            let caller = scope.spawn(move || {
                pin(core);
                ready.wait();
                while pacer.wait(Wait::Spin).is_some() {
                    form.send::<C, P>(&mut there, P::new(pacer.give()));
                    sink.take(form.recv::<C, P>(&returns).expect("an answer").word());
                }
                (pacer.finish(), sink.finish())
            });
            caller.join().expect("calls")
        })
    })
}

/// Channels with one receiver each, taken in turn.
#[derive(Debug)]
pub struct InTurn<T> {
    txs: Vec<T>,
    next: usize,
}

impl<T: Clone> Clone for InTurn<T> {
    fn clone(&self) -> Self {
        Self { txs: self.txs.clone(), next: 0 }
    }
}

impl<T> InTurn<T> {
    pub fn of<R>(channels: impl Iterator<Item = (T, R)>) -> (Self, Vec<R>) {
        let (txs, rxs) = channels.unzip();
        (Self { txs, next: 0 }, rxs)
    }

    /// The one whose turn it is.
    #[inline]
    pub fn turn(&mut self) -> &mut T {
        if self.next >= self.txs.len() {
            self.next = 0;
        }
        let turn = self.next;
        self.next += 1;
        &mut self.txs[turn]
    }
}

pub struct Crossbeam;

impl Channel for Crossbeam {
    type Tx<P: Payload> = crossbeam_channel::Sender<P>;
    type Rx<P: Payload> = crossbeam_channel::Receiver<P>;

    fn queue<P: Payload>(capacity: usize, takers: usize) -> (Self::Tx<P>, Vec<Self::Rx<P>>) {
        let (tx, rx) = crossbeam_channel::bounded(capacity);
        (tx, vec![rx; takers])
    }

    #[inline]
    fn send<P: Payload>(tx: &mut Self::Tx<P>, value: P) {
        tx.send(value).expect("the receiver is there");
    }

    #[inline]
    fn try_send<P: Payload>(tx: &mut Self::Tx<P>, value: P) -> bool {
        tx.try_send(value).is_ok()
    }

    #[inline]
    fn recv<P: Payload>(rx: &Self::Rx<P>) -> Option<P> {
        rx.recv().ok()
    }

    #[inline]
    fn try_recv<P: Payload>(rx: &Self::Rx<P>) -> Result<Option<P>, Ended> {
        match rx.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(crossbeam_channel::TryRecvError::Empty) => Ok(None),
            Err(crossbeam_channel::TryRecvError::Disconnected) => Err(Ended),
        }
    }
}

pub struct Kanal;

impl Channel for Kanal {
    type Tx<P: Payload> = kanal::Sender<P>;
    type Rx<P: Payload> = kanal::Receiver<P>;

    fn queue<P: Payload>(capacity: usize, takers: usize) -> (Self::Tx<P>, Vec<Self::Rx<P>>) {
        let (tx, rx) = kanal::bounded(capacity);
        (tx, vec![rx; takers])
    }

    #[inline]
    fn send<P: Payload>(tx: &mut Self::Tx<P>, value: P) {
        tx.send(value).expect("the receiver is there");
    }

    #[inline]
    fn try_send<P: Payload>(tx: &mut Self::Tx<P>, value: P) -> bool {
        tx.try_send(value).expect("the receiver is there")
    }

    #[inline]
    fn recv<P: Payload>(rx: &Self::Rx<P>) -> Option<P> {
        rx.recv().ok()
    }

    #[inline]
    fn try_recv<P: Payload>(rx: &Self::Rx<P>) -> Result<Option<P>, Ended> {
        rx.try_recv().map_err(|_| Ended)
    }
}

pub struct Flume;

impl Channel for Flume {
    type Tx<P: Payload> = flume::Sender<P>;
    type Rx<P: Payload> = flume::Receiver<P>;

    fn queue<P: Payload>(capacity: usize, takers: usize) -> (Self::Tx<P>, Vec<Self::Rx<P>>) {
        let (tx, rx) = flume::bounded(capacity);
        (tx, vec![rx; takers])
    }

    #[inline]
    fn send<P: Payload>(tx: &mut Self::Tx<P>, value: P) {
        tx.send(value).expect("the receiver is there");
    }

    #[inline]
    fn try_send<P: Payload>(tx: &mut Self::Tx<P>, value: P) -> bool {
        tx.try_send(value).is_ok()
    }

    #[inline]
    fn recv<P: Payload>(rx: &Self::Rx<P>) -> Option<P> {
        rx.recv().ok()
    }

    #[inline]
    fn try_recv<P: Payload>(rx: &Self::Rx<P>) -> Result<Option<P>, Ended> {
        match rx.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(flume::TryRecvError::Empty) => Ok(None),
            Err(flume::TryRecvError::Disconnected) => Err(Ended),
        }
    }
}

pub struct Std;

impl Channel for Std {
    type Tx<P: Payload> = InTurn<std::sync::mpsc::SyncSender<P>>;
    type Rx<P: Payload> = std::sync::mpsc::Receiver<P>;

    fn queue<P: Payload>(capacity: usize, takers: usize) -> (Self::Tx<P>, Vec<Self::Rx<P>>) {
        InTurn::of((0..takers).map(|_| std::sync::mpsc::sync_channel(capacity)))
    }

    #[inline]
    fn send<P: Payload>(tx: &mut Self::Tx<P>, value: P) {
        tx.turn().send(value).expect("the receiver is there");
    }

    #[inline]
    fn try_send<P: Payload>(tx: &mut Self::Tx<P>, value: P) -> bool {
        tx.turn().try_send(value).is_ok()
    }

    #[inline]
    fn recv<P: Payload>(rx: &Self::Rx<P>) -> Option<P> {
        rx.recv().ok()
    }

    #[inline]
    fn try_recv<P: Payload>(rx: &Self::Rx<P>) -> Result<Option<P>, Ended> {
        match rx.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(std::sync::mpsc::TryRecvError::Empty) => Ok(None),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Err(Ended),
        }
    }
}
