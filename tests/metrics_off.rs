//! Where nobody wants to know, no clock is read. A process of its own, since one reading by anybody would show.

use ringtract::{Measure, clock_was_read, collect, final_output, source, worker};

#[test]
fn s50_without_a_handler_and_without_histograms_no_clock_is_read() {
    let tract = source("numbers", 1, || 0..10_000_u64).then(worker("w", 2, || |n: u64| n + 1));
    let (output, collected) = collect();
    tract.setup().measure(Measure::Off).init(output).unwrap().start().unwrap().wait();
    assert_eq!(collected.take().len(), 10_000);
    assert!(!clock_was_read());

    // The claim can fail: one measured request reads it.
    tract.setup().init(final_output()).unwrap().start().unwrap().wait();
    assert!(clock_was_read());
}
