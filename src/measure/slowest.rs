//! The slowest requests of a worker, or of several together: a few, kept without allocating.

use super::trail::HopTimes;

/// A request that took long, in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    /// What it is told by: its start, as its stamp says it.
    pub(crate) start: u64,
    /// When it ended.
    pub(crate) ended: u64,
    pub(crate) took: u64,
    /// What no hop tells of that.
    pub(crate) untold: u64,
    pub(crate) hops: Vec<HopTimes>,
}

/// The slowest requests, so many at most.
#[derive(Debug, Clone)]
pub(crate) struct Slowest {
    kept: Vec<Slow>,
    /// How many of them are real; what is behind is room.
    count: usize,
}

impl Slowest {
    /// For so many, of so many hops. Everything is allocated here.
    pub(crate) fn new(most: usize, hops: usize) -> Self {
        let slow =
            || Slow { start: 0, ended: 0, took: 0, untold: 0, hops: Vec::with_capacity(hops) };
        Self { kept: (0..most).map(|_| slow()).collect(), count: 0 }
    }

    pub(crate) fn kept(&self) -> &[Slow] {
        &self.kept[..self.count]
    }

    /// Room for a request that took so long, if it is slow enough. Of those with the same start, which a request becomes
    /// that becomes several, only the slowest is kept.
    #[inline]
    pub(crate) fn admit(&mut self, start: u64, took: u64) -> Option<&mut Slow> {
        let (kept, room) = self.kept.split_at(self.count);
        // Kept in falling order, so that most are turned away by a look at the last.
        if room.is_empty() && kept.last().is_none_or(|last| took <= last.took) {
            return None;
        }
        self.make_room(start, took)
    }

    #[cold]
    fn make_room(&mut self, start: u64, took: u64) -> Option<&mut Slow> {
        let kept = &self.kept[..self.count];
        let at = kept.iter().position(|slow| slow.took < took).unwrap_or(self.count);
        let out = match kept.iter().position(|slow| slow.start == start) {
            Some(known) if known < at => return None,
            Some(known) => known,
            None if self.count < self.kept.len() => {
                self.count += 1;
                self.count - 1
            }
            None => self.count - 1,
        };
        self.kept[at..=out].rotate_right(1);
        let slow = &mut self.kept[at];
        (slow.start, slow.took) = (start, took);
        Some(slow)
    }

    /// Adds those of another.
    pub(crate) fn add(&mut self, other: &Self) {
        for slow in other.kept() {
            if let Some(room) = self.admit(slow.start, slow.took) {
                room.clone_from(slow);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(slowest: &mut Slowest, requests: &[(u64, u64)]) {
        for &(start, took) in requests {
            if let Some(slow) = slowest.admit(start, took) {
                slow.ended = start + took;
            }
        }
    }

    fn kept(slowest: &Slowest) -> Vec<(u64, u64)> {
        assert!(slowest.kept().iter().all(|slow| slow.ended == slow.start + slow.took));
        slowest.kept().iter().map(|slow| (slow.start, slow.took)).collect()
    }

    #[test]
    fn the_slowest_are_kept_in_their_order() {
        let mut slowest = Slowest::new(3, 1);
        offer(&mut slowest, &[(1, 50), (2, 70)]);
        assert_eq!(kept(&slowest), [(2, 70), (1, 50)]);
        offer(&mut slowest, &[(3, 10), (4, 60), (5, 9), (6, 100), (7, 60)]);
        assert_eq!(kept(&slowest), [(6, 100), (2, 70), (4, 60)]);
    }

    #[test]
    fn any_order_comes_to_the_same() {
        let mut random = fastrand::Rng::with_seed(5);
        for round in 0..200 {
            let mut requests: Vec<(u64, u64)> = (0..40).map(|n| (n, 1_000 + n * 7)).collect();
            random.shuffle(&mut requests);
            let mut slowest = Slowest::new(6, 1);
            offer(&mut slowest, &requests);
            requests.sort_by_key(|&(_, took)| std::cmp::Reverse(took));
            assert_eq!(kept(&slowest), requests[..6], "round {round}");
        }
    }

    #[test]
    fn of_one_start_the_slowest_is_kept() {
        let mut slowest = Slowest::new(3, 1);
        offer(&mut slowest, &[(1, 50), (2, 70), (1, 60), (1, 40), (3, 65), (1, 90), (2, 75)]);
        assert_eq!(kept(&slowest), [(1, 90), (2, 75), (3, 65)]);
    }

    #[test]
    fn several_lists_become_one_and_none_keeps_nothing() {
        let (mut one, mut other) = (Slowest::new(2, 1), Slowest::new(2, 1));
        offer(&mut one, &[(1, 50), (2, 70)]);
        offer(&mut other, &[(3, 60), (4, 40)]);
        one.add(&other);
        assert_eq!(kept(&one), [(2, 70), (3, 60)]);
        one.clear();
        assert_eq!(kept(&one), []);
        let mut none = Slowest::new(0, 1);
        offer(&mut none, &[(1, 50)]);
        assert_eq!(kept(&none), []);
    }
}
