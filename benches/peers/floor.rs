//! Floors: what the machine itself takes, measured in the same run and on the same cores.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::harness::job::{Job, Outcome, check};
use crate::harness::machine::{self, pin};
use crate::harness::pacer::{Due, Pacer, Sent, Wait};
use crate::harness::payload::Payload;
use crate::harness::shape::Arrivals;
use crate::harness::sink::{Sink, Sunk, histogram};

/// A source on one core and a sink on another, each spinning.
fn two_threads(
    job: &Job,
    arrivals: Arrivals,
    give: impl FnOnce(Pacer) -> Sent + Send,
    take: impl FnOnce(Sink) -> Sunk + Send,
) -> Outcome {
    check(job, arrivals, || {
        let ready = Barrier::new(2);
        std::thread::scope(|scope| {
            let (core, pacer, ready) = (job.core(0, 2), job.pacer_of(1), &ready);
            let source = scope.spawn(move || {
                pin(core);
                ready.wait();
                give(pacer)
            });
            let (core, sink) = (job.core(1, 2), job.sink());
            let sink = scope.spawn(move || {
                pin(core);
                ready.wait();
                take(sink)
            });
            (source.join().expect("gives"), sink.join().expect("takes"))
        })
    })
}

fn push_each<P: Payload>(mut pacer: Pacer, mut tx: Producer<P>) -> Sent {
    while let Some(due) = pacer.wait(Wait::Spin) {
        for _ in 0..due {
            let value = P::new(pacer.give());
            while tx.push(value).is_err() {
                std::hint::spin_loop();
            }
        }
    }
    pacer.finish()
}

fn pop_each<P: Payload>(mut sink: Sink, mut rx: Consumer<P>) -> Sunk {
    loop {
        match rx.pop() {
            Ok(value) => sink.take(value.word()),
            Err(_) if rx.is_abandoned() && rx.is_empty() => return sink.finish(),
            Err(_) => std::hint::spin_loop(),
        }
    }
}

/// One hop through a bare `rtrb` ring, a value at a time.
pub fn ring<P: Payload>(job: &Job) -> Outcome {
    let (tx, rx) = RingBuffer::<P>::new(job.capacity);
    let arrivals = Arrivals::ONE;
    two_threads(job, arrivals, |pacer| push_each(pacer, tx), |sink| pop_each(sink, rx))
}

/// Values in a chunk of [`ring_chunks`].
const CHUNK: usize = 32;

/// One hop through a bare `rtrb` ring, up to 32 values at a time.
pub fn ring_chunks<P: Payload>(job: &Job) -> Outcome {
    let (mut tx, mut rx) = RingBuffer::<P>::new(job.capacity);
    let give = move |mut pacer: Pacer| {
        while let Some(due) = pacer.wait(Wait::Spin) {
            let mut left = usize::try_from(due).unwrap_or(usize::MAX);
            while left > 0 {
                let slots = tx.slots().min(CHUNK).min(left);
                if slots == 0 {
                    std::hint::spin_loop();
                    continue;
                }
                left -= slots;
                let chunk = tx.write_chunk_uninit(slots).expect("slots were free");
                chunk.fill_from_iter(std::iter::repeat_with(|| P::new(pacer.give())));
            }
        }
        pacer.finish()
    };
    let take = move |mut sink: Sink| loop {
        match rx.slots().min(CHUNK) {
            0 if rx.is_abandoned() && rx.is_empty() => return sink.finish(),
            0 => std::hint::spin_loop(),
            slots => {
                let chunk = rx.read_chunk(slots).expect("slots were full");
                chunk.into_iter().for_each(|value| sink.take(value.word()));
            }
        }
    };
    two_threads(job, Arrivals::ONE, give, take)
}

/// Says that nothing more comes.
const LAST: u64 = u64::MAX;

/// One hop through a single cache line: a word that the source fills and the sink empties.
pub fn cache_line(job: &Job) -> Outcome {
    let line = CachePadded::new(AtomicU64::new(0));
    // Stored with release and read with acquire, so that each side sees what the other did before; 0 is empty.
    let put = |word: u64| {
        while line.load(Ordering::Acquire) != 0 {
            std::hint::spin_loop();
        }
        line.store(word, Ordering::Release);
    };
    let give = |mut pacer: Pacer| {
        while let Some(due) = pacer.wait(Wait::Spin) {
            for _ in 0..due {
                put(pacer.give() + 1);
            }
        }
        put(LAST);
        pacer.finish()
    };
    let take = |mut sink: Sink| loop {
        match line.load(Ordering::Acquire) {
            0 => std::hint::spin_loop(),
            LAST => return sink.finish(),
            word => {
                line.store(0, Ordering::Release);
                sink.take(word - 1);
            }
        }
    };
    two_threads(job, Arrivals::ONE, give, take)
}

/// There and back through two cache lines.
pub fn cache_line_ping_pong(job: &Job) -> Outcome {
    let (there, back) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0)));
    let take = |line: &AtomicU64| loop {
        let word = line.load(Ordering::Acquire);
        if word != 0 {
            line.store(0, Ordering::Relaxed);
            return word;
        }
        std::hint::spin_loop();
    };
    check(job, job.shape.merged(), || {
        let ready = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin(job.core(0, 2));
                ready.wait();
                loop {
                    match take(&there) {
                        LAST => return,
                        word => back.store(word + 1, Ordering::Release),
                    }
                }
            });
            let caller = scope.spawn(|| {
                pin(job.core(1, 2));
                ready.wait();
                let (mut pacer, mut sink) = (job.pacer(), job.sink());
                while pacer.wait(Wait::Spin).is_some() {
                    there.store(pacer.give() + 1, Ordering::Release);
                    sink.take(take(&back) - 1);
                }
                there.store(LAST, Ordering::Release);
                (pacer.finish(), sink.finish())
            });
            caller.join().expect("calls")
        })
    })
}

/// There and back through two bare rings.
pub fn ring_ping_pong<P: Payload>(job: &Job) -> Outcome {
    let (mut there, mut rx) = RingBuffer::<P>::new(job.capacity);
    let (mut back, mut returns) = RingBuffer::<P>::new(job.capacity);
    check(job, job.shape.merged(), || {
        let ready = &Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                pin(job.core(0, 2));
                ready.wait();
                while !(rx.is_abandoned() && rx.is_empty()) {
                    match rx.pop() {
                        Ok(value) => back.push(value.pass()).expect("one is under way"),
                        Err(_) => std::hint::spin_loop(),
                    }
                }
            });
            let caller = scope.spawn(move || {
                pin(job.core(1, 2));
                ready.wait();
                let (mut pacer, mut sink) = (job.pacer(), job.sink());
                while pacer.wait(Wait::Spin).is_some() {
                    there.push(P::new(pacer.give())).expect("one is under way");
                    loop {
                        match returns.pop() {
                            Ok(value) => break sink.take(value.word()),
                            Err(_) => std::hint::spin_loop(),
                        }
                    }
                }
                (pacer.finish(), sink.finish())
            });
            caller.join().expect("calls")
        })
    })
}

/// A thread on the first core that sleeps until a word is there, takes it, and goes on until the last.
fn sleeper(core: usize, word: &AtomicU64, sleep: fn(), mut take: impl FnMut(u64)) {
    pin(core);
    loop {
        // Acquire pairs with the release of who wrote it. One step, so that no word is overwritten unread.
        match word.swap(0, Ordering::Acquire) {
            0 => sleep(),
            LAST => return,
            word => take(word - 1),
        }
    }
}

/// A wake-up as bare as `std` has it.
pub fn unpark(job: &Job) -> Outcome {
    unpark_from(job, std::thread::park)
}

/// The same of a thread that sleeps no longer than a second, which sets a timer.
pub fn unpark_timed(job: &Job) -> Outcome {
    unpark_from(job, || std::thread::park_timeout(Duration::from_secs(1)))
}

fn unpark_from(job: &Job, sleep: fn()) -> Outcome {
    let word = CachePadded::new(AtomicU64::new(0));
    check(job, Arrivals::ONE, || {
        std::thread::scope(|scope| {
            let sink = scope.spawn(|| {
                let mut sink = job.sink();
                sleeper(job.core(0, 2), &word, sleep, |word| sink.take(word));
                sink.finish()
            });
            let wake = |said| {
                word.store(said, Ordering::Release);
                sink.thread().unpark();
            };
            pin(job.core(1, 2));
            let mut pacer = job.pacer_of(1);
            while pacer.wait(Wait::Spin).is_some() {
                wake(pacer.give() + 1);
            }
            wake(LAST);
            (pacer.finish(), sink.join().expect("takes"))
        })
    })
}

/// A wake-up there and one back.
pub fn unpark_back(job: &Job) -> Outcome {
    let (there, back) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0)));
    let caller = std::thread::current();
    check(job, Arrivals::ONE, || {
        std::thread::scope(|scope| {
            let echo = scope.spawn(|| {
                sleeper(job.core(0, 2), &there, std::thread::park, |word| {
                    back.store(word + 1, Ordering::Release);
                    caller.unpark();
                });
            });
            pin(job.core(1, 2));
            let (mut pacer, mut sink) = (job.pacer_of(1), job.sink());
            while pacer.wait(Wait::Spin).is_some() {
                there.store(pacer.give() + 1, Ordering::Release);
                echo.thread().unpark();
                let answer = loop {
                    match back.swap(0, Ordering::Acquire) {
                        0 => std::thread::park(),
                        word => break word - 1,
                    }
                };
                sink.take(answer);
            }
            there.store(LAST, Ordering::Release);
            echo.thread().unpark();
            (pacer.finish(), sink.finish())
        })
    })
}

/// No pipeline at all: on each core a thread that notes how late it comes to every request that is due. It is what the
/// machine takes away from whoever runs there.
pub fn hiccups(job: &Job) -> Outcome {
    let used = machine::cpu_time();
    let noted: Vec<(Sent, Sunk)> = std::thread::scope(|scope| {
        let threads: Vec<_> = job
            .cores
            .iter()
            .map(|core| {
                // Each has arrivals of its own.
                let job = job.afresh();
                scope.spawn(move || {
                    pin(*core);
                    let (mut pacer, mut sink) = (job.pacer_of(1), job.sink());
                    loop {
                        match pacer.poll() {
                            Due::Now(count) => (0..count).for_each(|_| sink.take(pacer.give())),
                            Due::At(_) | Due::Later => std::hint::spin_loop(),
                            Due::Ended => return (pacer.finish(), sink.finish()),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("notes")).collect()
    });
    let mut latencies = histogram();
    noted.iter().for_each(|(_, sunk)| latencies.add(&sunk.latencies).expect("the same bounds"));
    let (sent, sunk) = &noted[0];
    let elapsed = Duration::from_nanos(sunk.ended.saturating_sub(sent.started).max(1));
    Outcome {
        requests: sent.count,
        elapsed,
        latencies,
        cores_busy: (machine::cpu_time() - used).as_secs_f64() / elapsed.as_secs_f64(),
        kept_pace: true,
    }
}
