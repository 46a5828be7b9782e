//! A run that is watched: a thread beside takes snapshots, shows them, and puts them on a timeline for the files.

use crate::cli::{self, Options};
use crate::why;
use crate::workers::Insight;
use ringtract::{BoxError, NoInput, Report, Setup, Snapshot, Timeline, Viewer, receiver};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

/// How long the first intervals of the timeline are. A recording at full speed is over in 50 ms.
const FIRST_PACE: Duration = Duration::from_millis(1);

/// Runs the tract, watched, and writes the files that were asked for.
pub(crate) fn run(
    setup: &Setup<'_, NoInput, Insight>,
    options: &Options,
    mut sink: impl FnMut(Insight),
) -> Result<Report, BoxError> {
    if matches!(options.placement, cli::Placement::Inline { .. }) {
        // Nobody can look on while everything is on this thread.
        let started = SystemTime::now();
        let report = setup.run(sink).map_err(why)?;
        write_files(options, &report, started, &Timeline::new(FIRST_PACE))?;
        return Ok(report);
    }
    let (output, insights) = receiver();
    let started = SystemTime::now();
    let running = setup.init(output).map_err(why)?.start().map_err(why)?;
    let viewer = running.viewer();
    let (done, until_done) = channel();
    let show = options.watch;
    let timeline = std::thread::scope(|scope| {
        let watching = scope.spawn(move || watch(&viewer, show, &until_done));
        for insight in insights {
            sink(insight.into_value());
        }
        drop(done);
        watching.join().map_err(|_| "the watching thread panicked")
    })?;
    let report = running.wait();
    write_files(options, &report, started, &timeline)?;
    Ok(report)
}

/// Takes snapshots until the other end of `until_done` is gone.
fn watch(viewer: &Viewer, show: bool, until_done: &Receiver<()>) -> Timeline {
    let in_place = stderr().is_terminal();
    let shown_every = show.then(|| Duration::from_millis(if in_place { 250 } else { 1_000 }));
    let (mut timeline, mut lines) = (Timeline::new(shown_every.unwrap_or(FIRST_PACE)), 0);
    while until_done.recv_timeout(shown_every.unwrap_or(timeline.pace()))
        == Err(RecvTimeoutError::Timeout)
    {
        let Some(snapshot) = viewer.snapshot() else { break };
        if show {
            let text = if in_place { fitted(&snapshot) } else { one_line(&snapshot) };
            let frame = if in_place { over(lines, &text) } else { format!("{text}\n") };
            lines = text.lines().count();
            // What cannot be shown is no reason to stop.
            let _ = stderr().lock().write_all(frame.as_bytes());
        }
        timeline.push(&snapshot);
    }
    timeline
}

/// A text over one of so many lines, all at once. Each line clears what it does not cover, so that nothing flickers.
fn over(lines: usize, text: &str) -> String {
    let back = if lines == 0 { String::new() } else { format!("\x1b[{lines}A") };
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("{back}{lines}\x1b[J")
}

/// As wide as the terminal: a line that wraps would be two.
fn fitted(snapshot: &Snapshot) -> String {
    match terminal_size::terminal_size_of(stderr()) {
        Some((terminal_size::Width(width), _)) => format!("{snapshot:.*}", usize::from(width)),
        None => snapshot.to_string(),
    }
}

fn one_line(snapshot: &Snapshot) -> String {
    let stages = snapshot.stages.iter().filter(|stage| stage.ledger.taken > 0);
    let stages = stages.map(|stage| {
        let age = stage.times.age;
        let tail = Duration::from_nanos(age.p99);
        let tail = if age.count > 0 { format!(" p99 {tail:.1?}") } else { String::new() };
        format!("{} {:.0}/s{tail}", stage.path, stage.rate)
    });
    let stages = stages.collect::<Vec<_>>().join(", ");
    format!("{:.1} s: {stages}; {}", snapshot.elapsed.as_secs_f64(), snapshot.verdict)
}

fn write_files(
    options: &Options,
    report: &Report,
    started: SystemTime,
    timeline: &Timeline,
) -> Result<(), BoxError> {
    let cli::Files { report: page, hlog, json } = &options.files;
    if let Some(path) = page {
        write_file(path, &report.to_html(timeline))?;
    }
    #[cfg(feature = "hlog")]
    if let Some(path) = hlog {
        write_file(path, &report.to_hlog(started, timeline))?;
    }
    #[cfg(feature = "json")]
    if let Some(path) = json {
        write_file(path, &report.to_json())?;
    }
    // Without the features the options are refused.
    let _ = (started, hlog, json);
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), BoxError> {
    std::fs::write(path, text)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
