//! Files that other tools read: HdrHistogram's percentile text and its interval log.

use std::fmt::Write;

use super::latency::as_float;
use super::report::Report;
use crate::measure::sheets::Aspect;

impl Report {
    /// The percentiles of what was measured at a stage, by its place in the plan, as HdrHistogram's tools print and plot
    /// them; values in microseconds. `None` if nothing was measured.
    ///
    /// ```
    /// use ringtract::{Aspect, Measure, final_output, source, worker};
    ///
    /// let tract = source("numbers", 1, || 0..1_000_u64).then(worker("half", 1, || |n: u64| n / 2));
    /// let report = tract.setup().measure(Measure::ALL).init(final_output())?.start()?.wait();
    /// let text = report.percentile_text(1, Aspect::Tract).expect("measured");
    /// assert!(text.contains("Total count    =         1000"));
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    pub fn percentile_text(&self, stage: usize, aspect: Aspect) -> Option<String> {
        let histogram = self.histogram(stage, aspect)?;
        let micros = |nanos: u64| as_float(nanos) / 1e3;
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let mut below = 0;
        for point in histogram.iter_quantiles(5) {
            below += point.count_since_last_iteration();
            let (value, quantile) =
                (micros(point.value_iterated_to()), point.quantile_iterated_to());
            let _ = write!(text, "{value:12.3} {quantile:2.12} {below:10}");
            let _ = match quantile < 1.0 {
                true => writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)),
                false => writeln!(text),
            };
        }
        let (mean, deviation) = (histogram.mean() / 1e3, histogram.stdev() / 1e3);
        let (max, count) = (micros(histogram.max()), histogram.len());
        let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
        let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {count:12}]");
        let (buckets, within) =
            (histogram.buckets(), 1_u64 << (64 - histogram.low().leading_zeros()));
        let _ = writeln!(text, "#[Buckets = {buckets:12}, SubBuckets     = {within:12}]");
        Some(text)
    }
}

#[cfg(feature = "hlog")]
mod hlog {
    use std::time::SystemTime;

    use hdrhistogram::serialization::V2DeflateSerializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

    use super::{Aspect, Report};
    use crate::tell::timeline::Timeline;

    const IN_MEMORY: &str = "writing to memory does not fail, and all counts fit";

    impl Report {
        /// The run as an interval log of HdrHistogram, version 2 (`.hlog`): a line for each interval of the timeline, and
        /// for what came after it, for each stage and aspect that has anything in it. Tags are stage and aspect, as in
        /// `feed/decode:work`; values are nanoseconds. Needs the feature `hlog`.
        ///
        /// # Panics
        ///
        /// Never: nothing in it can fail in memory.
        pub fn to_hlog(&self, started: SystemTime, timeline: &Timeline) -> String {
            let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
            let mut builder = IntervalLogWriterBuilder::new();
            builder.add_comment("Logged by ringtract; values in nanoseconds");
            // Where the tools show the longest beside a line, they take it for milliseconds.
            builder.with_max_value_divisor(1e6).with_start_time(started).with_base_time(started);
            let mut log = builder.begin_log_with(&mut bytes, &mut serializer).expect(IN_MEMORY);
            for interval in timeline.until_the_end(self) {
                let start = interval.elapsed - interval.length;
                for (at, stage) in self.stages.iter().enumerate() {
                    for aspect in Aspect::ALL {
                        let Some(histogram) = interval.histogram(at, aspect) else { continue };
                        let tag = format!("{}:{}", stage.path, aspect.name());
                        let tag = tag.replace([' ', ',', '\r', '\n'], "_");
                        log.write_histogram(&histogram, start, interval.length, Tag::new(&tag))
                            .expect(IN_MEMORY);
                    }
                }
            }
            String::from_utf8(bytes).expect("a log is text")
        }
    }
}
