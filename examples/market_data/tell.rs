//! What the user gets to read at the end.

use crate::event::Product;
use crate::signal::Signal;
use crate::workers::Facts;
use ringtract::{FailureKind, Report};
use std::collections::BTreeMap;
use std::fmt;

/// All that is known after a replay: how it ran, then what the feed was like.
pub(crate) struct Summary {
    report: Report,
    facts: Facts,
    last: BTreeMap<Product, Signal>,
}

impl Summary {
    pub(crate) fn new(mut report: Report, facts: Facts, last: BTreeMap<Product, Signal>) -> Self {
        // The facts tell refused lines better; what remains here is a defect.
        report.failures.retain(|failure| failure.kind != FailureKind::Failed);
        Summary { report, facts, last }
    }

    /// Why the replay cannot be relied upon, if it cannot.
    pub(crate) fn flaw(&self) -> Option<String> {
        let whole = self.report.is_complete() && self.report.failures.is_empty();
        let defect = || (!whole).then(|| "the replay is not whole, see its report".to_owned());
        self.facts.broken_off.clone().or_else(defect)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { frames, crossed, refused, signals, statistics, .. } = &self.facts;
        writeln!(f, "{}\n{statistics}\n", self.report)?;
        if !self.last.is_empty() {
            writeln!(f, "{}", LastSignals(&self.last))?;
        }
        if refused.count() > 0 {
            writeln!(f, "lines refused\n{refused}")?;
        }
        let count = refused.count();
        writeln!(f, "{frames} messages, {count} lines refused, {crossed} crossed books")?;
        match signals {
            Some(signals) => writeln!(f, "{signals}"),
            None => Ok(()),
        }
    }
}

/// A table of the last signal of each product.
struct LastSignals<'a>(&'a BTreeMap<Product, Signal>);

impl fmt::Display for LastSignals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [last, mid, spread, imbalance] = ["last signal", "mid", "spread", "imbalance"];
        writeln!(f, "{last:<15} {:>10} {mid:>20} {spread:>20} {imbalance:>10}", "line")?;
        for Signal { line, product, mid, spread, imbalance, .. } in self.0.values() {
            let [mid, spread] = [mid, spread].map(|price| format!("{price:.8}"));
            writeln!(f, "{product:<15} {line:>10} {mid:>20} {spread:>20} {imbalance:>+10.3}")?;
        }
        Ok(())
    }
}
