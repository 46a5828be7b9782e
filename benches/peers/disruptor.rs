//! disruptor-rs: one ring of events, which handlers read in the order of their barriers.
//!
//! A layer of handlers waits for all handlers of the layer before. Events cannot be changed by those who handle them,
//! so what a stage adds lies in an atomic of its own; and every handler sees every event, so the workers of a
//! pool divide them by sequence number, as the authors advise. A fan-out is gathered: the sink sees an event once,
//! when all branches are done with it.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc;

use disruptor::builder::single::SPBuilder;
use disruptor::builder::{MC, NC, SC};
use disruptor::wait_strategies::WaitStrategy;
use disruptor::{
    MultiConsumerBarrier, ProcessorSettings, Producer, Sequence, SingleConsumerBarrier,
    SingleProducer, SingleProducerBarrier, build_single_producer,
};

use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::pin;
use crate::harness::pacer::{Pacer, Sent, Wait};
use crate::harness::payload::Payload;
use crate::harness::shape::Shape;
use crate::harness::sink::{Sink, Sunk};

/// A strategy the crate leaves to its users: give the core to whoever else wants it.
#[derive(Debug, Clone, Copy)]
pub struct Yielding;

impl WaitStrategy for Yielding {
    #[inline]
    fn wait_for(&self, _sequence: Sequence) {
        std::thread::yield_now();
    }
}

/// How it is used.
#[derive(Debug, Clone, Copy)]
pub struct Form<W> {
    pub strategy: W,
    /// How its source waits for the next request.
    pub wait: Wait,
    /// Requests published at once where so many are due.
    pub batch: u64,
}

/// Stages that an event has room for.
const STAGES: usize = 8;

struct Event<P> {
    value: P,
    /// For each stage, the lap in which it last worked on this event.
    marks: [AtomicU8; STAGES],
}

/// The requests that a handler works on: those whose number, divided, is one of its own.
#[derive(Debug, Clone, Copy)]
struct Share {
    of: i64,
    from: i64,
    to: i64,
}

impl Share {
    const ALL: Self = Self { of: 1, from: 0, to: 1 };

    #[inline]
    fn has(self, sequence: Sequence) -> bool {
        self.of == 1 || (self.from..self.to).contains(&(sequence % self.of))
    }
}

/// What a handler does with the events that are its own.
enum Role {
    /// Marks them as worked on by this stage.
    Stage(usize),
    Sink {
        sink: Option<Box<Sink>>,
        stages: usize,
        sunk: mpsc::Sender<Sunk>,
    },
}

struct Handler {
    role: Role,
    share: Share,
    /// The ring's size, as a power of two.
    lap_bits: u32,
    core: usize,
}

impl Handler {
    #[inline]
    fn handle<P: Payload>(&mut self, event: &Event<P>, sequence: Sequence) {
        let lap = (sequence >> self.lap_bits).wrapping_add(1) as u8;
        match &mut self.role {
            Role::Stage(stage) => {
                if self.share.has(sequence) {
                    std::hint::black_box(event.value.word());
                    event.marks[*stage].store(lap, Relaxed);
                }
            }
            Role::Sink { sink, stages, .. } => {
                let marks = event.marks[..*stages].iter();
                let passed = marks.filter(|mark| mark.load(Relaxed) == lap).count();
                sink.as_mut().expect("not finished").take(event.value.word() + passed as u64);
            }
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        if let Role::Sink { sink, sunk, .. } = &mut self.role {
            let sunk_now = sink.take().expect("finished once").finish();
            // Nobody waits for it where the run has failed already.
            let _ = sunk.send(sunk_now);
        }
    }
}

/// A shape as layers of handlers.
#[derive(Default)]
struct Layers {
    layers: Vec<Vec<(usize, Share)>>,
    stages: usize,
}

impl Layers {
    /// Adds a shape that begins at this layer; returns the layer behind it.
    fn add(&mut self, shape: &Shape, at: usize, share: Share) -> usize {
        match shape {
            Shape::Pool(size) => {
                if self.layers.len() <= at {
                    self.layers.resize_with(at + 1, Vec::new);
                }
                let of = if share.of == 1 { *size as i64 } else { share.of };
                let each = if share.of == 1 { 1 } else { (share.to - share.from) / *size as i64 };
                for worker in 0..*size as i64 {
                    let from = share.from + worker * each;
                    self.layers[at].push((self.stages, Share { of, from, to: from + each }));
                }
                self.stages += 1;
                at + 1
            }
            Shape::Serial(members) => {
                members.iter().fold(at, |at, member| self.add(member, at, share))
            }
            Shape::FanOut(members) => {
                let ends = members.iter().map(|member| self.add(member, at, share));
                ends.max().unwrap_or(at)
            }
            Shape::Parallel(members) => {
                let of = members.iter().map(entry_workers).sum();
                let (mut from, mut end) = (0, at);
                for member in members {
                    let to = from + entry_workers(member);
                    end = end.max(self.add(member, at, Share { of, from, to }));
                    from = to;
                }
                end
            }
        }
    }
}

/// Workers that take what comes into a shape.
fn entry_workers(shape: &Shape) -> i64 {
    match shape {
        Shape::Pool(size) => *size as i64,
        Shape::Serial(members) => members.first().map_or(0, entry_workers),
        Shape::Parallel(members) | Shape::FanOut(members) => {
            members.iter().map(entry_workers).sum()
        }
    }
}

type Publisher<P, W> = SPBuilder<NC, Event<P>, W, SingleProducerBarrier>;

/// A disruptor that is being built, from one layer to the next. Its barrier is one of three types.
trait Build<P: Payload, W> {
    fn build(self, layers: Vec<Vec<Handler>>, publish: Publish) -> Sent;
}

macro_rules! add {
    ($builder:expr, $handler:expr) => {{
        let mut handler: Handler = $handler;
        let builder = $builder.pin_at_core(handler.core);
        builder.handle_events_with(move |event: &Event<P>, sequence, _| {
            handler.handle(event, sequence);
        })
    }};
}

macro_rules! build_on {
    ($barrier:ty) => {
        impl<P: Payload, W: WaitStrategy + 'static> Build<P, W>
            for SPBuilder<NC, Event<P>, W, $barrier>
        {
            fn build(self, mut layers: Vec<Vec<Handler>>, publish: Publish) -> Sent {
                let mut layer = layers.remove(0).into_iter();
                let first = layer.next().expect("a layer has handlers");
                let one: SPBuilder<SC, Event<P>, W, $barrier> = add!(self, first);
                let Some(second) = layer.next() else {
                    return if layers.is_empty() {
                        publish.to(one.build())
                    } else {
                        one.and_then().build(layers, publish)
                    };
                };
                let mut many: SPBuilder<MC, Event<P>, W, $barrier> = add!(one, second);
                for handler in layer {
                    many = add!(many, handler);
                }
                if layers.is_empty() {
                    publish.to(many.build())
                } else {
                    many.and_then().build(layers, publish)
                }
            }
        }
    };
}

build_on!(SingleProducerBarrier);
build_on!(SingleConsumerBarrier);
build_on!(MultiConsumerBarrier);

/// The source.
struct Publish {
    pacer: Pacer,
    wait: Wait,
    batch: u64,
    /// Pinned to only now: a handler may be pinned only to what its maker may use.
    core: usize,
}

impl Publish {
    fn to<P: Payload, C>(mut self, mut producer: SingleProducer<Event<P>, C>) -> Sent
    where
        SingleProducer<Event<P>, C>: Producer<Event<P>>,
    {
        pin(self.core);
        while let Some(mut due) = self.pacer.wait(self.wait) {
            while due > 0 {
                let batch = due.min(self.batch);
                if batch == 1 {
                    let value = P::new(self.pacer.give());
                    self.publish(&mut producer, value);
                } else {
                    self.publish_batch(&mut producer, batch as usize);
                }
                due -= batch;
            }
        }
        self.pacer.finish()
    }

    /// Publishes one. A source that does not spin for its requests does not spin for room either.
    #[inline]
    fn publish<P: Payload>(&self, producer: &mut impl Producer<Event<P>>, value: P) {
        if self.wait == Wait::Spin {
            producer.publish(|event| event.value = value);
        } else {
            while producer.try_publish(|event| event.value = value).is_err() {
                std::thread::yield_now();
            }
        }
    }

    /// Publishes several at once.
    #[inline]
    fn publish_batch<P: Payload>(&mut self, producer: &mut impl Producer<Event<P>>, batch: usize) {
        let pacer = &mut self.pacer;
        // The iterator's type has no name outside the crate, so the closure cannot be written once.
        if self.wait == Wait::Spin {
            return producer.batch_publish(batch, |events| {
                events.for_each(|event| event.value = P::new(pacer.give()));
            });
        }
        let mut is_full = true;
        while is_full {
            let published = producer.try_batch_publish(batch, |events| {
                events.for_each(|event| event.value = P::new(pacer.give()));
            });
            is_full = published.is_err();
            if is_full {
                std::thread::yield_now();
            }
        }
    }
}

/// Runs a topology.
pub fn run<P: Payload, W: WaitStrategy + Sync + 'static>(job: &Job, form: Form<W>) -> Outcome {
    let mut layers = Layers::default();
    layers.add(&job.shape, 0, Share::ALL);
    let Layers { layers, stages } = layers;
    let threads = layers.iter().map(Vec::len).sum::<usize>() + 2;
    let lap_bits = job.capacity.ilog2();
    let (tell_sunk, sunk) = mpsc::channel();
    let mut thread = 0;
    let mut handler = |role, share| {
        thread += 1;
        Handler { role, share, lap_bits, core: job.core(thread, threads) }
    };
    let mut handlers: Vec<Vec<Handler>> = Vec::new();
    for layer in layers {
        let layer = layer.into_iter();
        handlers.push(layer.map(|(stage, share)| handler(Role::Stage(stage), share)).collect());
    }
    let sink = Role::Sink { sink: Some(Box::new(job.sink())), stages, sunk: tell_sunk };
    handlers.push(vec![handler(sink, Share::ALL)]);
    check(job, job.shape.gathered(), || {
        std::thread::scope(|scope| {
            let source = scope.spawn(|| {
                let publish = Publish {
                    pacer: job.pacer_of(1),
                    wait: form.wait,
                    batch: form.batch,
                    core: job.core(0, threads),
                };
                let empty = || Event { value: P::new(0), marks: Default::default() };
                let ring: Publisher<P, W> =
                    build_single_producer(1 << lap_bits, empty, form.strategy);
                ring.build(handlers, publish)
            });
            let sent = source.join().expect("publishes");
            (sent, sunk.recv().expect("told at the end"))
        })
    })
}

/// There and back: a ring each way. The handler of the first publishes into the second, which the caller polls.
pub fn ping_pong<P: Payload, W: WaitStrategy + Sync + 'static>(
    job: &Job,
    form: Form<W>,
) -> Outcome {
    check(job, job.shape.merged(), || {
        let (mut poller, back) =
            build_single_producer(job.capacity, || P::new(0), form.strategy).new_event_poller();
        let mut back = back.build();
        let mut there = build_single_producer(job.capacity, || P::new(0), form.strategy)
            .pin_at_core(job.core(1, 2))
            .handle_events_with(move |value: &P, _, _| {
                let answer = value.pass();
                back.publish(|event| *event = answer);
            })
            .build();
        let (mut pacer, mut sink) = (job.pacer(), job.sink());
        pin(job.core(0, 2));
        while pacer.wait(Wait::Spin).is_some() {
            let value = P::new(pacer.give());
            there.publish(|event| *event = value);
            let mut is_waiting = true;
            while is_waiting {
                match poller.poll() {
                    Ok(mut events) => {
                        events.for_each(|answer| sink.take(answer.word()));
                        is_waiting = false;
                    }
                    Err(_) => form.strategy.wait_for(0),
                }
            }
        }
        (pacer.finish(), sink.finish())
    })
}
