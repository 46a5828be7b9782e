//! A snapshot for people who watch a run: a table that keeps still while its numbers change, and fits where it is shown.

use std::fmt;

use super::latency::Latency;
use super::snapshot::{Snapshot, StageSnapshot};
use super::table::{Table, share_cells, time_cell};
use crate::describe::kit::StageKind;

/// A column of the table.
struct Column {
    header: &'static str,
    /// How wide it is at least, so that it does not move with its numbers.
    width: usize,
    /// What is of lesser rank goes first where there is no room.
    rank: u8,
    cell: fn(&StageSnapshot) -> String,
}

const fn column(
    header: &'static str,
    width: usize,
    rank: u8,
    cell: fn(&StageSnapshot) -> String,
) -> Column {
    Column { header, width, rank, cell }
}

const COLUMNS: [Column; 14] = [
    column("stage", 0, 13, |stage| stage.path.clone()),
    column("taken", 9, 3, |stage| stage.ledger.taken.to_string()),
    column("per s", 9, 12, |stage| format!("{:.0}", stage.rate)),
    column("fill", 5, 8, |stage| format!("{:.0} %", 100.0 * stage.fill)),
    column("", 8, 0, |stage| bar(stage.fill)),
    column("busy", 5, 10, |stage| share(stage, 0)),
    column("starved", 7, 4, |stage| share(stage, 1)),
    column("blocked", 7, 5, |stage| share(stage, 2)),
    column("work p50", 8, 2, |stage| work(stage, |times| times.p50)),
    column("work p99", 8, 7, |stage| work(stage, |times| times.p99)),
    column("work p99.9", 10, 1, |stage| work(stage, |times| times.p999)),
    column("age p50", 7, 9, |stage| age(stage, |times| times.p50)),
    column("age p99", 7, 11, |stage| age(stage, |times| times.p99)),
    column("age p99.9", 9, 6, |stage| age(stage, |times| times.p999)),
];

/// Between two columns.
const GAP: usize = 2;

impl fmt::Display for Snapshot {
    /// A table of the stages, and the verdict. With a precision, as in `{snapshot:.80}`, no line has more letters than that:
    /// what matters least is left out, or cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = f.precision().unwrap_or(usize::MAX);
        let stages = self.stages.iter().filter(|stage| stage.kind != StageKind::Receiver);
        let rows: Vec<_> =
            stages.map(|stage| COLUMNS.each_ref().map(|column| (column.cell)(stage))).collect();
        let width = |column: usize| {
            let Column { header, width, .. } = COLUMNS[column];
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([width, header.len()]).max().unwrap_or(0)
        };
        let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
        let shown = that_fit(&widths, limit);
        let cells = |row: &[String; COLUMNS.len()]| {
            let cell = |&at: &usize| format!("{:>1$}", cut(&row[at], limit), COLUMNS[at].width);
            shown.iter().map(cell).collect()
        };
        let header = COLUMNS.map(|column| cut(column.header, limit));
        let header: Vec<&str> = shown.iter().map(|&at| header[at].as_str()).collect();
        Table::new(&header, rows.iter().map(cells).collect()).fmt(f)?;
        let mut line = self.verdict.to_string();
        let longest = self.stages.iter().map(|stage| stage.times.age.max).max().unwrap_or(0);
        if let Some(machine) = self.hiccups.on_tail(longest) {
            line.extend(["; ", &machine]);
        }
        f.write_str(&cut(&line, limit))?;
        match self.slowest.first() {
            Some(slow) => write!(f, "\n{}", cut(&format!("slowest request: {slow}"), limit)),
            None => Ok(()),
        }
    }
}

/// The columns that have room in one line, in their order. The first always has.
fn that_fit(widths: &[usize; COLUMNS.len()], limit: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    let width = |shown: &[usize]| {
        let cells: usize = shown.iter().map(|&column| widths[column]).sum();
        cells + GAP * shown.len().saturating_sub(1)
    };
    while width(&shown) > limit && shown.len() > 1 {
        let ranks = shown.iter().enumerate().min_by_key(|(_, column)| COLUMNS[**column].rank);
        let (at, _) = ranks.expect("more than one is left");
        shown.remove(at);
    }
    shown
}

/// A text of at most so many letters; where it had more, its last is `…`.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain((limit > 0).then_some('…')).collect()
}

fn share(stage: &StageSnapshot, which: usize) -> String {
    let cells = share_cells(stage.shares);
    cells[which].clone()
}

fn work(stage: &StageSnapshot, figure: fn(&Latency) -> u64) -> String {
    time_cell(&stage.times.work, figure(&stage.times.work))
}

fn age(stage: &StageSnapshot, figure: fn(&Latency) -> u64) -> String {
    time_cell(&stage.times.age, figure(&stage.times.age))
}

/// A bar of eight characters for a share.
fn bar(share: f64) -> String {
    const WIDTH: usize = 8;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8")]
    let filled = (share.clamp(0.0, 1.0) * WIDTH as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled))
}
