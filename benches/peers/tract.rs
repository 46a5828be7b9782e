//! ringtract: the topology as it is described, on as many threads as there are cores.

use std::convert::Infallible;
use std::sync::mpsc;

use ringtract::{
    Envelope, Idle, Input, Measure, Next, NoInput, Output, Placement, Request, Tract, fan_out,
    feed, output, parallel, receiver, source, worker,
};

use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::{Due, Pacer, Sent, Wait};
use crate::harness::payload::Payload;
use crate::harness::shape::Shape;
use crate::harness::sink::{Sink, Sunk};

/// How it is set up.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub placement: Placed,
    pub idle: Waits,
    pub measure: Measure,
    pub batch: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum Placed {
    /// Where it says.
    Auto,
    /// A thread for each core.
    PerCore,
}

#[derive(Debug, Clone, Copy)]
pub enum Waits {
    Spin,
    /// As it does by default.
    Default,
    Park,
}

impl Waits {
    pub fn idle(self) -> Idle {
        match self {
            Self::Spin => Idle::Spin,
            Self::Default => Idle::default(),
            Self::Park => Idle::Park,
        }
    }
}

impl Form {
    /// For cores of its own.
    pub const SPIN: Self =
        Self { placement: Placed::PerCore, idle: Waits::Spin, measure: Measure::Off, batch: 1 };
    /// What one gets who asks for nothing, without metrics.
    pub const DEFAULT: Self =
        Self { placement: Placed::Auto, idle: Waits::Default, measure: Measure::Off, batch: 1 };
}

struct Source<P> {
    pacer: Pacer,
    /// Whether to say when the next request is due, so that the thread may do something else, or nothing.
    says_when: bool,
    sent: mpsc::Sender<Sent>,
    values: std::marker::PhantomData<fn() -> P>,
}

impl<P: Payload> Input for Source<P> {
    type Item = P;

    #[inline]
    fn poll(&mut self, _request: &mut Envelope) -> Next<P> {
        match self.pacer.poll() {
            Due::Now(_) => Next::Value(P::new(self.pacer.give())),
            Due::At(due) if self.says_when => Next::NotBefore(self.pacer.instant(due)),
            Due::At(_) | Due::Later => Next::Nothing,
            Due::Ended => Next::Ended,
        }
    }

    fn close(&mut self) {
        self.sent.send(self.pacer.finish()).expect("somebody waits for it");
    }
}

struct Drain {
    sink: Option<Sink>,
    sunk: mpsc::Sender<Sunk>,
}

impl<P: Payload> Output<P> for Drain {
    #[inline]
    fn put(&mut self, request: Request<P>) {
        if let Some(sink) = &mut self.sink {
            sink.take(request.word());
        }
    }

    fn close(&mut self) {
        let sunk = self.sink.take().expect("closed once").finish();
        self.sunk.send(sunk).expect("somebody waits for it");
    }
}

/// Runs a topology.
pub fn run<P: Payload>(job: &Job, form: Form) -> Outcome {
    check(job, job.shape.merged(), || {
        let (tell_sent, sent) = mpsc::channel();
        let (tell_sunk, sunk) = mpsc::channel();
        let template = job.clone();
        let says_when = !matches!(form.idle, Waits::Spin);
        let tract = source("source", 1, move || Source::<P> {
            pacer: template.pacer(),
            says_when,
            sent: tell_sent.clone(),
            values: std::marker::PhantomData,
        });
        let tract = then(tract, &job.shape).batch(form.batch);
        let sink = job.sink();
        let end = output(move || Ok::<_, Infallible>(Drain { sink: Some(sink), sunk: tell_sunk }));
        let setup = tract.setup().pinned().capacity(job.capacity).measure(form.measure);
        let setup = setup.placement(match form.placement {
            Placed::Auto => Placement::Auto,
            Placed::PerCore => Placement::Threads(job.cores.len()),
        });
        let setup = setup.idle(form.idle.idle());
        let report = setup.init(end).expect("a valid tract").start().expect("starts").wait();
        assert!(report.is_complete(), "{report}");
        (sent.recv().expect("told at the end"), sunk.recv().expect("told at the end"))
    })
}

/// A tract and a shape behind it.
fn then<P: Payload>(tract: Tract<NoInput, P>, shape: &Shape) -> Tract<NoInput, P> {
    match shape {
        Shape::Serial(members) => members.iter().fold(tract, |tract, member| then(tract, member)),
        other => tract.then(describe(other)),
    }
}

fn describe<P: Payload>(shape: &Shape) -> Tract<P, P> {
    match shape {
        Shape::Pool(size) => worker("stage", *size, || |value: P| value.pass()),
        Shape::Serial(members) => {
            let members = members.iter().map(describe);
            members.reduce(Tract::then).expect("a chain inside a group has members")
        }
        Shape::Parallel(members) => parallel("parallel", members.iter().map(describe)),
        Shape::FanOut(members) => fan_out("fan-out", members.iter().map(describe)),
    }
}

/// There and back: a feed, a tract of one worker on a thread of its own, a receiver.
pub fn ping_pong<P: Payload>(job: &Job, form: Form) -> Outcome {
    let tract = worker("echo", 1, || |value: P| value.pass());
    let (mut there, input) = feed(job.capacity);
    let (end, mut back) = receiver();
    let setup = tract.setup().pinned().placement(Placement::Threads(1)).capacity(job.capacity);
    let setup = setup.measure(form.measure).idle(form.idle.idle());
    check(job, job.shape.merged(), || {
        let running = setup.init_fed(input, end).expect("a valid tract").start().expect("starts");
        let (mut pacer, mut sink) = (job.pacer(), job.sink());
        // The tract's thread has the first core.
        let core = job.core(1, 2);
        let told = std::thread::scope(|scope| {
            let caller = scope.spawn(move || {
                pin(core);
                while pacer.wait(Wait::Spin).is_some() {
                    let request = Request::new(P::new(pacer.give()));
                    assert!(there.send(request).is_ok(), "it runs");
                    let request = match form.idle {
                        Waits::Default | Waits::Park => back.recv().expect("an answer"),
                        Waits::Spin => loop {
                            match back.try_recv() {
                                Ok(request) => break request,
                                Err(_) => std::hint::spin_loop(),
                            }
                        },
                    };
                    sink.take(request.word());
                }
                (pacer.finish(), sink.finish())
            });
            caller.join().expect("calls")
        });
        let report = running.wait();
        assert!(report.is_complete(), "{report}");
        told
    })
}

/// A wake-up: a feed, and a tract of one worker and its output on a thread of its own.
pub fn wake<P: Payload>(job: &Job, form: Form) -> Outcome {
    let (mut feed, input) = feed(job.capacity);
    let tract = worker("pass", 1, || |value: P| value);
    let setup = tract.setup().pinned().placement(Placement::Threads(1)).capacity(job.capacity);
    let setup = setup.measure(form.measure).idle(form.idle.idle());
    check(job, job.shape.merged(), || {
        let (tell_sunk, sunk) = mpsc::channel();
        let sink = job.sink();
        let end = output(move || Ok::<_, Infallible>(Drain { sink: Some(sink), sunk: tell_sunk }));
        let running = setup.init_fed(input, end).expect("a valid tract").start().expect("starts");
        let mut pacer = job.pacer();
        // The tract's thread has the first core.
        let core = job.core(1, 2);
        let sent = std::thread::scope(|scope| {
            let caller = scope.spawn(move || {
                pin(core);
                while pacer.wait(Wait::Spin).is_some() {
                    let request = Request::new(P::new(pacer.give()));
                    assert!(feed.send(request).is_ok(), "it runs");
                }
                pacer.finish()
            });
            caller.join().expect("sends")
        });
        let report = running.wait();
        assert!(report.is_complete(), "{report}");
        (sent, sunk.recv().expect("told at the end"))
    })
}
