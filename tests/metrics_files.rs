//! Files and pictures made of what was measured.

use ringtract::{
    Aspect, Measure, Placement, Report, Snapshot, fan_out, final_output, source, worker,
};

const COUNT: u64 = 20_000;

/// A run with every request measured, and snapshots of it.
fn measured() -> (Report, Vec<Snapshot>) {
    let tract = source("feed", 1, || 0..COUNT)
        .then(worker("decode <1>", 1, || |n: u64| n + 1))
        .then(fan_out(
            "both",
            [worker("book", 1, || |n: u64| n), worker("archive", 2, || |n: u64| n)],
        ));
    let setup = tract.setup().placement(Placement::Threads(2)).measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let mut snapshots = Vec::new();
    while !running.is_finished() {
        snapshots.push(running.snapshot());
        std::thread::yield_now();
    }
    (running.wait(), snapshots)
}

#[test]
fn percentile_text_ends_at_the_maximum_and_counts_everything() {
    let (report, _) = measured();
    let text = report.percentile_text(1, Aspect::Work).expect("measured");
    let last = text.lines().rfind(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
    let columns: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(columns[1..], ["1.000000000000", "20000"], "{text}");
    assert!(text.contains("Total count    =        20000]"), "{text}");
    assert!(report.percentile_text(0, Aspect::Work).is_none(), "a source works on nothing");
}

#[test]
fn snapshots_and_the_rest_add_up_to_the_report() {
    let (report, snapshots) = measured();
    let seen: u64 =
        snapshots.iter().filter_map(|s| s.histogram(1, Aspect::Work)).map(|h| h.len()).sum();
    assert!(seen <= COUNT);
    assert_eq!(report.histogram(1, Aspect::Work).unwrap().len(), COUNT);
    let intervals: std::time::Duration = snapshots.iter().map(|s| s.interval).sum();
    assert_eq!(intervals, snapshots.last().unwrap().elapsed, "intervals follow without gaps");
}

#[cfg(feature = "hlog")]
#[test]
fn an_interval_log_is_read_back_by_the_crates_own_reader() {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    let (report, snapshots) = measured();
    let log = report.to_hlog(SystemTime::now(), &snapshots);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.expect("a valid log") {
            let bytes = base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                interval.encoded_histogram(),
            );
            let bytes = bytes.expect("base64");
            let histogram: hdrhistogram::Histogram<u64> =
                deserializer.deserialize(&mut bytes.as_slice()).expect("a histogram");
            let tag = interval.tag().expect("every interval is tagged").as_str();
            *counts.entry(tag.to_owned()).or_default() += histogram.len();
        }
    }
    assert_eq!(counts["decode_<1>:work"], COUNT);
    assert_eq!(counts["both/book:tract"], COUNT);
    assert_eq!(counts["both/archive:tract"], COUNT);
    assert!(!counts.contains_key("decode_<1>:tract"));
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    let (report, snapshots) = measured();
    let page = report.to_html(&snapshots);
    for part in ["<h2>Topology</h2>", "<h2>Age</h2>", "<h2>Work</h2>", "<h2>Ledger</h2>"] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.contains("decode &lt;1&gt;") && !page.contains("decode <1>"));
    for foreign in ["http:", "https:", "<script", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign} in the page");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn a_page_without_measurements_tells_the_ledger_all_the_same() {
    let tract = source("feed", 1, || 0..10_u64).then(worker("w", 1, || |n: u64| n));
    let setup = tract.setup().measure(Measure::Off);
    let report = setup.init(final_output()).unwrap().start().unwrap().wait();
    let page = report.to_html(&[]);
    assert!(page.contains("<h2>Ledger</h2>") && !page.contains("<h2>Age</h2>"));
    assert!(page.contains("no verdict: nothing was measured"));
}
