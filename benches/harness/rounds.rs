//! Rounds: every system once in each, in an order that rotates.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cell::{Cell, System};
use super::clock::Clock;
use super::job::{Job, Outcome};
use super::machine;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds that count. One more goes before.
    pub rounds: usize,
    /// What all of it may take.
    pub budget: Duration,
    /// The least and the most that one run is given.
    pub run: (Duration, Duration),
}

/// What came of a system in a cell, round by round.
pub struct Measured {
    pub system: &'static System,
    pub rounds: Vec<Outcome>,
}

/// A cell, measured.
pub struct Result {
    pub cell: Cell,
    pub systems: Vec<Measured>,
    /// What a cache line took from core to core before each round, in nanoseconds; empty on one core.
    pub lines: Vec<f64>,
}

/// A cell with the systems that fit it.
pub type Planned = (Cell, Vec<&'static System>);

/// What starting and ending a run takes beside it.
const OVERHEAD: Duration = Duration::from_millis(2);

/// How long a run takes, for all of them to fit the budget.
pub fn duration(plan: &[Planned], effort: &Effort) -> Duration {
    let runs: usize = plan.iter().map(|(_, systems)| systems.len()).sum();
    // The round that warms up takes a quarter.
    let quarters = u32::try_from(runs * (4 * effort.rounds + 1)).unwrap_or(u32::MAX).max(1);
    let each = (effort.budget * 4 / quarters).saturating_sub(OVERHEAD);
    each.clamp(effort.run.0, effort.run.1)
}

/// Measures every cell, and tells of each as it is done.
pub fn measure(plan: Vec<Planned>, effort: &Effort, clock: &Clock, mut done: impl FnMut(Result)) {
    let duration = duration(&plan, effort);
    let (began, cells) = (Instant::now(), plan.len());
    for (at, (cell, systems)) in plan.into_iter().enumerate() {
        let title = cell.title();
        let mut measured: Vec<Measured> =
            systems.into_iter().map(|system| Measured { system, rounds: Vec::new() }).collect();
        let mut lines = Vec::new();
        for round in 0..=effort.rounds {
            // On a machine that is too busy for the plan, fewer rounds are better than a longer wait.
            if round > 1 && began.elapsed() > effort.budget * 5 / 4 {
                break;
            }
            tell(&format!(
                "cell {} of {cells}, round {round} of {}: {title}",
                at + 1,
                effort.rounds
            ));
            if let [from, to, ..] = machine::cores()[..]
                && cell.cores > 1
            {
                lines.push(machine::line_crossing(from, to, clock));
            }
            let count = measured.len();
            for turn in 0..count {
                let entry = &mut measured[(round + turn) % count];
                let share = if round == 0 { 4 } else { 1 };
                let outcome = run(entry.system, &cell, duration / share, clock);
                if round > 0 {
                    entry.rounds.push(outcome);
                }
            }
        }
        tell("");
        done(Result { cell, systems: measured, lines });
    }
    tell(&format!(
        "{cells} cells in {:.0} s, {} ms a run",
        began.elapsed().as_secs_f64(),
        duration.as_millis()
    ));
    eprintln!();
}

/// One run, on a thread that is confined to the cores of the cell, as all that it starts will be.
fn run(system: &System, cell: &Cell, duration: Duration, clock: &Clock) -> Outcome {
    let cores: Vec<usize> = machine::cores().into_iter().take(cell.cores).collect();
    let run = system.run_of(&cell.topology.exercise).expect("planned only where it can");
    let job = Job {
        shape: cell.topology.exercise.shape(),
        load: cell.load,
        payload: cell.payload,
        cores,
        capacity: cell.capacity,
        duration,
        clock: clock.clone(),
        arrived: Arc::default(),
    };
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            machine::confine(&job.cores);
            run(&job)
        });
        thread.join()
    });
    outcome.unwrap_or_else(|_| {
        eprintln!("\n{} failed in: {}", system.name, cell.title());
        std::process::exit(1)
    })
}

/// A line on standard error that the next one replaces.
fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = if stderr.is_terminal() {
        write!(stderr, "\r\x1b[K{line}")
    } else if line.is_empty() {
        return;
    } else {
        writeln!(stderr, "{line}")
    };
    let _ = stderr.flush();
}
