//! How a run went over time, in bounded memory.
//!
//! A snapshot has whole histograms, 180 KiB for each stage by default, so a long run cannot keep them all. A timeline keeps of
//! each only what was recorded, and no more than so many intervals: when it is full, neighbours become one, and intervals are
//! twice as long from there on. All of that is on the side of the reader; workers have no part in it.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::hiccups::Hiccups;
use super::latency::Latency;
use super::report::Report;
use super::snapshot::Snapshot;
use crate::measure::sheets::{Aspect, Precision};

/// How a run went over time, for [`Report::to_html`] and [`Report::to_hlog`]: what was measured in each of a bounded number of
/// intervals, put together from snapshots.
///
/// It begins with intervals of the length it is given, and holds 128 to 256 of them, over whatever time: where there would be
/// more, each two become one. Percentiles stay as exact as they were, since distributions are kept.
///
/// ```
/// use std::time::Duration;
/// use ringtract::{Measure, Timeline, final_output, source, worker};
///
/// let tract = source("numbers", 1, || 0..200_000_u64).then(worker("half", 1, || |n: u64| n / 2));
/// let running = tract.setup().measure(Measure::ALL).init(final_output())?.start()?;
/// let mut timeline = Timeline::new(Duration::from_millis(1));
/// while !running.is_finished() {
///     std::thread::sleep(timeline.pace());
///     timeline.push(&running.snapshot());
/// }
/// let report = running.wait();
/// let page = report.to_html(&timeline);
/// # assert!(page.contains("</html>"));
/// # Ok::<(), ringtract::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Timeline {
    intervals: Vec<Interval>,
    pace: Duration,
}

/// A piece of a [`Timeline`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Interval {
    /// From the start of the run until its end.
    pub elapsed: Duration,
    /// How long it was.
    pub length: Duration,
    /// How long threads were watched for hiccups, all together.
    pub watched: Duration,
    /// How much of that the machine took.
    pub taken: Duration,
    /// The longest hiccup, in nanoseconds.
    pub longest_hiccup: u64,
    /// By stage and aspect.
    kept: Vec<[Kept; Aspect::ALL.len()]>,
}

impl Timeline {
    /// The most intervals.
    pub const MOST: usize = 256;

    /// Without an interval yet. The first will be as long as `pace`; 0 is taken as 1 ms.
    pub fn new(pace: Duration) -> Self {
        let pace = if pace.is_zero() { Duration::from_millis(1) } else { pace };
        Self { intervals: Vec::new(), pace }
    }

    /// How long intervals are by now. A snapshot once in that time, or more often, is as good as the timeline gets.
    pub fn pace(&self) -> Duration {
        self.pace
    }

    /// Adds what is in a snapshot: as an interval of its own, or to the one before as long as that is shorter than the pace.
    ///
    /// What is in snapshots that are not pushed is missing here, and is taken to have come at the end.
    pub fn push(&mut self, snapshot: &Snapshot) {
        let Snapshot { elapsed, interval, stages, hiccups, .. } = snapshot;
        let histogram = |stage, aspect| snapshot.histogram(stage, aspect);
        self.append(Interval::new((*elapsed, *interval), hiccups, stages.len(), histogram));
    }

    fn append(&mut self, new: Interval) {
        match self.intervals.last_mut() {
            // Nearer to the pace with it than without.
            Some(last) if last.length + new.length / 2 <= self.pace => last.add(new),
            _ => self.intervals.push(new),
        }
        if self.intervals.len() > Self::MOST {
            self.halve();
        }
    }

    /// What there is so far, in the order of time.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    fn halve(&mut self) {
        let mut rest = std::mem::take(&mut self.intervals).into_iter();
        while let Some(mut one) = rest.next() {
            rest.next().into_iter().for_each(|other| one.add(other));
            self.intervals.push(one);
        }
        self.pace *= 2;
    }

    /// The intervals, and what the report has beyond them as the last one.
    pub(crate) fn until_the_end(&self, report: &Report) -> Vec<Interval> {
        let mut all = self.intervals.clone();
        let Report { elapsed, stages, hiccups, .. } = report;
        let histogram = |stage, aspect| report.histogram(stage, aspect);
        let mut rest = Interval::new((*elapsed, *elapsed), hiccups, stages.len(), histogram);
        all.iter().for_each(|interval| rest.subtract(interval));
        if !rest.length.is_zero() {
            all.push(rest);
        }
        all
    }
}

impl Interval {
    /// What was measured in it at a stage, by its place in the plan, in nanoseconds. `None` if nothing was.
    pub fn histogram(&self, stage: usize, aspect: Aspect) -> Option<Histogram<u64>> {
        self.kept.get(stage)?[aspect as usize].histogram()
    }

    /// As [`histogram`](Self::histogram), in short.
    pub fn latency(&self, stage: usize, aspect: Aspect) -> Latency {
        self.histogram(stage, aspect).as_ref().map(Latency::of).unwrap_or_default()
    }

    fn new<'a>(
        (elapsed, length): (Duration, Duration),
        hiccups: &Hiccups,
        stages: usize,
        histogram: impl Fn(usize, Aspect) -> Option<&'a Histogram<u64>>,
    ) -> Self {
        let kept = |stage| Aspect::ALL.map(|aspect| Kept::of(histogram(stage, aspect)));
        let Hiccups { watched, taken, times } = *hiccups;
        let kept = (0..stages).map(kept).collect();
        Self { elapsed, length, watched, taken, longest_hiccup: times.max, kept }
    }

    /// Adds the interval that follows.
    fn add(&mut self, next: Self) {
        self.elapsed = next.elapsed;
        self.length += next.length;
        self.watched += next.watched;
        self.taken += next.taken;
        self.longest_hiccup = self.longest_hiccup.max(next.longest_hiccup);
        for (own, next) in self.kept.iter_mut().zip(next.kept) {
            own.iter_mut().zip(next).for_each(|(own, next)| own.add(next));
        }
    }

    /// Takes away what is in an interval before.
    fn subtract(&mut self, before: &Self) {
        self.length = self.elapsed.saturating_sub(before.elapsed);
        self.watched = self.watched.saturating_sub(before.watched);
        self.taken = self.taken.saturating_sub(before.taken);
        if before.longest_hiccup >= self.longest_hiccup {
            // Where the longest was is known; how long the longest was in what is left is not.
            self.longest_hiccup = 0;
        }
        for (own, before) in self.kept.iter_mut().zip(&before.kept) {
            own.iter_mut().zip(before).for_each(|(own, before)| own.subtract(before));
        }
    }
}

/// What is in a histogram, without the room for what is not: values, the lowest of their buckets, and how often.
#[derive(Debug, Clone, Default)]
struct Kept {
    precision: Precision,
    counts: Vec<(u64, u64)>,
}

impl Kept {
    fn of(histogram: Option<&Histogram<u64>>) -> Self {
        let Some(histogram) = histogram else { return Self::default() };
        let precision = Precision { longest: histogram.high(), digits: histogram.sigfig() };
        let counts = histogram.iter_recorded().map(|bucket| {
            (histogram.lowest_equivalent(bucket.value_iterated_to()), bucket.count_at_value())
        });
        Self { precision, counts: counts.collect() }
    }

    fn histogram(&self) -> Option<Histogram<u64>> {
        if self.counts.is_empty() {
            return None;
        }
        let mut histogram = self.precision.histogram();
        for &(value, count) in &self.counts {
            histogram.saturating_record_n(value, count);
        }
        Some(histogram)
    }

    fn add(&mut self, other: Self) {
        if self.counts.is_empty() {
            *self = other;
            return;
        }
        let mut more = other.counts.into_iter().peekable();
        let mut all = Vec::with_capacity(self.counts.len() + more.len());
        for &(value, count) in &self.counts {
            while let Some(below) = more.next_if(|next| next.0 < value) {
                all.push(below);
            }
            let same = more.next_if(|next| next.0 == value).map_or(0, |next| next.1);
            all.push((value, count + same));
        }
        all.extend(more);
        self.counts = all;
    }

    fn subtract(&mut self, other: &Self) {
        let mut less = other.counts.iter().peekable();
        for (value, count) in &mut self.counts {
            while less.next_if(|next| next.0 < *value).is_some() {}
            if let Some(same) = less.next_if(|next| next.0 == *value) {
                *count = count.saturating_sub(same.1);
            }
        }
        self.counts.retain(|(_, count)| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(values: &[u64]) -> Kept {
        let mut histogram = Precision::default().histogram();
        values.iter().for_each(|&value| histogram.saturating_record(value));
        Kept::of(Some(&histogram))
    }

    #[test]
    fn what_is_kept_is_the_histogram_and_adds_and_subtracts_like_it() {
        let (one, other) = ([5, 5, 1_000, 2_000_000], [1, 5, 1_003, 70_000_000_000]);
        let both: Vec<u64> = one.into_iter().chain(other).collect();
        let mut sum = kept(&one);
        sum.add(kept(&other));
        assert_eq!(sum.counts, kept(&both).counts);
        assert_eq!(sum.histogram(), kept(&both).histogram());
        assert_eq!(sum.histogram().expect("eight values").len(), 8);
        sum.subtract(&kept(&one));
        assert_eq!(sum.counts, kept(&other).counts);
        sum.subtract(&kept(&other));
        assert!(sum.histogram().is_none());
    }

    #[test]
    fn a_full_timeline_halves_and_loses_nothing() {
        let mut timeline = Timeline::new(Duration::from_millis(1));
        let (mut elapsed, mut pushed) = (Duration::ZERO, 0_u64);
        while timeline.pace() < Duration::from_millis(64) {
            elapsed += Duration::from_millis(1);
            let sheets = std::array::from_fn(|_| kept(&[pushed + 1]));
            let length = Duration::from_millis(1);
            let (taken, watched) = (length / 10, length);
            timeline.append(Interval {
                elapsed,
                length,
                watched,
                taken,
                longest_hiccup: pushed,
                kept: vec![sheets],
            });
            pushed += 1;
            assert!(timeline.intervals().len() <= Timeline::MOST);
        }
        let intervals = timeline.intervals();
        assert!(intervals.len() > Timeline::MOST / 2, "{}", intervals.len());
        let count = |interval: &Interval| interval.latency(0, Aspect::Work).count;
        assert_eq!(intervals.iter().map(count).sum::<u64>(), pushed);
        assert_eq!(intervals.iter().map(|interval| interval.length).sum::<Duration>(), elapsed);
        assert_eq!(intervals.iter().map(|i| i.longest_hiccup).max(), Some(pushed - 1));
        assert!(intervals.windows(2).all(|pair| pair[0].elapsed < pair[1].elapsed));
        assert!(intervals.iter().all(|interval| interval.length <= timeline.pace()));
    }
}
