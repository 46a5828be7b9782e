//! A model of `rtrb`'s ring for the model checker: its contract, its orderings, its cached indices, on loom's
//! atomics and cells. Only what the product calls is here. It is compiled into `ringtract` in place of `rtrb`
//! under `--cfg loom`, and nowhere else. `conformance.rs` compares the two.

use std::cell::Cell;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct RingBuffer<T> {
    /// In `0..2 * capacity`, like `tail`.
    head: AtomicUsize,
    tail: AtomicUsize,
    /// How many ends have been dropped; `rtrb` keeps a flag and the count of its reference.
    abandoned: AtomicUsize,
    slots: Vec<UnsafeCell<Option<T>>>,
}

// SAFETY: a slot is reached by the producer alone until `tail` says it is full, and by the consumer alone until
// `head` says it is free; loom checks exactly that.
unsafe impl<T: Send> Send for RingBuffer<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for RingBuffer<T> {}

impl<T> RingBuffer<T> {
    #[allow(clippy::new_ret_no_self, reason = "as in rtrb")]
    pub(crate) fn new(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let ring = Arc::new(Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(None)).collect(),
        });
        let producer = Producer { ring: Arc::clone(&ring), head: Cell::new(0), tail: Cell::new(0) };
        (producer, Consumer { ring, head: Cell::new(0), tail: Cell::new(0) })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn advance(&self, at: usize) -> usize {
        (at + 1) % (2 * self.capacity())
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if from <= to { to - from } else { to + 2 * self.capacity() - from }
    }

    fn slot(&self, at: usize) -> &UnsafeCell<Option<T>> {
        &self.slots[at % self.capacity()]
    }

    fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Release);
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) != 0
    }
}

#[derive(Debug)]
pub(crate) enum PushError<T> {
    Full(T),
}

pub(crate) struct Producer<T> {
    ring: Arc<RingBuffer<T>>,
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl<T> Producer<T> {
    pub(crate) fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.is_full() {
            return Err(PushError::Full(value));
        }
        let tail = self.write(self.tail.get(), value);
        self.publish(tail);
        Ok(())
    }

    /// Fills the slot at `tail`, without publishing it; where the next one is.
    fn write(&self, tail: usize, value: T) -> usize {
        // SAFETY: the slot at `tail` is free, and only this producer fills slots.
        self.ring.slot(tail).with_mut(|slot| unsafe { *slot = Some(value) });
        self.ring.advance(tail)
    }

    fn publish(&self, tail: usize) {
        self.ring.tail.store(tail, Ordering::Release);
        self.tail.set(tail);
    }

    pub(crate) fn slots(&self) -> usize {
        self.head.set(self.ring.head.load(Ordering::Acquire));
        self.ring.capacity() - self.ring.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn cached_slots(&self) -> usize {
        self.ring.capacity() - self.ring.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.cached_slots() == 0 && self.slots() == 0
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    pub(crate) fn write_chunk_uninit(&mut self, n: usize) -> Result<WriteChunk<'_, T>, usize> {
        // The index of the consumer is read anew only where what is known of it is not enough.
        if self.cached_slots() < n && self.slots() < n {
            return Err(self.cached_slots());
        }
        Ok(WriteChunk { producer: self, n })
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.ring.abandon();
    }
}

pub(crate) struct WriteChunk<'a, T> {
    producer: &'a mut Producer<T>,
    n: usize,
}

impl<T> WriteChunk<'_, T> {
    pub(crate) fn fill_from_iter(self, values: impl IntoIterator<Item = T>) -> usize {
        let (mut tail, mut written) = (self.producer.tail.get(), 0);
        for value in values.into_iter().take(self.n) {
            tail = self.producer.write(tail, value);
            written += 1;
        }
        self.producer.publish(tail);
        written
    }
}

pub(crate) struct Consumer<T> {
    ring: Arc<RingBuffer<T>>,
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl<T> Consumer<T> {
    pub(crate) fn pop(&mut self) -> Result<T, ()> {
        if self.head.get() == self.tail.get() && self.slots() == 0 {
            return Err(());
        }
        let value = self.read();
        self.ring.head.store(self.head.get(), Ordering::Release);
        Ok(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cached_slots() == 0 && self.slots() == 0
    }

    pub(crate) fn peek(&self) -> Result<&T, ()> {
        if self.is_empty() {
            return Err(());
        }
        // SAFETY: the slot at `head` is full, and only this consumer empties slots.
        let value = self.ring.slot(self.head.get()).with(|slot| unsafe { (*slot).as_ref() });
        value.ok_or(())
    }

    /// Empties the next slot without giving it back.
    fn read(&self) -> T {
        // SAFETY: the slot at `head` is full, and only this consumer empties slots.
        let value = self.ring.slot(self.head.get()).with_mut(|slot| unsafe { (*slot).take() });
        self.head.set(self.ring.advance(self.head.get()));
        value.expect("a slot between head and tail is full")
    }

    pub(crate) fn cached_slots(&self) -> usize {
        self.ring.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn slots(&self) -> usize {
        self.tail.set(self.ring.tail.load(Ordering::Acquire));
        self.ring.distance(self.head.get(), self.tail.get())
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    pub(crate) fn read_chunk(&mut self, n: usize) -> Result<ReadChunk<'_, T>, usize> {
        // As for a chunk to write.
        if self.cached_slots() < n && self.slots() < n {
            return Err(self.cached_slots());
        }
        Ok(ReadChunk { consumer: self, n })
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.ring.head.store(self.head.get(), Ordering::Release);
        self.ring.abandon();
    }
}

pub(crate) struct ReadChunk<'a, T> {
    consumer: &'a mut Consumer<T>,
    n: usize,
}

impl<'a, T> IntoIterator for ReadChunk<'a, T> {
    type Item = T;
    type IntoIter = ReadChunkIntoIter<'a, T>;

    fn into_iter(self) -> ReadChunkIntoIter<'a, T> {
        ReadChunkIntoIter { chunk: self, iterated: 0 }
    }
}

pub(crate) struct ReadChunkIntoIter<'a, T> {
    chunk: ReadChunk<'a, T>,
    iterated: usize,
}

impl<T> Iterator for ReadChunkIntoIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.iterated == self.chunk.n {
            return None;
        }
        self.iterated += 1;
        Some(self.chunk.consumer.read())
    }
}

impl<T> Drop for ReadChunkIntoIter<'_, T> {
    fn drop(&mut self) {
        let consumer = &self.chunk.consumer;
        consumer.ring.head.store(consumer.head.get(), Ordering::Release);
    }
}
