//! What the main thread does with what comes out: it shows progress, and keeps the last signal of each product.

use crate::event::Product;
use crate::signal::Signal;
use crate::workers::Insight;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const SHOW_EVERY: Duration = Duration::from_millis(200);

/// From where the cursor is to the end of the line.
const CLEAR: &str = "\x1b[K";

/// The sink of the tract. Progress goes to the terminal in place, and nowhere if there is none.
pub(crate) struct Progress {
    last: BTreeMap<Product, Signal>,
    messages: u64,
    signals: u64,
    begin: Instant,
    /// When to show it next, if at all.
    next: Option<Instant>,
}

impl Progress {
    /// Shown, if it is wanted and there is a terminal.
    pub(crate) fn new(wanted: bool) -> Progress {
        let begin = Instant::now();
        let next = (wanted && stderr().is_terminal()).then(|| begin + SHOW_EVERY);
        Progress { last: BTreeMap::new(), messages: 0, signals: 0, begin, next }
    }

    pub(crate) fn sink(&mut self, insight: Insight) {
        match insight {
            Insight::Signal(signal) => {
                self.signals += 1;
                self.last.insert(signal.product, signal);
            }
            Insight::Message => self.messages += 1,
        }
        if let Some(next) = self.next {
            self.show_from(next);
        }
    }

    fn show_from(&mut self, next: Instant) {
        let now = Instant::now();
        if now < next {
            return;
        }
        self.next = Some(now + SHOW_EVERY);
        let Progress { messages, signals, .. } = self;
        let seconds = (now - self.begin).as_secs_f64();
        let rate = *messages as f64 / seconds;
        print(&format!("{seconds:6.1} s  {messages} messages ({rate:.0}/s)  {signals} signals "));
    }

    /// Makes room for the report.
    pub(crate) fn done(self) -> BTreeMap<Product, Signal> {
        if self.next.is_some() {
            print("");
        }
        self.last
    }
}

/// Prints over what was there.
fn print(text: &str) {
    let mut terminal = stderr().lock();
    // Progress that cannot be shown is no reason to stop.
    let _ = write!(terminal, "\r{text}{CLEAR}").and_then(|()| terminal.flush());
}
