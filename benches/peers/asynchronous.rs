//! tokio: a task for each worker and an `mpsc` channel before each, on a runtime of as many threads as cores.
//!
//! Its channel has one receiver, so the workers of a pool have a channel each and whoever sends takes them in turn. The
//! source yields to other tasks until the next request is due: the runtime's timer counts milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::channels::{InTurn, pick};
use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::{Due, Pacer, Sent};
use crate::harness::payload::Payload;
use crate::harness::shape::Network;

type Tx<P> = InTurn<Sender<P>>;

/// A runtime with a thread on each core.
pub fn runtime(job: &Job) -> Runtime {
    let (cores, next) = (job.cores.clone(), Arc::new(AtomicUsize::new(0)));
    let builder = &mut Builder::new_multi_thread();
    let builder = builder.worker_threads(job.cores.len());
    let pins = move || pin(cores[next.fetch_add(1, Relaxed) % cores.len()]);
    builder.on_thread_start(pins).build().expect("a runtime")
}

async fn give<P: Payload>(mut pacer: Pacer, mut entries: Vec<Tx<P>>) -> Sent {
    loop {
        match pacer.poll() {
            Due::Now(count) => {
                for _ in 0..count {
                    let value = P::new(pacer.give());
                    put(&mut entries, value).await;
                }
            }
            Due::At(_) | Due::Later => tokio::task::yield_now().await,
            Due::Ended => return pacer.finish(),
        }
    }
}

#[inline]
async fn put<P: Payload>(outputs: &mut [Tx<P>], value: P) {
    for tx in outputs {
        assert!(tx.turn().send(value).await.is_ok(), "the receiver is there");
    }
}

async fn work<P: Payload>(mut rx: Receiver<P>, mut outputs: Vec<Tx<P>>) {
    while let Some(value) = rx.recv().await {
        put(&mut outputs, value.pass()).await;
    }
}

/// Runs a topology.
pub fn run<P: Payload>(job: &Job) -> Outcome {
    let runtime = runtime(job);
    let network = Network::of(&job.shape);
    let (txs, mut rxs): (Vec<Tx<P>>, Vec<Vec<Receiver<P>>>) = (0..network.queues)
        .map(|queue| InTurn::of((0..network.takers(queue)).map(|_| channel(job.capacity))))
        .unzip();
    let outcome = check(job, job.shape.merged(), || {
        for node in &network.nodes {
            for _ in 0..node.workers {
                let rx = rxs[node.input].pop().expect("a receiver for each worker");
                runtime.spawn(work(rx, pick(&txs, &node.outputs)));
            }
        }
        let (mut rx, mut sink) = (rxs[Network::EXIT].pop().expect("one for the sink"), job.sink());
        let sunk = runtime.spawn(async move {
            while let Some(value) = rx.recv().await {
                sink.take(value.word());
            }
            sink.finish()
        });
        let sent = runtime.spawn(give(job.pacer(), pick(&txs, &network.entries)));
        drop(txs);
        runtime.block_on(async { (sent.await.expect("gives"), sunk.await.expect("takes")) })
    });
    runtime.shutdown_background();
    outcome
}

/// There and back between two tasks, a value at a time.
pub fn ping_pong<P: Payload>(job: &Job) -> Outcome {
    let runtime = runtime(job);
    let (there, mut rx) = channel::<P>(job.capacity);
    let (back, mut returns) = channel::<P>(job.capacity);
    let (mut pacer, mut sink) = (job.pacer(), job.sink());
    let outcome = check(job, job.shape.merged(), || {
        runtime.spawn(async move {
            while let Some(value) = rx.recv().await {
                assert!(back.send(value.pass()).await.is_ok(), "the receiver is there");
            }
        });
        let caller = runtime.spawn(async move {
            while let Due::Now(_) = pacer.poll() {
                assert!(there.send(P::new(pacer.give())).await.is_ok(), "the echo is there");
                sink.take(returns.recv().await.expect("an answer").word());
            }
            (pacer.finish(), sink.finish())
        });
        runtime.block_on(async { caller.await.expect("calls") })
    });
    runtime.shutdown_background();
    outcome
}
