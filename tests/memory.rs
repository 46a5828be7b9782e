//! The memory of a run: brought in and locked where asked, and told. One test, since it looks at the whole process.

#![cfg(target_os = "linux")]

use std::fs;

use ringtract::{Grant, Measure, Report, Tract, final_output, source, worker};

/// Kilobytes of this process, as the kernel counts them under that name.
fn kilobytes(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A lane of 64 MiB.
fn large() -> Tract<ringtract::NoInput, [u64; 8]> {
    source("arrays", 1, || (0..10_u64).map(|n| [n; 8]))
        .then(worker("same", 1, || |array: [u64; 8]| array).capacity((64 << 20) / 80))
}

#[test]
fn memory_is_brought_in_where_asked_and_locked_where_the_system_allows_it() {
    let before = kilobytes("VmRSS");
    let report: Report =
        large().setup().init(final_output()).expect("initialises").start().expect("starts").wait();
    assert_eq!(report.memory.locked, Grant::NotAsked);
    assert!(kilobytes("VmRSS") < before + (32 << 10), "slots that nobody used were touched");

    let report = {
        let tract = large();
        let ready = tract.setup().prefault().init(final_output()).expect("initialises");
        let present = kilobytes("VmRSS");
        assert!(present > before + (60 << 10), "{before} kB before, {present} kB now");
        ready.start().expect("starts").wait()
    };
    assert_eq!(report.memory.prefaulted, Grant::Granted);
    assert_eq!(report.stages[1].ledger.taken, 10, "slots that were touched still work");
    assert!(report.to_string().contains("lanes: brought in, "), "{report}");
    let batches = large().batch(16).setup().prefault().measure(Measure::Off).run(drop);
    assert!(batches.expect("starts").is_complete(), "and those of batches and of bare values do");

    let before = kilobytes("VmRSS");
    let tract = large();
    let ready = tract.setup().lock_memory().init(final_output()).expect("initialises");
    let (locked, present) = (kilobytes("VmLck"), kilobytes("VmRSS"));
    let report = ready.start().expect("starts").wait();
    let text = report.to_string();
    match &report.memory.locked {
        Grant::Granted => {
            assert!(locked > 64 << 10, "{locked} kB are locked");
            assert!(present > before + (64 << 10), "{before} kB before, {present} kB now");
            assert!(text.contains("memory: locked"), "{text}");
        }
        Grant::Refused(reason) => {
            assert!(reason.contains("os error"), "{reason}");
            assert!(text.contains("memory: asked to be locked, REFUSED: "), "{text}");
        }
        Grant::NotAsked => panic!("{text}"),
    }
}
