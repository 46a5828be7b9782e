//! What is measured of a worker, or of several together: a histogram for each question.

use hdrhistogram::Histogram;

use super::pages::Sheet;
use super::slowest::Slowest;

/// What the histograms of a run can tell apart.
///
/// They are allocated when the run is initialised and never resized. A worker has two sets of six, so the
/// memory is what [`bytes_per_worker`](Self::bytes_per_worker) says: 360 KiB by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub struct Precision {
    /// The longest time told apart, in nanoseconds; longer ones count as this. From 2.
    pub longest: u64,
    /// Significant digits, 1 to 5: 2 means that a time is known to 1 %.
    pub digits: u8,
}

impl Default for Precision {
    /// A little over a minute, to 1 %.
    fn default() -> Self {
        Self { longest: 1 << 36, digits: 2 }
    }
}

impl Precision {
    /// Whether there are such histograms.
    pub(crate) fn is_possible(self) -> bool {
        self.longest >= 2 && (1..=5).contains(&self.digits)
    }

    pub(crate) fn histogram(self) -> Histogram<u64> {
        Histogram::new_with_bounds(1, self.longest, self.digits)
            .expect("bounds are checked before a run is wired")
    }

    /// Bytes that the histograms of one worker take.
    pub fn bytes_per_worker(self) -> usize {
        if !self.is_possible() {
            return 0;
        }
        2 * ASPECTS * self.histogram().distinct_values() * size_of::<u64>()
    }
}

/// A question that is asked of a request at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Aspect {
    /// How long the worker waited for it.
    Wait = 0,
    /// How long it was in the worker.
    Work = 1,
    /// How long the worker waited for room to put it.
    Blocked = 2,
    /// From its start to its leaving the worker; at a source, how late it was against the start that it was given.
    Age = 3,
    /// From its start to its end at the end of the tract.
    Tract = 4,
    /// How long it lay before the worker: from the end of its work at the stage before to its being taken. Where it became
    /// several there, the last ones wait for the first to be put as well.
    Queue = 5,
}

/// How many aspects there are.
const ASPECTS: usize = 6;

impl Aspect {
    /// All of them.
    pub const ALL: [Self; ASPECTS] =
        [Self::Wait, Self::Work, Self::Blocked, Self::Age, Self::Tract, Self::Queue];

    /// Its name in files: `wait`, `work`, `blocked`, `age`, `tract`, `queue`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Work => "work",
            Self::Blocked => "blocked",
            Self::Age => "age",
            Self::Tract => "tract",
            Self::Queue => "queue",
        }
    }
}

/// What the sheets of a worker have room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) precision: Precision,
    /// Slow requests kept, and hops that each may have.
    pub(crate) slowest: usize,
    pub(crate) hops: usize,
}

/// A histogram for each aspect, in nanoseconds, and the slowest requests.
#[derive(Debug, Clone)]
pub(crate) struct Sheets {
    times: [Histogram<u64>; ASPECTS],
    /// Times of 0 that are not in the histograms yet: a busy worker waits for hardly any request, and counting that is
    /// cheaper than recording it.
    zeros: [u64; ASPECTS],
    pub(crate) slowest: Slowest,
}

impl Sheets {
    pub(crate) fn new(format: Format) -> Self {
        let Format { precision, slowest, hops } = format;
        let times = std::array::from_fn(|_| precision.histogram());
        Self { times, zeros: [0; ASPECTS], slowest: Slowest::new(slowest, hops) }
    }

    /// Worker: writes a time down.
    #[inline]
    pub(crate) fn record(&mut self, aspect: Aspect, nanos: u64) {
        match nanos {
            0 => self.zeros[aspect as usize] += 1,
            nanos => self.times[aspect as usize].saturating_record(nanos),
        }
    }

    /// Reader: all that has been [added](Self::add).
    pub(crate) fn of(&self, aspect: Aspect) -> &Histogram<u64> {
        &self.times[aspect as usize]
    }

    /// Adds what another has.
    pub(crate) fn add(&mut self, other: &Self) {
        for (own, (other, zeros)) in self.times.iter_mut().zip(other.times.iter().zip(other.zeros))
        {
            if !other.is_empty() {
                own.add(other).expect("histograms of the same bounds");
            }
            if zeros > 0 {
                own.record_n(0, zeros).expect("every histogram begins at 0");
            }
        }
        self.slowest.add(&other.slowest);
    }
}

impl Sheet for Sheets {
    fn take_from(&mut self, other: &mut Self) {
        self.add(other);
        other.times.iter_mut().filter(|sheet| !sheet.is_empty()).for_each(Histogram::reset);
        other.zeros = [0; ASPECTS];
        other.slowest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_zero_are_among_the_others_once_they_are_read() {
        let format = Format { precision: Precision::default(), slowest: 0, hops: 0 };
        let (mut worker, mut reader) = (Sheets::new(format), Sheets::new(format));
        for nanos in [0, 700, 0, 0, 40] {
            worker.record(Aspect::Wait, nanos);
        }
        for round in 1..=2 {
            reader.take_from(&mut worker);
            let wait = reader.of(Aspect::Wait);
            assert_eq!((wait.len(), wait.count_at(0), wait.min()), (5, 3, 0), "round {round}");
            assert_eq!(wait.value_at_quantile(0.6), 0);
            assert!(reader.of(Aspect::Work).is_empty());
        }
    }
}
