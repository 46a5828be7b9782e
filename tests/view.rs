//! A snapshot as text: a table that fits and keeps still.

use std::time::Duration;

use ringtract::{Measure, Placement, Snapshot, fan_out, final_output, source, worker};

/// Snapshots of a run that is under way, with stages that have something to show.
fn snapshots(count: usize) -> Vec<Snapshot> {
    let tract =
        source("feed", 1, || 0_u64..).then(worker("decode", 1, || |n: u64| n + 1)).then(fan_out(
            "consumers",
            [
                worker("books", 1, || |n: u64| n),
                worker("a stage with a name as long as a line", 2, || |n: u64| n),
            ],
        ));
    let setup = tract.setup().placement(Placement::Threads(1)).measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let mut snapshots = Vec::new();
    while snapshots.len() < count {
        // Rates of an interval of next to nothing are out of all bounds.
        std::thread::sleep(Duration::from_millis(5));
        let snapshot = running.snapshot();
        if snapshot.stages.iter().all(|stage| stage.times.work.count > 0 || stage.path == "feed") {
            snapshots.push(snapshot);
        }
    }
    running.stop();
    running.wait();
    snapshots
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().expect("a line")
}

#[test]
fn it_is_as_wide_as_it_may_be_and_what_matters_stays() {
    let snapshot = snapshots(1).remove(0);
    let whole = snapshot.to_string();
    for limit in 1..=widest(&whole) + 1 {
        let text = format!("{snapshot:.limit$}");
        assert!(widest(&text) <= limit, "{limit}:\n{text}");
        // A header, four stages, the verdict, and the slowest request if there was one.
        let lines = 6 + usize::from(!snapshot.slowest.is_empty());
        assert_eq!(text.lines().count(), lines, "{text}");
    }
    assert_eq!(format!("{snapshot:.500}"), whole);
    let header = |limit: usize| format!("{snapshot:.limit$}").lines().next().unwrap().to_owned();
    for column in ["stage", "per s", "busy", "age p50", "age p99"] {
        assert!(header(100).contains(column), "{column} is not in {}", header(100));
    }
    assert!(header(75).contains("age p99") && !header(75).contains("work p99.9"));
    assert!(header(20).starts_with("stage"));
}

#[test]
fn columns_stay_where_they_are() {
    let texts: Vec<String> = snapshots(20).iter().map(ToString::to_string).collect();
    let first = texts[0].lines().next();
    assert!(texts.iter().all(|text| text.lines().next() == first), "{texts:#?}");
}
