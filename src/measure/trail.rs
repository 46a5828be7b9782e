//! The trail of a measured request: when each hop took it and was done with it.
//!
//! Each worker notes its hops in a part of one table that belongs to the run, round and round, and the request carries the
//! number of the last note in its stamp. A note names the one before it, so copies of a request share what they have in
//! common, nothing is copied, freed or allocated, and nobody waits. At the end of a request that turns out slow its
//! trail is walked backwards. Notes that were overwritten by then are missing: the trail begins after them, and says so.
//!
//! So a worker has notes for all requests that can be on their way behind it, and for as many again that are discarded
//! there. Only where more than these go by while one request is on its way, past a slow worker of a pool or into a filter
//! that lets hardly any through, are notes overwritten too early; and where all together need more than a stamp tells apart.

use std::ops::Range;
use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering, fence};

/// Notes in all: as many as the stamp of a request can tell apart, where 0 is none.
const MOST: usize = (1 << HOP_BITS) - 1;
/// Notes of a worker that passes requests on, however few can be behind it, as long as there is room for that.
const LEAST: usize = 2048;
/// Bits of the number of a note.
pub(crate) const HOP_BITS: u32 = 14;

/// The notes of a run.
#[derive(Debug)]
pub(crate) struct Trails {
    notes: Box<[Note]>,
    /// Where the notes of each worker begin.
    begins: Box<[usize]>,
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
    /// Room for workers behind each of which so many requests can be on their way.
    pub(crate) fn new(behind: &[usize]) -> Self {
        let shares = shares(behind);
        let begin =
            |total: &mut usize, share: &usize| Some(std::mem::replace(total, *total + share));
        let begins = shares.iter().scan(0, begin).collect();
        Self { notes: (0..shares.iter().sum()).map(|_| Note::default()).collect(), begins }
    }

    /// Where the notes of a worker are.
    fn range(&self, worker: usize) -> Range<usize> {
        let end = self.begins.get(worker + 1).copied().unwrap_or(self.notes.len());
        self.begins[worker]..end
    }

    /// The worker whose note this is: of those that begin no later the last, since others have none.
    fn worker_of(&self, at: usize) -> usize {
        self.begins.partition_point(|begin| *begin <= at) - 1
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
        is_it.then(|| (before, self.worker_of(usize::from(place) - 1)))
    }
}

/// Notes for each of some workers, behind each of which so many requests can be on their way: twice as many, in proportion
/// where all need too many, and none where requests end.
fn shares(behind: &[usize]) -> Vec<usize> {
    let shares = |least: usize| -> Vec<usize> {
        let share =
            |&behind: &usize| behind.saturating_mul(2).max(if behind == 0 { 0 } else { least });
        behind.iter().map(share).collect()
    };
    let total = |shares: &[usize]| shares.iter().map(|share| *share as u128).sum::<u128>();
    let mut least = LEAST;
    while least > 0 && total(&shares(least)) > MOST as u128 {
        least /= 2;
    }
    let mut shares = shares(least);
    let total = total(&shares);
    if total > MOST as u128 {
        for share in &mut shares {
            *share = usize::try_from(*share as u128 * MOST as u128 / total).unwrap_or(0);
        }
    }
    shares
}

/// The part of one worker in the notes of its run.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    trails: Arc<Trails>,
    worker: usize,
    /// Where its notes are, and the next of them.
    range: Range<usize>,
    next: usize,
    /// Notes so far.
    count: u64,
}

impl Trail {
    pub(crate) fn new(trails: Arc<Trails>, worker: usize) -> Self {
        let range = trails.range(worker);
        Self { trails, worker, next: range.start, range, count: 0 }
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
        if self.range.is_empty() {
            return 0;
        }
        let at = self.next;
        self.next = if at + 1 == self.range.end { self.range.start } else { at + 1 };
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
        let trails = Arc::new(Trails::new(&[2, 1, 0]));
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
        let (hops, untold) = walk(LEAST as u64, 4);
        assert_eq!(hops, [[2, 0, 0, 75]]);
        assert_eq!(untold, 425);
    }

    #[test]
    fn a_note_lasts_until_as_many_as_the_worker_has_have_followed() {
        let (hops, untold) = walk(LEAST as u64 - 1, 4);
        assert_eq!((hops.len(), untold), (3, 0));
    }

    #[test]
    fn every_worker_has_notes_for_twice_what_can_be_behind_it() {
        assert_eq!(shares(&[3_075, 2_050, 1_025, 0, 0]), [6_150, 4_100, 2_050, 0, 0]);
        // Few are too few where requests are discarded or overtake each other, as long as there is room.
        assert_eq!(shares(&[2, 1, 0]), [LEAST, LEAST, 0]);
        assert_eq!(shares(&[7_000, 2, 1, 0]), [14_000, LEAST / 2, LEAST / 2, 0]);
        assert_eq!(shares(&[1; 40]), [256; 40]);
        assert!(shares(&[]).is_empty());
    }

    #[test]
    fn where_all_together_need_too_many_each_has_its_share() {
        assert_eq!(shares(&[16_384, 8_192, 0]), [10_922, 5_461, 0]);
        assert_eq!(shares(&[usize::MAX, usize::MAX, 1, 0]), [MOST / 2, MOST / 2, 0, 0]);
        assert_eq!(shares(&[MOST]), [MOST]);
        assert_eq!(shares(&vec![1; 2 * MOST]), vec![0; 2 * MOST]);
    }

    #[test]
    fn a_note_is_its_workers() {
        let trails = Trails::new(&[0, 5_000, 0, 0, 1_000, 0]);
        for worker in 0..6 {
            assert!(trails.range(worker).all(|at| trails.worker_of(at) == worker));
        }
        assert_eq!([0, 1, 4].map(|worker| trails.range(worker).len()), [0, 10_000, LEAST]);
        assert_eq!(trails.notes.len(), 10_000 + LEAST);
    }

    #[test]
    fn without_room_for_all_hops_the_first_ones_are_untold() {
        let (hops, untold) = walk(0, 2);
        assert_eq!(hops, [[1, 0, 0, 5], [2, 300, 0, 75]]);
        assert_eq!(untold, 120);
    }

    #[test]
    fn a_run_of_very_many_workers_keeps_no_trails() {
        let mut trail = Trail::new(Arc::new(Trails::new(&vec![1; 2 * MOST])), 7);
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
        let trails = Arc::new(Trails { notes: Box::new([Note::default()]), begins: Box::new([0]) });
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
