//! The text for Prometheus, read back line by line and compared with the report.
#![cfg(feature = "prometheus")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use std::time::Duration;

use ringtract::{
    Aspect, Envelope, Idle, Measure, Outcome, Pace, Placement, Report, fan_out, final_output,
    outcome, paced, source, worker,
};

/// Samples by name and labels, after every line was held against the rules of the format.
struct Parsed {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Parsed {
    fn of(text: &str) -> Self {
        let mut parsed = Self { kinds: BTreeMap::new(), samples: BTreeMap::new() };
        assert!(text.ends_with('\n'));
        let mut helped = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                helped = rest.split_once(' ').expect("a name and a text").0.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert_eq!(name, helped, "every family says what it is");
                assert!(parsed.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name}");
            } else {
                let (key, value) = line.rsplit_once(' ').expect("a sample and a value");
                let name = key.split('{').next().expect("a name");
                let family = parsed.family(name);
                assert_eq!(family, helped, "samples of a family stand together");
                let value = value.parse().expect("a number");
                assert!(parsed.samples.insert(key.to_owned(), value).is_none(), "twice: {key}");
            }
        }
        parsed
    }

    /// The family of a sample, which for histograms has a suffix less.
    fn family(&self, name: &str) -> String {
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_histogram = |name: &&str| self.kinds.get(*name).is_some_and(|k| k == "histogram");
        plain.filter(is_histogram).unwrap_or(name).to_owned()
    }

    fn get(&self, key: &str) -> f64 {
        *self.samples.get(key).unwrap_or_else(|| panic!("no {key} in {:#?}", self.samples))
    }

    fn sum(&self, start: &str) -> f64 {
        self.samples.iter().filter(|(key, _)| key.starts_with(start)).map(|(_, value)| value).sum()
    }
}

fn even_only() -> impl ringtract::Worker<u64, Out = u64> {
    outcome(|n: u64, _: &mut Envelope| match n % 2 {
        0 => Outcome::Emit(n),
        _ => Outcome::Discard,
    })
}

fn tract(
    numbers: impl Iterator<Item = u64> + Clone + Send + 'static,
) -> ringtract::Tract<ringtract::NoInput, u64> {
    source("feed", 1, move || numbers.clone())
        .then(worker("odd \"name\" \\ with\nall", 1, even_only))
        .then(fan_out(
            "both",
            [worker("book", 1, || |n: u64| n), worker("archive", 3, || |n: u64| n)],
        ))
}

fn report() -> Report {
    let tract = tract(0..20_000);
    let setup = tract.setup().placement(Placement::Threads(2)).measure(Measure::ALL);
    setup.init(final_output()).unwrap().start().unwrap().wait()
}

/// A path as a label says it.
fn label(path: &str) -> String {
    path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn float(count: u64) -> f64 {
    count as f64
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let parsed = Parsed::of(&report().to_prometheus());
    for (name, kind) in &parsed.kinds {
        let plain = |char: char| char.is_ascii_lowercase() || char == '_';
        assert!(name.starts_with("ringtract_") && name.chars().all(plain), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{name} has no unit");
    }
    let kinds: Vec<&str> = parsed.kinds.values().map(String::as_str).collect();
    for (kind, count) in [("counter", 17), ("gauge", 4), ("histogram", 6)] {
        let found = kinds.iter().filter(|known| **known == kind).count();
        // Where no thread was ever watched, three counters are not there.
        assert!(found == count || kind == "counter" && found + 3 == count, "{found} {kind}s");
    }
}

#[test]
fn counts_are_those_of_the_report() {
    let report = report();
    let parsed = Parsed::of(&report.to_prometheus());
    for stage in &report.stages {
        let path = label(&stage.path);
        for (worker, ledger) in stage.workers.iter().enumerate() {
            let labels = format!("stage=\"{path}\",worker=\"{worker}\"");
            let get = |name: &str| parsed.get(&format!("ringtract_{name}{{{labels}}}"));
            assert_eq!(get("requests_taken_total"), float(ledger.taken));
            assert_eq!(get("outcomes_extra_total"), float(ledger.extra));
            assert_eq!(get("panics_total"), float(ledger.panics));
            for (outcome, count) in [
                ("emitted", ledger.emitted),
                ("discarded", ledger.discarded),
                ("failed", ledger.failed),
                ("dropped", ledger.dropped),
            ] {
                let key = format!("ringtract_outcomes_total{{{labels},outcome=\"{outcome}\"}}");
                assert_eq!(parsed.get(&key), float(count), "{key}");
            }
        }
        let states = format!("ringtract_worker_seconds_total{{stage=\"{path}\"");
        let seconds = stage.worker_time.as_secs_f64();
        assert!((parsed.sum(&states) - seconds).abs() < 1e-9 && seconds > 0.0, "{states}");
    }
    // 1 feed, 1 sieve, 1 book, 3 archives.
    let workers = parsed.samples.keys().filter(|key| key.starts_with("ringtract_requests_taken"));
    assert_eq!(workers.count(), 6);
    assert_eq!(parsed.sum("ringtract_outcomes_total{stage=\"both/archive\""), 10_000.0);
    assert_eq!(parsed.get("ringtract_run_seconds"), report.elapsed.as_secs_f64());
}

#[test]
fn threads_are_those_of_the_report_with_what_the_machine_took() {
    // Paced, so that threads wait, and spinning, so that they are watched as they do.
    let numbers = || paced(0..300_u64, Pace::even(2_000, Duration::from_secs(1)));
    let tract = source("feed", 1, numbers).then(worker("half", 1, || |n: u64| n / 2));
    let setup = tract.setup().placement(Placement::Threads(2)).measure(Measure::ALL);
    let report = setup.idle(Idle::Spin).init(final_output()).unwrap().start().unwrap().wait();
    let parsed = Parsed::of(&report.to_prometheus());
    for thread in &report.threads {
        let get =
            |name: &str| parsed.get(&format!("ringtract_{name}{{thread=\"{}\"}}", thread.name));
        assert_eq!(get("parks_total"), float(thread.parks));
        assert_eq!(get("wakes_total"), float(thread.wakes));
        assert_eq!(get("late_wakes_total"), 0.0);
        let key = format!("ringtract_watched_seconds_total{{thread=\"{}\"}}", thread.name);
        let watched = parsed.samples.get(&key).copied();
        assert_eq!(watched.unwrap_or(0.0), thread.hiccups.watched.as_secs_f64());
        if watched.is_some() {
            assert_eq!(get("hiccups_total"), float(thread.hiccups.times.count));
            assert_eq!(get("hiccup_seconds_total"), thread.hiccups.taken.as_secs_f64());
        }
    }
}

#[test]
fn lanes_of_a_mesh_are_added_up() {
    let report = report();
    let parsed = Parsed::of(&report.to_prometheus());
    assert_eq!(report.plan.meshes.len(), 3);
    for mesh in &report.plan.meshes {
        let path = |stage: usize| label(&report.plan.stages[stage].path);
        let labels = format!("from=\"{}\",to=\"{}\"", path(mesh.from), path(mesh.to));
        let get = |name: &str| parsed.get(&format!("ringtract_lane_{name}{{{labels}}}"));
        let lanes = report.lanes.iter();
        let lanes: Vec<_> =
            lanes.filter(|l| (l.from.stage, l.to.stage) == (mesh.from, mesh.to)).collect();
        assert_eq!(lanes.len(), mesh.lanes);
        assert_eq!(get("put_total"), float(lanes.iter().map(|lane| lane.put).sum()));
        assert_eq!(get("taken_total"), float(lanes.iter().map(|lane| lane.taken).sum()));
        assert_eq!(get("full_waits_total"), float(lanes.iter().map(|lane| lane.full_waits).sum()));
        assert_eq!(get("capacity"), float(lanes.iter().map(|lane| lane.capacity as u64).sum()));
        assert_eq!(get("high_water"), float(lanes.iter().map(|l| l.high_water).max().unwrap()));
        assert_eq!((get("requests"), get("dropped_total")), (0.0, 0.0));
    }
}

#[test]
fn histograms_are_those_of_the_report_in_seconds() {
    let report = report();
    let parsed = Parsed::of(&report.to_prometheus());
    let mut compared = 0;
    for (at, stage) in report.stages.iter().enumerate() {
        for aspect in Aspect::ALL {
            let Some(histogram) = report.histogram(at, aspect) else { continue };
            let name = format!("ringtract_{}_seconds", aspect.name());
            let labels = format!("stage=\"{}\"", label(&stage.path));
            let get = |end: &str| parsed.get(&format!("{name}_{end}{{{labels}}}"));
            assert_eq!(get("count"), float(histogram.len()));
            let sum = histogram.mean() * float(histogram.len()) / 1e9;
            assert!((get("sum") - sum).abs() <= 1e-9 * sum, "{} and {sum}", get("sum"));
            let start = format!("{name}_bucket{{{labels},le=\"");
            let mut buckets: Vec<(f64, f64)> = parsed
                .samples
                .iter()
                .filter_map(|(key, count)| {
                    let bound = key.strip_prefix(&start)?.trim_end_matches("\"}");
                    Some((bound.parse().expect("a bound"), *count))
                })
                .collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert_eq!(buckets.len(), 26, "25 bounds and infinity");
            for (bound, count) in buckets {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole"
                )]
                let nanos = (bound * 1e9).round() as u64;
                assert_eq!(count, float(histogram.count_between(0, nanos)), "{start}{bound}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 26 * 10, "three workers with wait, work and age, and two ends");
}

#[test]
fn scrapes_rise_and_take_nothing_from_snapshots() {
    static ON: AtomicBool = AtomicBool::new(true);
    let tract = tract((0..).take_while(|_| ON.load(SeqCst)));
    let setup = tract.setup().placement(Placement::Threads(1)).measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let viewer = running.viewer();
    let (mut before, mut scrapes, mut shown) = (BTreeMap::new(), 0, 0);
    let mut watched = Duration::ZERO;
    let work = "ringtract_work_seconds_count{stage=\"both/book\"}";
    while scrapes < 20 || before.get(work).is_none_or(|count| *count < 1_000.0) {
        let parsed = Parsed::of(&viewer.to_prometheus().expect("it runs"));
        for (key, value) in &parsed.samples {
            let gauge = parsed.kinds[&parsed.family(key.split('{').next().unwrap())] == "gauge";
            let least = before.get(key).copied().unwrap_or(0.0);
            assert!(gauge || *value >= least, "{key} fell from {least} to {value}");
        }
        before = parsed.samples;
        scrapes += 1;
        if scrapes % 3 == 0 {
            let snapshot = running.snapshot();
            shown += snapshot.histogram(2, Aspect::Work).map_or(0, |work| work.len());
            watched += snapshot.hiccups.watched;
        }
    }
    let scraped = Parsed::of(&running.to_prometheus()).sum("ringtract_watched_seconds_total");
    let snapshot = running.snapshot();
    let last = snapshot.histogram(2, Aspect::Work).map_or(0, |work| work.len());
    watched += snapshot.hiccups.watched;
    assert!(watched.as_secs_f64() >= scraped - 1e-6, "{watched:?} shown, {scraped} s scraped");
    assert!(shown + last >= 1_000, "what was scraped is in the next snapshot all the same");
    ON.store(false, SeqCst);
    let report = running.wait();
    assert!(viewer.to_prometheus().is_none());
    assert!(report.histogram(2, Aspect::Work).unwrap().len() >= shown + last);
    let parsed = Parsed::of(&report.to_prometheus());
    assert_eq!(parsed.get(work), float(report.histogram(2, Aspect::Work).unwrap().len()));
}

#[test]
fn where_nothing_is_measured_there_are_only_counts() {
    let tract = tract(0..10);
    let setup = tract.setup().measure(Measure::Off);
    let report = setup.init(final_output()).unwrap().start().unwrap().wait();
    let parsed = Parsed::of(&report.to_prometheus());
    assert!(parsed.kinds.values().all(|kind| kind != "histogram"));
    assert!(!parsed.kinds.contains_key("ringtract_worker_seconds_total"));
    assert_eq!(parsed.get("ringtract_requests_taken_total{stage=\"feed\",worker=\"0\"}"), 10.0);
}
