//! What the main thread does with what comes out: it shows progress, and keeps the last signal of each product.

use crate::event::Product;
use crate::signal::Signal;
use crate::workers::Insight;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const LOOK_EVERY: u64 = 256;
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// The sink of the tract. Progress goes to the terminal in place, and nowhere if there is none.
pub(crate) struct Progress {
    pub(crate) last: BTreeMap<Product, Signal>,
    messages: u64,
    signals: u64,
    begin: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Progress {
            last: BTreeMap::new(),
            messages: 0,
            signals: 0,
            begin: now,
            shown: now,
            terminal,
        }
    }

    pub(crate) fn sink(&mut self, insight: Insight) {
        match insight {
            Insight::Signal(signal) => {
                self.signals += 1;
                self.last.insert(signal.product, signal);
            }
            Insight::Message => self.messages += 1,
        }
        if self.terminal && (self.messages + self.signals).is_multiple_of(LOOK_EVERY) {
            self.show_now_and_then();
        }
    }

    fn show_now_and_then(&mut self) {
        if self.shown.elapsed() < SHOW_EVERY {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.begin.elapsed().as_secs_f64();
        let rate = self.messages as f64 / seconds;
        eprint!(
            "\r{seconds:6.1} s  {} messages ({rate:.0}/s)  {} signals ",
            self.messages, self.signals
        );
        // Progress that cannot be shown is no reason to stop.
        let _ = std::io::stderr().flush();
    }

    /// Clears the line.
    pub(crate) fn done(&self) {
        if self.terminal {
            eprint!("\r{:60}\r", "");
        }
    }
}
