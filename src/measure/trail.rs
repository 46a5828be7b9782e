//! The trail of a measured request: when each hop took it and was done with it.
//!
//! Each worker notes its hops in a part of one table that belongs to the run, round and round, and the request carries the
//! number of the last note in its stamp. A note names the one before it, so copies of a request share what they have in
//! common, nothing is copied, freed or allocated, and nobody waits. At the end of a request that turns out slow its
//! trail is walked backwards. Notes that were overwritten by then are missing: the trail begins after them, and says so.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering, fence};

/// Notes in all: as many as the stamp of a request can tell apart, where 0 is none.
const MOST: usize = (1 << HOP_BITS) - 1;
/// Notes of one worker.
const MOST_OF_ONE: usize = 2048;
/// Bits of the number of a note.
pub(crate) const HOP_BITS: u32 = 14;

/// The notes of a run.
#[derive(Debug)]
pub(crate) struct Trails {
    notes: Box<[Note]>,
    /// Notes of each worker, a power of two.
    share: usize,
}

/// All in nanoseconds. Written by one thread and read by others at any time: `number` is 0 while the rest changes.
#[derive(Debug, Default)]
struct Note {
    /// Counts the notes of the worker, from 1.
    number: AtomicU64,
    /// When the request started, as its stamp says it.
    start: AtomicU64,
    /// The note before: its place, and its number.
    before: AtomicU64,
    before_number: AtomicU64,
    taken: AtomicU64,
    done: AtomicU64,
    blocked: AtomicU64,
}

/// What a hop has to say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) start: u64,
    /// The hop before, where it is known.
    pub(crate) before: Link,
    /// When it was taken, and when the worker was done with it.
    pub(crate) taken: u64,
    pub(crate) done: u64,
    /// For how long before that the worker had no room to put anything.
    pub(crate) blocked: u64,
}

/// Where a note is; the default is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Link {
    place: u16,
    number: u64,
}

impl Link {
    /// What comes before the first hop of a request.
    pub(crate) const START: Self = Self { place: u16::MAX, number: 0 };
}

/// The time that a request spent at one hop, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HopTimes {
    /// The worker, counted over all stages.
    pub(crate) worker: usize,
    pub(crate) wait: u64,
    pub(crate) blocked: u64,
    pub(crate) work: u64,
}

impl Trails {
    /// Room for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let fair = (MOST / workers.max(1)).min(MOST_OF_ONE);
        let share = if fair == 0 { 0 } else { 1 << fair.ilog2() };
        Self { notes: (0..share * workers).map(|_| Note::default()).collect(), share }
    }

    /// Finds the note of this number about a request with this start: when that hop was done, and what names it for good.
    #[inline]
    pub(crate) fn find(&self, place: u16, start: u64) -> Option<(u64, Link)> {
        let words =
            |note: &Note| [&note.start, &note.done].map(|word| word.load(Ordering::Relaxed));
        let (number, [found, done]) = self.look(place, words)?;
        (found == start).then_some((done, Link { place, number }))
    }

    fn read(&self, place: u16) -> Option<(Told, u64)> {
        let words = |note: &Note| {
            let words = [&note.start, &note.taken, &note.done, &note.blocked, &note.before_number];
            let place = u16::try_from(note.before.load(Ordering::Relaxed)).unwrap_or(0);
            (words.map(|word| word.load(Ordering::Relaxed)), place)
        };
        let (number, ([start, taken, done, blocked, before], place)) = self.look(place, words)?;
        let before = Link { place, number: before };
        Some((Told { start, before, taken, done, blocked }, number))
    }

    /// Reads words of a note with its number; `None` where there is none, or another is just being written.
    #[inline]
    fn look<W>(&self, place: u16, words: impl FnOnce(&Note) -> W) -> Option<(u64, W)> {
        let note = self.notes.get(usize::from(place).checked_sub(1)?)?;
        // Acquire: pairs with the release in `Trail::note`, so that what is read belongs to this number or a later one.
        let number = note.number.load(Ordering::Acquire);
        let words = words(note);
        // Pairs with the fence in `Trail::note`: if anything read was of a later note, so is the number.
        fence(Ordering::Acquire);
        let whole = number != 0 && note.number.load(Ordering::Relaxed) == number;
        whole.then_some((number, words))
    }

    /// Writes down the hops of a request from its start to what the last one tells, in their order, as far as they are known
    /// and there is room. Returns the time before the first of them that nobody can tell, given how long all took.
    pub(crate) fn walk(
        &self,
        worker: usize,
        last: Told,
        took: u64,
        hops: &mut Vec<HopTimes>,
    ) -> u64 {
        hops.clear();
        let (mut worker, mut told, mut left) = (worker, last, took);
        loop {
            let work = told.done.saturating_sub(told.taken).min(left);
            left -= work;
            let room = hops.len() + 1 < hops.capacity();
            let before = if room { self.follow(told) } else { None };
            let before_taken = match &before {
                Some((before, _)) => told.taken.saturating_sub(before.done).min(left),
                None if told.before == Link::START => left,
                None => 0,
            };
            let blocked = told.blocked.min(before_taken);
            left -= before_taken;
            hops.push(HopTimes { worker, wait: before_taken - blocked, blocked, work });
            match before {
                Some((before, of)) => (told, worker) = (before, of),
                None => break,
            }
        }
        hops.reverse();
        left
    }

    /// What was told by the hop before, and by whom.
    fn follow(&self, told: Told) -> Option<(Told, usize)> {
        let Link { place, number } = told.before;
        let (before, found) = self.read(place)?;
        let is_it = found == number && before.start == told.start;
        is_it.then(|| (before, (usize::from(place) - 1) / self.share))
    }
}

/// The part of one worker in the notes of its run.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    trails: Arc<Trails>,
    worker: usize,
    /// Notes so far.
    count: u64,
}

impl Trail {
    pub(crate) fn new(trails: Arc<Trails>, worker: usize) -> Self {
        Self { trails, worker, count: 0 }
    }

    pub(crate) fn trails(&self) -> &Trails {
        &self.trails
    }

    /// The worker's number.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// Notes a hop; returns its place, or 0 where there is no room for any.
    pub(crate) fn note(&mut self, told: Told) -> u16 {
        let share = self.trails.share;
        if share == 0 {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less than the share")]
        let at = self.worker * share + (self.count & (share as u64 - 1)) as usize;
        self.count += 1;
        let note = &self.trails.notes[at];
        note.number.store(0, Ordering::Relaxed);
        // Pairs with the fence in `Trails::read`.
        fence(Ordering::Release);
        let write = |word: &AtomicU64, value: u64| word.store(value, Ordering::Relaxed);
        write(&note.start, told.start);
        write(&note.before, told.before.place.into());
        write(&note.before_number, told.before.number);
        write(&note.taken, told.taken);
        write(&note.done, told.done);
        write(&note.blocked, told.blocked);
        // Release: pairs with the acquire in `Trails::read`.
        note.number.store(self.count, Ordering::Release);
        u16::try_from(at + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of three workers, and what a request meets on its way; returns its hops and what is untold.
    fn walk(notes_between: u64, room: usize) -> (Vec<[u64; 4]>, u64) {
        let trails = Arc::new(Trails::new(3));
        let mut trail: Vec<_> = (0..3).map(|at| Trail::new(Arc::clone(&trails), at)).collect();
        let start = 1_000;
        let told = |before, taken, done, blocked| Told { start, before, taken, done, blocked };
        // Given 20 late by the source; taken by the next after 100, of which it was blocked for 30; then worked on for 5.
        let given = trail[0].note(told(Link::START, 1_020, 1_020, 0));
        let (done, link) = trails.find(given, start).expect("just noted");
        assert_eq!(done, 1_020);
        let worked = trail[1].note(told(link, 1_120, 1_125, 30));
        for other in 0..notes_between {
            let before = Link::START;
            trail[1].note(Told { start: 5 + other, before, taken: 6, done: 7, blocked: 0 });
        }
        let link = trails.find(worked, start).map(|(_, link)| link);
        let link = link.unwrap_or(Link { place: worked, number: 1 });
        let mut hops = Vec::with_capacity(room);
        let untold = trails.walk(2, told(link, 1_425, 1_500, 0), 500, &mut hops);
        let hops = hops.iter().map(|hop| [hop.worker as u64, hop.wait, hop.blocked, hop.work]);
        (hops.collect(), untold)
    }

    #[test]
    fn the_hops_of_a_request_add_up_to_all_of_its_time() {
        let (hops, untold) = walk(0, 4);
        assert_eq!(hops, [[0, 20, 0, 0], [1, 70, 30, 5], [2, 300, 0, 75]]);
        let told: u64 = hops.iter().map(|[_, wait, blocked, work]| wait + blocked + work).sum();
        assert_eq!((told, untold), (500, 0));
    }

    #[test]
    fn a_note_that_was_overwritten_is_missing_and_its_time_untold() {
        let (hops, untold) = walk(2 * MOST_OF_ONE as u64, 4);
        assert_eq!(hops, [[2, 0, 0, 75]]);
        assert_eq!(untold, 425);
    }

    #[test]
    fn without_room_for_all_hops_the_first_ones_are_untold() {
        let (hops, untold) = walk(0, 2);
        assert_eq!(hops, [[1, 0, 0, 5], [2, 300, 0, 75]]);
        assert_eq!(untold, 120);
    }

    #[test]
    fn a_run_of_very_many_workers_keeps_no_trails() {
        let mut trail = Trail::new(Arc::new(Trails::new(MOST + 1)), 7);
        let before = Link::START;
        let told = Told { start: 1, before, taken: 2, done: 3, blocked: 0 };
        assert_eq!(trail.note(told), 0);
        let mut hops = Vec::with_capacity(3);
        assert_eq!(trail.trails().walk(7, told, 2, &mut hops), 0);
        assert_eq!(hops, [HopTimes { worker: 7, wait: 1, blocked: 0, work: 1 }]);
        assert_eq!(trail.trails().find(0, 1), None);
    }

    #[test]
    fn a_reader_never_sees_halves_of_two_notes() {
        let trails = Arc::new(Trails::new(MOST));
        let mut trail = Trail::new(Arc::clone(&trails), 0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for n in 1..200_000_u64 {
                    let before = Link { place: 1, number: n };
                    trail.note(Told { start: n, before, taken: n, done: n, blocked: n });
                }
            });
            while !writer.is_finished() {
                if let Some((told, number)) = trails.read(1) {
                    let Told { start, before, taken, done, blocked } = told;
                    assert_eq!([start, before.number, taken, done, blocked], [number; 5]);
                }
            }
        });
    }
}
