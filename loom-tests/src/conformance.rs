//! One suite over both rings: `rtrb`, which the product uses, and the model of it, which the models use. What is claimed
//! of one is so asserted of the other, down to when an index is read anew, which decides what a thread may see.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A value that counts its end.
pub struct Item {
    number: u32,
    ended: Arc<AtomicUsize>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes items, numbered from 0, and knows how many have ended.
#[derive(Default)]
struct Items {
    made: u32,
    ended: Arc<AtomicUsize>,
}

impl Items {
    fn make(&mut self) -> Item {
        self.made += 1;
        Item { number: self.made - 1, ended: Arc::clone(&self.ended) }
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

/// What both rings are.
pub trait Ring {
    /// The ends of a ring of this capacity.
    fn ends(capacity: usize) -> (impl Tx, impl Rx);
}

/// What the product asks of a producer's end.
#[expect(missing_docs, reason = "the names of rtrb")]
pub trait Tx {
    fn push(&mut self, item: Item) -> Result<(), Item>;
    fn slots(&self) -> usize;
    fn cached_slots(&self) -> usize;
    fn is_full(&self) -> bool;
    fn is_abandoned(&self) -> bool;
    /// Fills a chunk of `n` slots with these; how many, or how many slots there are if they are fewer.
    fn fill(&mut self, n: usize, items: impl IntoIterator<Item = Item>) -> Result<usize, usize>;
}

/// What the product asks of a consumer's end.
#[expect(missing_docs, reason = "the names of rtrb")]
pub trait Rx {
    fn pop(&mut self) -> Option<Item>;
    fn peek(&self) -> Option<u32>;
    fn slots(&self) -> usize;
    fn cached_slots(&self) -> usize;
    fn is_empty(&self) -> bool;
    fn is_abandoned(&self) -> bool;
    /// Takes `taken` of a chunk of `n`; the items, or how many there are if they are fewer than `n`.
    fn drain(&mut self, n: usize, taken: usize) -> Result<Vec<Item>, usize>;
}

macro_rules! ring {
    ($(#[$doc:meta])* $name:ident is $ring:path, where $few:pat => $slots:expr) => {
        $(#[$doc])*
        pub struct $name;

        const _: () = {
            use $ring as ring;

            impl Ring for $name {
                fn ends(capacity: usize) -> (impl Tx, impl Rx) {
                    ring::RingBuffer::<Item>::new(capacity)
                }
            }

            impl Tx for ring::Producer<Item> {
                fn push(&mut self, item: Item) -> Result<(), Item> {
                    self.push(item).map_err(|ring::PushError::Full(item)| item)
                }

                fn slots(&self) -> usize {
                    self.slots()
                }

                fn cached_slots(&self) -> usize {
                    self.cached_slots()
                }

                fn is_full(&self) -> bool {
                    self.is_full()
                }

                fn is_abandoned(&self) -> bool {
                    self.is_abandoned()
                }

                fn fill(
                    &mut self,
                    n: usize,
                    items: impl IntoIterator<Item = Item>,
                ) -> Result<usize, usize> {
                    match self.write_chunk_uninit(n) {
                        Ok(chunk) => Ok(chunk.fill_from_iter(items)),
                        Err($few) => Err($slots),
                    }
                }
            }

            impl Rx for ring::Consumer<Item> {
                fn pop(&mut self) -> Option<Item> {
                    self.pop().ok()
                }

                fn peek(&self) -> Option<u32> {
                    self.peek().ok().map(|item| item.number)
                }

                fn slots(&self) -> usize {
                    self.slots()
                }

                fn cached_slots(&self) -> usize {
                    self.cached_slots()
                }

                fn is_empty(&self) -> bool {
                    self.is_empty()
                }

                fn is_abandoned(&self) -> bool {
                    self.is_abandoned()
                }

                fn drain(&mut self, n: usize, taken: usize) -> Result<Vec<Item>, usize> {
                    match self.read_chunk(n) {
                        Ok(chunk) => Ok(chunk.into_iter().take(taken).collect()),
                        Err($few) => Err($slots),
                    }
                }
            }
        };
    };
}

ring! {
    /// The ring of the product.
    Real is rtrb, where rtrb::chunks::ChunkError::TooFewSlots(slots) => slots
}

ring! {
    /// The ring of the models.
    Model is crate::sync::ring, where slots => slots
}

/// Runs a case once, where the model ring's atomics work.
fn once(case: impl Fn() + Send + Sync + 'static) {
    loom::model(case);
}

fn numbers(items: &[Item]) -> Vec<u32> {
    items.iter().map(|item| item.number).collect()
}

/// Values come out in the order in which they went in, also where the ring wraps around.
pub fn order<R: Ring>() {
    for capacity in 1..5 {
        once(move || {
            let (mut tx, mut rx) = R::ends(capacity);
            let mut items = Items::default();
            let mut next = 0;
            for round in 0..12 {
                let count = round % capacity + 1;
                for _ in 0..count {
                    assert!(tx.push(items.make()).is_ok());
                }
                for _ in 0..count {
                    assert_eq!(rx.pop().map(|item| item.number), Some(next));
                    next += 1;
                }
                assert!(rx.pop().is_none());
            }
        });
    }
}

/// A ring holds its capacity exactly; a push into a full one gives its value back, and one pop makes room for one.
pub fn capacity<R: Ring>() {
    for capacity in 0..5 {
        once(move || {
            let (mut tx, mut rx) = R::ends(capacity);
            let mut items = Items::default();
            for held in 0..capacity {
                assert_eq!((tx.slots(), rx.slots()), (capacity - held, held));
                assert!(!tx.is_full());
                assert!(tx.push(items.make()).is_ok());
                assert!(!rx.is_empty());
            }
            assert!(tx.is_full());
            let back = tx.push(items.make()).expect_err("full");
            assert_eq!(back.number as usize, capacity);
            if rx.pop().is_some() {
                assert!(!tx.is_full());
                assert!(tx.push(back).is_ok());
                assert!(tx.is_full());
            }
            while rx.pop().is_some() {}
            assert!(rx.is_empty());
            assert_eq!(tx.slots(), capacity);
        });
    }
}

/// A look at the next value leaves it there.
pub fn peek<R: Ring>() {
    once(|| {
        let (mut tx, mut rx) = R::ends(2);
        let mut items = Items::default();
        assert_eq!(rx.peek(), None);
        assert!(tx.push(items.make()).is_ok());
        assert!(tx.push(items.make()).is_ok());
        assert_eq!((rx.peek(), rx.peek(), rx.slots()), (Some(0), Some(0), 2));
        assert!(rx.pop().is_some());
        assert_eq!(rx.peek(), Some(1));
    });
}

/// A chunk is there whole or not at all. What is not filled of it stays free; what is not taken of it stays there.
pub fn chunks<R: Ring>() {
    once(|| {
        let (mut tx, mut rx) = R::ends(3);
        let mut items = Items::default();
        assert_eq!(tx.fill(4, []), Err(3));
        assert_eq!(tx.fill(3, [items.make(), items.make()]), Ok(2));
        assert_eq!((tx.slots(), rx.slots()), (1, 2));
        assert_eq!(rx.drain(3, 3).map(|items| numbers(&items)), Err(2));
        assert_eq!(rx.drain(2, 1).map(|items| numbers(&items)), Ok(vec![0]));
        assert_eq!((tx.slots(), rx.slots()), (2, 1));
        // Around the end of the buffer, and no more than the chunk has place for.
        let more = [items.make(), items.make(), items.make()];
        assert_eq!(tx.fill(2, more), Ok(2));
        assert!(tx.is_full());
        assert_eq!(rx.drain(3, 3).map(|items| numbers(&items)), Ok(vec![1, 2, 3]));
        assert_eq!(rx.drain(0, 0).map(|items| numbers(&items)), Ok(vec![]));
        assert_eq!(items.ended(), 5);
    });
}

/// Either end sees that the other is gone, and what is in the ring stays there to be taken.
pub fn abandonment<R: Ring>() {
    once(|| {
        let (mut tx, mut rx) = R::ends(2);
        let mut items = Items::default();
        assert!(!tx.is_abandoned() && !rx.is_abandoned());
        assert!(tx.push(items.make()).is_ok());
        drop(tx);
        assert!(rx.is_abandoned());
        assert_eq!((rx.slots(), rx.pop().map(|item| item.number)), (1, Some(0)));
        assert!(rx.pop().is_none());

        let (mut tx, rx) = R::ends(1);
        drop(rx);
        assert!(tx.is_abandoned());
        assert!(tx.push(items.make()).is_ok(), "room is room");
        assert!(tx.push(items.make()).is_err());
    });
}

/// What is left in the ring ends with its second end, once each, whichever that is.
pub fn left_values<R: Ring>() {
    for producer_first in [false, true] {
        once(move || {
            let (mut tx, mut rx) = R::ends(4);
            let mut items = Items::default();
            for _ in 0..4 {
                assert!(tx.push(items.make()).is_ok());
            }
            assert_eq!(rx.drain(2, 1).map(|items| items.len()), Ok(1));
            assert!(tx.push(items.make()).is_ok());
            assert_eq!(items.ended(), 1);
            if producer_first {
                drop(tx);
                assert_eq!(items.ended(), 1);
                drop(rx);
            } else {
                drop(rx);
                assert_eq!(items.ended(), 1);
                drop(tx);
            }
            assert_eq!(items.ended(), 5);
        });
    }
}

/// An end knows what it last read of the other's index, and reads it anew only where that is not enough.
pub fn cached_indices<R: Ring>() {
    once(|| {
        let (mut tx, mut rx) = R::ends(3);
        let mut items = Items::default();
        assert!(tx.push(items.make()).is_ok());
        assert_eq!((tx.cached_slots(), rx.cached_slots()), (2, 0));
        assert!(rx.pop().is_some());
        assert_eq!((tx.cached_slots(), tx.slots(), tx.cached_slots()), (2, 3, 3));
        assert_eq!(tx.fill(2, [items.make(), items.make()]), Ok(2));
        assert_eq!(rx.drain(1, 1).map(|items| items.len()), Ok(1));
        assert_eq!((tx.cached_slots(), rx.cached_slots()), (1, 1));
        assert_eq!(tx.fill(1, [items.make()]), Ok(1));
        assert_eq!(tx.cached_slots(), 0);
        // One was known to be there, and the other is not looked for.
        assert_eq!(rx.drain(1, 0).map(|items| items.len()), Ok(0));
        assert_eq!((rx.cached_slots(), rx.slots()), (1, 2));
        assert!(!tx.is_full(), "a slot had been given back");
    });
}

/// A fill that panics on the way publishes nothing.
pub fn panicking_fill<R: Ring>() {
    once(|| {
        let (mut tx, mut rx) = R::ends(2);
        let mut items = Items::default();
        let mut given = Some(items.make());
        let giver = iter::from_fn(|| given.take().or_else(|| resume_unwind(Box::new("no more"))));
        assert!(catch_unwind(AssertUnwindSafe(|| tx.fill(2, giver))).is_err());
        assert_eq!((tx.slots(), rx.slots()), (2, 0));
        assert!(tx.push(items.make()).is_ok());
        assert_eq!(rx.pop().map(|item| item.number), Some(1));
    });
}

/// What one step on a ring showed.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Done(bool),
    Peeked(Option<u32>),
    Popped(Option<u32>),
    Slots(usize),
    Filled(Result<usize, usize>),
    Drained(Result<Vec<u32>, usize>),
}

/// Takes a random walk over a ring with both ends there, then drops both; what each step showed, and how many values had
/// ended by then. The walk is a function of the seed alone.
fn walk<R: Ring>(seed: u64, capacity: usize) -> Vec<(Seen, usize)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut tx, mut rx) = R::ends(capacity);
    let mut items = Items::default();
    let mut seen = Vec::new();
    for _ in 0..40 {
        let (n, some) = (random.usize(..capacity + 2), random.usize(..capacity + 2));
        let step = match random.u8(..13) {
            0..3 => Seen::Done(tx.push(items.make()).is_ok()),
            3..5 => Seen::Popped(rx.pop().map(|item| item.number)),
            5 => Seen::Peeked(rx.peek()),
            6 => Seen::Slots(tx.slots()),
            7 => Seen::Slots(rx.slots()),
            8 => Seen::Done(tx.is_full()),
            9 => Seen::Done(rx.is_empty()),
            10 => Seen::Slots(tx.cached_slots() * 100 + rx.cached_slots()),
            11 => {
                let given: Vec<_> = (0..some).map(|_| items.make()).collect();
                Seen::Filled(tx.fill(n, given))
            }
            _ => Seen::Drained(rx.drain(n, some).map(|items| numbers(&items))),
        };
        seen.push((step, items.ended()));
    }
    drop((tx, rx));
    seen.push((Seen::Slots(items.made as usize), items.ended()));
    seen
}

/// Both rings show the same at every step of a random walk; what comes out is in order, and everything ends once.
pub fn agreement() {
    for seed in 0..2_000 {
        once(move || {
            let capacity = 1 + seed as usize % 5;
            let real = walk::<Real>(seed, capacity);
            assert_eq!(real, walk::<Model>(seed, capacity), "seed {seed}, capacity {capacity}");
            let (Seen::Slots(made), ended) = real.last().expect("a last step") else {
                panic!("the last step is a count")
            };
            assert_eq!(made, ended, "seed {seed}: every value ends once");
            let out: Vec<u32> = real.iter().flat_map(|(seen, _)| came_out(seen)).collect();
            assert!(out.is_sorted_by(|one, next| one < next), "seed {seed}: {out:?}");
        });
    }
}

/// The values that a step took out of the ring.
fn came_out(seen: &Seen) -> Vec<u32> {
    match seen {
        Seen::Popped(Some(number)) => vec![*number],
        Seen::Drained(Ok(numbers)) => numbers.clone(),
        _ => Vec::new(),
    }
}
