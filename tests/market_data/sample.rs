//! A small recording of an exchange that never was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The two products that are traded there.
pub const ZIG: &str = "ZIG-USD";
pub const ZAG: &str = "ZAG-EUR";

/// Between two stamps.
const STEP: Duration = Duration::from_millis(5);
const ROUNDS: usize = 40;

/// The lines of the recording. Some are blank, to be replaced by something else without moving the others.
pub struct Sample {
    pub lines: Vec<Vec<u8>>,
    /// The numbers of the blank lines.
    pub blank: Vec<usize>,
    /// From the first stamp to the last.
    pub span: Duration,
}

impl Sample {
    pub fn new() -> Self {
        let nothing = Sample { lines: Vec::new(), blank: Vec::new(), span: Duration::ZERO };
        let mut sample = nothing.opening();
        for round in 0..ROUNDS {
            sample.lines.push(Vec::new());
            sample.blank.push(sample.lines.len());
            sample = sample.round(round);
        }
        sample
    }

    fn opening(mut self) -> Self {
        self.lines.push(b"wss://nowhere.example <-> 1000.000000".to_vec());
        self.push(r#"{"type":"subscriptions","channels":[]}"#);
        for product in [ZIG, ZAG] {
            self.push(&snapshot(product));
        }
        self
    }

    /// The best bid of one product moves up or down, and every few rounds somebody trades.
    fn round(mut self, round: usize) -> Self {
        let product = [ZIG, ZAG][round % 2];
        let (bid, size) = (50 + round % 7, if round.is_multiple_of(3) { 0 } else { round });
        self.push(&format!(
            r#"{{"type":"l2update","product_id":"{product}","changes":[["buy","9.{bid}","{size}"],["sell","10.{bid}","0.{bid}"]]}}"#
        ));
        if round.is_multiple_of(5) {
            self.push(&format!(
                r#"{{"type":"match","product_id":"{product}","side":"buy","price":"9.5","size":"0.{bid}"}}"#
            ));
            self.push(&format!(
                r#"{{"type":"ticker","product_id":"{product}","best_bid":"9.5","best_ask":"10.50"}}"#
            ));
        }
        self
    }

    fn push(&mut self, json: &str) {
        // Counted from the stamp of the first.
        self.span = if self.lines.len() == 1 { Duration::ZERO } else { self.span + STEP };
        let stamp = Duration::from_secs(1000) + self.span;
        self.lines.push(format!("{:.6}: {json}", stamp.as_secs_f64()).into_bytes());
    }

    /// The number of the line that holds the snapshot of a product.
    pub fn snapshot_of(&self, product: &str) -> usize {
        let json = snapshot(product).into_bytes();
        self.lines.iter().position(|line| line.ends_with(&json)).expect("there is one") + 1
    }

    /// The same with another line at this number.
    pub fn with(mut self, number: usize, line: impl Into<Vec<u8>>) -> Self {
        self.lines[number - 1] = line.into();
        self
    }

    pub fn save(&self) -> Saved {
        self.save_with_ends("\n")
    }

    pub fn save_with_ends(&self, end: &str) -> Saved {
        let lines = self.lines.iter().flat_map(|line| [line, end.as_bytes()].concat());
        Saved::new(&lines.collect::<Vec<u8>>())
    }
}

fn snapshot(product: &str) -> String {
    format!(
        r#"{{"type":"snapshot","product_id":"{product}","asks":[["10.60","2"],["11","4"]],"bids":[["9.4","1"],["9","8"]]}}"#
    )
}

/// A file that goes with its owner.
pub struct Saved(PathBuf);

impl Saved {
    pub fn new(bytes: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("market-data-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).expect("there is room for a small file");
        Saved(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        // It may be left over; cargo owns the directory.
        let _ = fs::remove_file(&self.0);
    }
}
