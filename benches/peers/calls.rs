//! Calls: a thread on the second core calls a worker on the first, and waits for its answer before the next call.
//!
//! Whoever calls could be anybody, so an answer finds its caller by what comes with the request.

use std::sync::Barrier;

use crossbeam_channel::{Receiver, RecvError, Sender, TryRecvError, bounded};
use tokio::sync::{mpsc, oneshot};

use ringtract::{Placement, worker};

use super::asynchronous::runtime;
use super::channels::Form;
use super::tract;
use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::{Due, Sent, Wait};
use crate::harness::payload::Payload;
use crate::harness::sink::Sunk;

/// Calls on a thread of its own on the second core, until the time is up.
fn call_all<P: Payload>(
    job: &Job,
    ready: &Barrier,
    mut call: impl FnMut(P) -> P + Send,
) -> (Sent, Sunk) {
    let caller = || {
        pin(job.core(1, 2));
        ready.wait();
        let (mut pacer, mut sink) = (job.pacer(), job.sink());
        while pacer.wait(Wait::Spin).is_some() {
            let answer = call(P::new(pacer.give()));
            sink.take(answer.word());
        }
        // The worker may end.
        drop(call);
        (pacer.finish(), sink.finish())
    };
    std::thread::scope(|scope| scope.spawn(caller).join().expect("calls"))
}

/// A worker on a thread on the first core, beside the caller.
fn beside<P: Payload>(
    job: &Job,
    work: impl FnOnce() + Send,
    call: impl FnMut(P) -> P + Send,
) -> Outcome {
    let ready = &Barrier::new(2);
    check(job, job.shape.merged(), || {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                pin(job.core(0, 2));
                ready.wait();
                work();
            });
            call_all(job, ready, call)
        })
    })
}

/// A tract of one worker, called as a service. Its thread has the first core.
pub fn service<P: Payload>(job: &Job, form: tract::Form) -> Outcome {
    let tract = worker("echo", 1, || |value: P| value.pass());
    let setup = tract.setup().pinned().capacity(job.capacity);
    let setup = setup.placement(match form.placement {
        tract::Placed::Auto => Placement::Auto,
        tract::Placed::PerCore => Placement::Threads(1),
    });
    let serving = setup.measure(form.measure).idle(form.idle.idle()).service();
    check(job, job.shape.merged(), || {
        let service = serving.idle(form.idle.idle()).start().expect("a valid tract");
        let mut handle = service.clone();
        let told =
            call_all(job, &Barrier::new(1), move |value| handle.call(value).expect("answers"));
        let report = service.close().expect("closed once");
        assert!(report.is_complete(), "{report}");
        told
    })
}

/// A channel of requests, each with the sender of its caller's own channel of answers.
pub fn crossbeam<P: Payload>(job: &Job, form: Form) -> Outcome {
    let (there, requests) = bounded::<(P, Sender<P>)>(job.capacity);
    let (back, answers) = bounded::<P>(1);
    let work = move || {
        while let Ok((value, back)) = receive(&requests, form) {
            back.try_send(value.pass()).expect("one is under way");
        }
    };
    beside(job, work, move |value| {
        there.try_send((value, back.clone())).expect("one is under way");
        receive(&answers, form).expect("an answer")
    })
}

fn receive<T>(channel: &Receiver<T>, form: Form) -> Result<T, RecvError> {
    if form == Form::Block {
        return channel.recv();
    }
    loop {
        match channel.try_recv() {
            Ok(value) => return Ok(value),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
        }
    }
}

/// A channel of tokio's for requests, each with a `oneshot` for its answer, between two threads that spin.
pub fn tokio_threads<P: Payload>(job: &Job) -> Outcome {
    let (there, mut requests) = mpsc::channel::<(P, oneshot::Sender<P>)>(job.capacity);
    let work = move || {
        loop {
            match requests.try_recv() {
                Ok((value, back)) => back.send(value.pass()).expect("the caller waits"),
                Err(mpsc::error::TryRecvError::Empty) => std::hint::spin_loop(),
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
    };
    beside(job, work, move |value| {
        let (back, mut answer) = oneshot::channel();
        there.try_send((value, back)).expect("one is under way");
        loop {
            match answer.try_recv() {
                Ok(value) => return value,
                Err(oneshot::error::TryRecvError::Empty) => std::hint::spin_loop(),
                Err(oneshot::error::TryRecvError::Closed) => panic!("an answer comes"),
            }
        }
    })
}

/// The same between two tasks, on a runtime with a thread on each core.
pub fn tokio_tasks<P: Payload>(job: &Job) -> Outcome {
    let runtime = runtime(job);
    let (there, mut requests) = mpsc::channel::<(P, oneshot::Sender<P>)>(job.capacity);
    let (mut pacer, mut sink) = (job.pacer(), job.sink());
    let outcome = check(job, job.shape.merged(), || {
        runtime.spawn(async move {
            while let Some((value, back)) = requests.recv().await {
                back.send(value.pass()).expect("the caller waits");
            }
        });
        let caller = runtime.spawn(async move {
            while let Due::Now(_) = pacer.poll() {
                let (back, answer) = oneshot::channel();
                assert!(
                    there.send((P::new(pacer.give()), back)).await.is_ok(),
                    "the worker is there"
                );
                sink.take(answer.await.expect("an answer").word());
            }
            (pacer.finish(), sink.finish())
        });
        runtime.block_on(async { caller.await.expect("calls") })
    });
    runtime.shutdown_background();
    outcome
}
