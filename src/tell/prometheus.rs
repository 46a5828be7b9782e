//! A run as Prometheus scrapes it: its text format, version 0.0.4, written by the crate `prometheus`.
//!
//! Everything counts from the start of the run and only rises, but for the few gauges; rates and percentiles are for
//! Prometheus to work out. So scrapes and snapshots take nothing from each other. Times are in seconds.

use std::time::Duration;

use ::prometheus::TextEncoder;
use ::prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::hiccups::Hiccups;
use super::latency::{Shares, as_float};
use super::report::{LaneReport, Ledger, Report};
use crate::decide::plan::{MeshPlan, Plan};
use crate::measure::sheets::{Aspect, Sheets};

/// All of a run that is exposed.
pub(crate) struct Figures<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) elapsed: Duration,
    /// In the order of the plan.
    pub(crate) stages: Vec<StageFigures<'a>>,
    pub(crate) lanes: &'a [LaneReport],
    pub(crate) threads: Vec<ThreadFigures<'a>>,
}

pub(crate) struct StageFigures<'a> {
    pub(crate) workers: Vec<Ledger>,
    /// Busy, starved, blocked.
    pub(crate) seconds: [f64; 3],
    pub(crate) sheets: Option<&'a Sheets>,
}

pub(crate) struct ThreadFigures<'a> {
    pub(crate) name: &'a str,
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) late_wakes: u64,
    pub(crate) hiccups: Hiccups,
}

impl ThreadFigures<'_> {
    /// Its hiccups, if it was ever watched for any.
    fn watched(&self) -> Option<&Hiccups> {
        (!self.hiccups.watched.is_zero()).then_some(&self.hiccups)
    }
}

impl Report {
    /// The run in the text format of Prometheus, version 0.0.4: for a job that ends before it could be scraped, through a
    /// push gateway or the text files of the node exporter. Needs the feature `prometheus`.
    ///
    /// [`Running::to_prometheus`](crate::Running::to_prometheus) says what is in it, and how a run is served.
    ///
    /// ```
    /// use ringtract::{final_output, source, worker};
    ///
    /// let tract = source("numbers", 1, || 0..1_000_u64).then(worker("half", 1, || |n: u64| n / 2));
    /// let text = tract.init(final_output())?.start()?.wait().to_prometheus();
    /// let line = "ringtract_requests_taken_total{stage=\"half\",worker=\"0\"} 1000\n";
    /// assert!(text.contains(line), "{text}");
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Never: a report has nothing that the format cannot say.
    pub fn to_prometheus(&self) -> String {
        let stages = self.stages.iter().zip(&self.sheets).map(|(stage, sheets)| {
            let Shares { busy, starved, blocked } = stage.shares;
            let (workers, seconds) = (stage.workers.clone(), stage.worker_time.as_secs_f64());
            let seconds = [busy, starved, blocked].map(|share| share * seconds);
            StageFigures { workers, seconds, sheets: sheets.as_ref() }
        });
        let threads = self.threads.iter().map(|thread| ThreadFigures {
            name: &thread.name,
            parks: thread.parks,
            wakes: thread.wakes,
            late_wakes: thread.late_wakes,
            hiccups: thread.hiccups,
        });
        let (plan, elapsed, lanes) = (&self.plan, self.elapsed, &self.lanes);
        let (stages, threads) = (stages.collect(), threads.collect());
        Figures { plan, elapsed, stages, lanes, threads }.expose()
    }
}

/// Upper bounds of the buckets: 100 ns to 10 s in steps of 1, 2 and 5.
fn bounds() -> impl Iterator<Item = u64> {
    let decades = (2..10).flat_map(|decade| [1, 2, 5].map(|step| step * 10_u64.pow(decade)));
    decades.chain([10_000_000_000])
}

impl Figures<'_> {
    /// The text. Families without a sample are left out.
    pub(crate) fn expose(&self) -> String {
        let mut families = vec![family(
            "ringtract_run_seconds",
            "How long the run has been going, or went on.",
            MetricType::GAUGE,
            vec![gauge(&[], self.elapsed.as_secs_f64())],
        )];
        families.extend(self.of_workers());
        families.extend(self.of_lanes());
        families.extend(self.of_threads());
        families.extend(self.distributions());
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&families).expect("every family has a name and samples")
    }

    fn of_workers(&self) -> Vec<MetricFamily> {
        type Count = (&'static str, fn(&Ledger) -> u64);
        const OUTCOMES: [Count; 4] = [
            ("emitted", |ledger| ledger.emitted),
            ("discarded", |ledger| ledger.discarded),
            ("failed", |ledger| ledger.failed),
            ("dropped", |ledger| ledger.dropped),
        ];
        let per_worker = |name, help, count: fn(&Ledger) -> u64| {
            let samples = self.workers().map(|(stage, worker, ledger)| {
                counter(&[("stage", stage), ("worker", &worker)], as_float(count(ledger)))
            });
            family(name, help, MetricType::COUNTER, samples.collect())
        };
        let outcomes = self.workers().flat_map(|(stage, worker, ledger)| {
            OUTCOMES.map(|(outcome, count)| {
                let labels = [("stage", stage), ("worker", &worker), ("outcome", outcome)];
                counter(&labels, as_float(count(ledger)))
            })
        });
        let states = self.plan.stages.iter().zip(&self.stages).flat_map(|(planned, stage)| {
            let measured = stage.seconds.iter().any(|seconds| *seconds > 0.0);
            let states = ["busy", "starved", "blocked"].into_iter().filter(move |_| measured);
            states.zip(stage.seconds).map(|(state, seconds)| {
                counter(&[("stage", &planned.path), ("state", state)], seconds)
            })
        });
        vec![
            per_worker("ringtract_requests_taken_total", "Requests taken, or made.", |l| l.taken),
            per_worker(
                "ringtract_outcomes_extra_total",
                "Outcomes of a request beyond its first: taken + extra = the sum of the outcomes.",
                |ledger| ledger.extra,
            ),
            family(
                "ringtract_outcomes_total",
                "What became of the requests taken.",
                MetricType::COUNTER,
                outcomes.collect(),
            ),
            per_worker("ringtract_panics_total", "Panics in user code.", |ledger| ledger.panics),
            per_worker("ringtract_cleanup_panics_total", "Clean-ups that panicked.", |ledger| {
                ledger.cleanup_panics
            }),
            family(
                "ringtract_worker_seconds_total",
                "How the workers of a stage spent their time, all together.",
                MetricType::COUNTER,
                states.collect(),
            ),
        ]
    }

    /// Every worker: the path of its stage, its number, its ledger.
    fn workers(&self) -> impl Iterator<Item = (&str, String, &Ledger)> {
        self.plan.stages.iter().zip(&self.stages).flat_map(|(planned, stage)| {
            let workers = stage.workers.iter().enumerate();
            workers.map(|(worker, ledger)| (planned.path.as_str(), worker.to_string(), ledger))
        })
    }

    /// The lanes between two stages together.
    fn of_lanes(&self) -> Vec<MetricFamily> {
        let sum = |lanes: &mut dyn Iterator<Item = u64>| lanes.sum();
        let most = |lanes: &mut dyn Iterator<Item = u64>| lanes.max().unwrap_or(0);
        let (rises, varies) = (MetricType::COUNTER, MetricType::GAUGE);
        vec![
            self.per_mesh("put_total", "Requests put into lanes.", rises, sum, |l| l.put),
            self.per_mesh("taken_total", "Requests taken out of lanes.", rises, sum, |l| l.taken),
            self.per_mesh("dropped_total", "Requests put and never taken.", rises, sum, |lane| {
                lane.dropped
            }),
            self.per_mesh("full_waits_total", "Times a lane was found full.", rises, sum, |lane| {
                lane.full_waits
            }),
            self.per_mesh("empty_waits_total", "Times a lane was found empty.", rises, sum, |l| {
                l.empty_waits
            }),
            self.per_mesh("requests", "Requests in lanes now.", varies, sum, |l| l.unread),
            self.per_mesh("capacity", "Requests that the lanes can hold.", varies, sum, |lane| {
                lane.capacity as u64
            }),
            self.per_mesh(
                "high_water",
                "The most requests ever found in one of the lanes.",
                varies,
                most,
                |lane| lane.high_water,
            ),
        ]
    }

    fn per_mesh(
        &self,
        name: &str,
        help: &str,
        kind: MetricType,
        gather: fn(&mut dyn Iterator<Item = u64>) -> u64,
        figure: fn(&LaneReport) -> u64,
    ) -> MetricFamily {
        let path = |stage: usize| self.plan.stages[stage].path.as_str();
        let samples = self.plan.meshes.iter().map(|&MeshPlan { from, to, .. }| {
            let between = |lane: &&LaneReport| (lane.from.stage, lane.to.stage) == (from, to);
            let value = as_float(gather(&mut self.lanes.iter().filter(between).map(figure)));
            let labels = [("from", path(from)), ("to", path(to))];
            match kind {
                MetricType::COUNTER => counter(&labels, value),
                _ => gauge(&labels, value),
            }
        });
        family(&format!("ringtract_lane_{name}"), help, kind, samples.collect())
    }

    fn of_threads(&self) -> Vec<MetricFamily> {
        let per_thread = |name, help, figure: fn(&ThreadFigures<'_>) -> Option<f64>| {
            let samples = self.threads.iter().filter_map(|thread| {
                figure(thread).map(|value| counter(&[("thread", thread.name)], value))
            });
            family(name, help, MetricType::COUNTER, samples.collect())
        };
        vec![
            per_thread("ringtract_parks_total", "Times a thread parked.", |thread| {
                Some(as_float(thread.parks))
            }),
            per_thread("ringtract_wakes_total", "Times somebody woke it from that.", |thread| {
                Some(as_float(thread.wakes))
            }),
            per_thread(
                "ringtract_late_wakes_total",
                "Times a thread found work though nobody had rung. Anything but 0 is a defect.",
                |thread| Some(as_float(thread.late_wakes)),
            ),
            per_thread(
                "ringtract_watched_seconds_total",
                "How long a thread was watched for hiccups of the machine.",
                |thread| Some(thread.watched()?.watched.as_secs_f64()),
            ),
            per_thread("ringtract_hiccups_total", "Hiccups while it was watched.", |thread| {
                Some(as_float(thread.watched()?.times.count))
            }),
            per_thread(
                "ringtract_hiccup_seconds_total",
                "What the machine took from it while it was watched.",
                |thread| Some(thread.watched()?.taken.as_secs_f64()),
            ),
        ]
    }

    fn distributions(&self) -> impl Iterator<Item = MetricFamily> {
        Aspect::ALL.into_iter().map(|aspect| {
            let help = match aspect {
                Aspect::Wait => "How long a worker waited for a request.",
                Aspect::Work => "How long a request was in the worker.",
                Aspect::Blocked => "How long a worker waited for room to put a request.",
                Aspect::Queue => "How long a request lay before the worker.",
                Aspect::Age => "From the start of a request to its leaving the worker.",
                Aspect::Tract => "From the start of a request to its end at the end of the tract.",
            };
            let samples =
                self.plan.stages.iter().zip(&self.stages).filter_map(|(stage, figures)| {
                    let sheet = figures.sheets?.of(aspect);
                    (!sheet.is_empty()).then(|| distribution(&[("stage", &stage.path)], sheet))
                });
            let name = format!("ringtract_{}_seconds", aspect.name());
            family(&name, help, MetricType::HISTOGRAM, samples.collect())
        })
    }
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

fn sample(labels: &[(&str, &str)]) -> Metric {
    let labels = labels.iter().map(|&(name, value)| {
        let mut label = LabelPair::default();
        label.set_name(name.to_owned());
        label.set_value(value.to_owned());
        label
    });
    Metric::from_label(labels.collect())
}

fn counter(labels: &[(&str, &str)], value: f64) -> Metric {
    let (mut sample, mut counter) = (sample(labels), Counter::default());
    counter.set_value(value);
    sample.set_counter(counter);
    sample
}

fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let (mut sample, mut gauge) = (sample(labels), Gauge::default());
    gauge.set_value(value);
    sample.set_gauge(gauge);
    sample
}

/// A histogram of nanoseconds over the fixed bounds, as exact as it is itself.
fn distribution(labels: &[(&str, &str)], sheet: &hdrhistogram::Histogram<u64>) -> Metric {
    let mut recorded = sheet.iter_recorded().peekable();
    let (mut below, mut nanos) = (0, 0.0);
    let mut count_up_to = |bound: u64| {
        while let Some(step) =
            recorded.next_if(|step| sheet.lowest_equivalent(step.value_iterated_to()) <= bound)
        {
            let count = step.count_at_value();
            below += count;
            nanos += as_float(sheet.median_equivalent(step.value_iterated_to())) * as_float(count);
        }
        (below, nanos)
    };
    let buckets = bounds().map(|bound| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(as_float(bound) / 1e9);
        bucket.set_cumulative_count(count_up_to(bound).0);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    let (count, nanos) = count_up_to(u64::MAX);
    histogram.set_sample_count(count);
    histogram.set_sample_sum(nanos / 1e9);
    let mut sample = sample(labels);
    sample.set_histogram(histogram);
    sample
}
