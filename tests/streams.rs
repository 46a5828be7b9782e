//! Ends of a run that are streams, read and fed by tasks.

mod common;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use common::books::assert_balanced;
use common::{Count, EVERY_THREADED_WAY, within_a_minute};
use futures_core::Stream;
use ringtract::{
    Envelope, Outcome, RequestStream, collect, outcome, source, stream_input, stream_output, worker,
};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor: sleeps until its one task is woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// A channel as executors have them: its stream is woken by a send, if it waits.
#[derive(Clone, Default)]
struct Channel {
    inner: Arc<Mutex<Inner>>,
    polls: Count,
    wakes: Count,
    dropped: Count,
}

#[derive(Default)]
struct Inner {
    values: VecDeque<u64>,
    waker: Option<Waker>,
    closed: bool,
}

impl Channel {
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.lock().expect("whole");
        change(&mut inner);
        if let Some(waker) = inner.waker.take() {
            self.wakes.up();
            waker.wake();
        }
    }

    fn send(&self, value: u64) {
        self.change(|inner| inner.values.push_back(value));
    }

    fn close(&self) {
        self.change(|inner| inner.closed = true);
    }

    fn stream(&self) -> Values {
        Values(self.clone())
    }
}

struct Values(Channel);

impl Stream for Values {
    type Item = u64;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<u64>> {
        self.0.polls.up();
        let mut inner = self.0.inner.lock().expect("whole");
        match inner.values.pop_front() {
            Some(value) => Poll::Ready(Some(value)),
            None if inner.closed => Poll::Ready(None),
            None => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.0.dropped.up();
    }
}

const COUNT: u64 = 2_000;

/// Reads a stream to its end.
async fn read_out(mut stream: RequestStream<u64>) -> Vec<u64> {
    let mut values = Vec::new();
    while let Some(request) = next(&mut stream).await {
        values.push(*request);
    }
    values
}

#[test]
fn what_a_stream_gives_goes_through_in_order_and_its_end_ends_the_run() {
    for way in EVERY_THREADED_WAY {
        within_a_minute(move || {
            let channel = Channel::default();
            let (output, doubled) = collect();
            let tract = worker("double", 1, || |n: u64| 2 * n);
            let ready =
                tract.setup().placement(way).init_fed(stream_input(channel.stream()), output);
            let running = ready.expect("sound").start().expect("starts");
            (0..COUNT).for_each(|n| channel.send(n));
            channel.close();
            let report = running.wait();
            assert_balanced(&report);
            assert_eq!(doubled.take(), (0..COUNT).map(|n| 2 * n).collect::<Vec<_>>());
            assert_eq!(channel.dropped.get(), 1);
            // Once at first, once for each value and the end, and otherwise only when woken.
            assert!(channel.polls.get() <= COUNT + 2 + channel.wakes.get());
        });
    }
}

#[test]
fn a_stream_that_is_quiet_is_not_polled() {
    within_a_minute(|| {
        let channel = Channel::default();
        let ticks = Count::default();
        let ticked = ticks.clone();
        let tract = worker("none", 1, || |n: u64| n);
        let (output, values) = collect();
        let running = tract.setup().init_fed(stream_input(channel.stream()), output);
        let running = running.expect("sound").start().expect("starts");
        while channel.polls.get() == 0 {
            std::thread::yield_now();
        }
        // Time passes: another run comes and goes.
        let other = source("ticks", 1, || 0..100_000_u64);
        other.run(move |_| ticked.add(1)).expect("runs");
        assert_eq!(ticks.get(), 100_000);
        assert_eq!(channel.polls.get(), 1, "nobody woke it");
        channel.send(7);
        channel.close();
        running.wait();
        assert_eq!(values.take(), [7]);
    });
}

#[test]
fn a_stop_drops_the_stream() {
    within_a_minute(|| {
        let channel = Channel::default();
        let tract = worker("none", 1, || |n: u64| n);
        let (output, _values) = collect();
        let ready = tract.setup().init_fed(stream_input(channel.stream()), output);
        let running = ready.expect("sound").start().expect("starts");
        running.stop();
        assert_balanced(&running.wait());
        assert_eq!(channel.dropped.get(), 1);
    });
}

#[test]
fn an_output_is_read_as_a_stream_with_any_capacity() {
    for way in EVERY_THREADED_WAY {
        for capacity in [1, 2, 64] {
            within_a_minute(move || {
                let (output, stream) = stream_output(capacity);
                let tract = source("numbers", 1, || 0..COUNT);
                let ready = tract.setup().placement(way).init(output).expect("sound");
                let running = ready.start().expect("starts");
                assert_eq!(block_on(read_out(stream)), (0..COUNT).collect::<Vec<_>>());
                let report = running.wait();
                assert!(report.is_complete(), "{report}");
            });
        }
    }
}

#[test]
fn a_request_read_from_a_stream_succeeds_when_it_is_dropped() {
    within_a_minute(|| {
        let (successes, failures) = (Count::default(), Count::default());
        let (good, bad) = (successes.clone(), failures.clone());
        let tract = source("numbers", 1, || 0..10_u64).then(worker("mark", 1, move || {
            let (good, bad) = (good.clone(), bad.clone());
            outcome(move |n: u64, request: &mut Envelope| {
                let (good, bad) = (good.clone(), bad.clone());
                request.on_end(move |success| {
                    if success { &good } else { &bad }.up();
                });
                Outcome::Emit(n)
            })
        }));
        let (output, mut stream) = stream_output(16);
        tract.init(output).expect("sound").start().expect("starts").wait();
        assert_eq!((successes.get(), failures.get()), (0, 0));
        let first = block_on(next(&mut stream)).expect("ten");
        assert_eq!(successes.get(), 0);
        drop(first);
        assert_eq!(successes.get(), 1);
        assert_eq!(block_on(read_out(stream)).len(), 9);
        assert_eq!((successes.get(), failures.get()), (10, 0));
    });
}

#[test]
fn dropping_the_stream_closes_the_tract_from_behind() {
    within_a_minute(|| {
        let (output, mut stream) = stream_output(4);
        let running = source("endless", 1, || 0_u64..).init(output).expect("sound");
        let running = running.start().expect("starts");
        for n in 0..10 {
            assert_eq!(*block_on(next(&mut stream)).expect("endless"), n);
        }
        drop(stream);
        assert_balanced(&running.wait());
    });
}

#[test]
fn a_task_that_waits_for_a_run_that_is_never_made_is_woken() {
    within_a_minute(|| {
        let (output, stream) = stream_output(4);
        let reader = std::thread::spawn(move || block_on(read_out(stream)));
        drop(output);
        assert!(reader.join().expect("reads").is_empty());
    });
}

#[test]
fn a_capacity_that_no_ring_can_have_is_refused_with_the_name_of_the_end() {
    for capacity in [0, usize::MAX] {
        let (output, stream) = stream_output(capacity);
        let error = source("numbers", 1, || 0..3_u64).init(output).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("output") && text.contains(&capacity.to_string()), "{text}");
        assert!(block_on(read_out(stream)).is_empty());
    }
}

#[test]
fn a_tract_between_two_streams_passes_everything_on() {
    within_a_minute(|| {
        let channel = Channel::default();
        let (output, stream) = stream_output(8);
        let tract = worker("triple", 2, || |n: u64| 3 * n);
        let ready = tract.setup().init_fed(stream_input(channel.stream()), output);
        let running = ready.expect("sound").start().expect("starts");
        let reader = std::thread::spawn(move || block_on(read_out(stream)));
        for n in 0..COUNT {
            channel.send(n);
        }
        channel.close();
        let sum: u64 = reader.join().expect("reads").iter().sum();
        assert_eq!(sum, 3 * COUNT * (COUNT - 1) / 2);
        assert!(running.wait().is_complete());
    });
}
