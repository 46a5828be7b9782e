//! Files and pictures made of what was measured.

use std::time::Duration;

use ringtract::{
    Aspect, Measure, Placement, Report, Snapshot, Timeline, fan_out, final_output, source, worker,
};

const COUNT: u64 = 20_000;
const PACE: Duration = Duration::from_millis(2);

/// A run with every request measured, and what was seen of it while it went on.
fn measured() -> (Report, Vec<Snapshot>, Timeline) {
    let tract = source("feed", 1, || 0..COUNT)
        .then(worker("decode <1>", 1, || |n: u64| n + 1))
        .then(fan_out(
            "both",
            [worker("book", 1, || |n: u64| n), worker("archive", 2, || |n: u64| n)],
        ));
    let setup = tract.setup().placement(Placement::Threads(2)).measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let (mut snapshots, mut timeline) = (Vec::new(), Timeline::new(PACE));
    while !running.is_finished() {
        snapshots.push(running.snapshot());
        timeline.push(snapshots.last().unwrap());
        std::thread::sleep(PACE / 2);
    }
    (running.wait(), snapshots, timeline)
}

#[test]
fn percentile_text_ends_at_the_maximum_and_counts_everything() {
    let (report, ..) = measured();
    let text = report.percentile_text(1, Aspect::Work).expect("measured");
    let last = text.lines().rfind(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
    let columns: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(columns[1..], ["1.000000000000", "20000"], "{text}");
    assert!(text.contains("Total count    =        20000]"), "{text}");
    assert!(report.percentile_text(0, Aspect::Work).is_none(), "a source works on nothing");
}

#[test]
fn snapshots_and_the_rest_add_up_to_the_report() {
    let (report, snapshots, _) = measured();
    let seen: u64 =
        snapshots.iter().filter_map(|s| s.histogram(1, Aspect::Work)).map(|h| h.len()).sum();
    assert!(seen <= COUNT);
    assert_eq!(report.histogram(1, Aspect::Work).unwrap().len(), COUNT);
    let intervals: Duration = snapshots.iter().map(|s| s.interval).sum();
    assert_eq!(intervals, snapshots.last().unwrap().elapsed, "intervals follow without gaps");
}

#[test]
fn a_timeline_has_what_its_snapshots_have() {
    let (_, snapshots, timeline) = measured();
    let intervals = timeline.intervals();
    assert!(intervals.len() <= snapshots.len());
    for aspect in Aspect::ALL {
        for stage in 0..5 {
            let shown = snapshots.iter().filter_map(|s| s.histogram(stage, aspect));
            let shown: u64 = shown.map(hdrhistogram::Histogram::len).sum();
            let kept = intervals.iter().filter_map(|i| i.histogram(stage, aspect));
            assert_eq!(kept.map(|histogram| histogram.len()).sum::<u64>(), shown);
        }
    }
    let whole: Duration = intervals.iter().map(|interval| interval.length).sum();
    assert_eq!(whole, snapshots.last().unwrap().elapsed);
    let watched: Duration = snapshots.iter().map(|snapshot| snapshot.hiccups.watched).sum();
    assert_eq!(intervals.iter().map(|interval| interval.watched).sum::<Duration>(), watched);
    let longest = snapshots.iter().map(|snapshot| snapshot.hiccups.times.max).max();
    assert_eq!(intervals.iter().map(|interval| interval.longest_hiccup).max(), longest);
}

#[cfg(feature = "hlog")]
#[test]
fn an_interval_log_is_read_back_by_the_crates_own_reader() {
    use std::collections::BTreeMap;
    use std::time::{SystemTime, UNIX_EPOCH};

    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    let (report, _, timeline) = measured();
    let started = SystemTime::now();
    let log = report.to_hlog(started, &timeline);
    let mut whole: BTreeMap<String, hdrhistogram::Histogram<u64>> = BTreeMap::new();
    let mut spans: BTreeMap<String, Vec<(Duration, Duration)>> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        match entry.expect("a valid log") {
            LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                let lag = started.duration_since(UNIX_EPOCH).unwrap().abs_diff(time);
                assert!(lag <= Duration::from_millis(1), "the log has milliseconds: {lag:?}");
            }
            LogEntry::Interval(interval) => {
                let base64 = &base64::engine::general_purpose::STANDARD;
                let bytes = base64::Engine::decode(base64, interval.encoded_histogram());
                let bytes = bytes.expect("base64");
                let histogram: hdrhistogram::Histogram<u64> =
                    deserializer.deserialize(&mut bytes.as_slice()).expect("a histogram");
                // Beside it stands the longest, in milliseconds.
                assert!((interval.max() - histogram.max() as f64 / 1e6).abs() < 0.001);
                let tag = interval.tag().expect("every interval is tagged").as_str().to_owned();
                let span = (interval.start_timestamp(), interval.duration());
                spans.entry(tag.clone()).or_default().push(span);
                match whole.get_mut(&tag) {
                    Some(all) => all.add(&histogram).expect("the same bounds"),
                    None => drop(whole.insert(tag, histogram)),
                }
            }
        }
    }
    let mut tags = 0;
    for (at, stage) in report.stages.iter().enumerate() {
        for aspect in Aspect::ALL {
            let tag = format!("{}:{}", stage.path.replace(' ', "_"), aspect.name());
            let reported = report.histogram(at, aspect);
            assert_eq!(whole.get(&tag), reported, "{tag}");
            tags += usize::from(reported.is_some());
        }
    }
    assert_eq!((whole.len(), whole["decode_<1>:work"].len()), (tags, COUNT));
    assert!(!whole.contains_key("decode_<1>:tract"));
    let (rounding, end) = (Duration::from_millis(1), report.elapsed);
    for (tag, spans) in spans {
        for pair in spans.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0 + 2 * rounding, "{tag} overlaps: {pair:?}");
        }
        let last = spans.last().expect("each has one");
        assert!(
            last.0 + last.1 <= end + 2 * rounding,
            "{tag} ends at {last:?}, the run at {end:?}"
        );
    }
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    let (report, _, timeline) = measured();
    let page = report.to_html(&timeline);
    let titles = ["Topology", "Age", "Work", "Over time", "Slowest requests", "Ledger", "Times"];
    for title in titles {
        assert!(page.contains(&format!("<h2>{title}</h2>")), "{title} is missing");
    }
    assert!(page.contains("decode &lt;1&gt;") && !page.contains("decode <1>"));
    for foreign in ["http:", "https:", "<script", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign} in the page");
    }
    for tag in ["svg", "figure", "table", "style", "div"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        assert_eq!(page.matches(&open).count(), page.matches(&close).count(), "{tag}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn a_page_without_measurements_tells_the_ledger_all_the_same() {
    let tract = source("feed", 1, || 0..10_u64).then(worker("w", 1, || |n: u64| n));
    let setup = tract.setup().measure(Measure::Off);
    let report = setup.init(final_output()).unwrap().start().unwrap().wait();
    let page = report.to_html(&Timeline::new(PACE));
    assert!(page.contains("<h2>Ledger</h2>") && !page.contains("<h2>Age</h2>"));
    assert!(page.contains("no verdict: nothing was measured"));
}
