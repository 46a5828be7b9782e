//! Soak: starts, loads, disturbs, stops and restarts tracts of random shapes for as long as you like, and checks that every
//! ledger balances exactly and that threads, file descriptors and memory do not grow.
//!
//! `cargo run --release --example soak -- --minutes 5`
//!
//! Each cycle draws from its seed: a tract, where it runs and how its threads wait, what befalls its requests (panics,
//! failures, discards, stalls, factories that fail, outputs that close), who feeds or calls it, and how it ends (by
//! itself, stopped at some moment, with a deadline, dropped, with a worker that is stuck), and then runs it again.

mod account;
mod cli;
mod cycle;
mod growth;
mod process;
mod scene;

use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cli::{Command, Options};
use growth::Growth;
use process::Usage;

/// Longer than any cycle takes that does not hang.
const HANGS: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let options = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            print!("{}", cli::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::from(2);
        }
    };
    hush_meant_panics();
    let tally = Arc::<Tally>::default();
    let verdict = watch(options, &tally);
    let (cycles, requests) = tally.read();
    let (word, code) = match &verdict {
        Ok(()) => ("everything holds".to_owned(), ExitCode::SUCCESS),
        Err(violation) => (format!("VIOLATION: {violation}"), ExitCode::FAILURE),
    };
    println!("{cycles} cycles, {requests} requests: {word}");
    code
}

/// What has been done so far.
#[derive(Default)]
struct Tally {
    cycles: AtomicU64,
    requests: AtomicU64,
}

impl Tally {
    fn read(&self) -> (u64, u64) {
        (self.cycles.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

/// Runs cycles on a thread beside this one, which tells how things go and notices a hang.
fn watch(options: Options, tally: &Arc<Tally>) -> Result<(), String> {
    let (done, verdict) = mpsc::channel();
    let start = Instant::now();
    let counted = Arc::clone(tally);
    thread::spawn(move || {
        // The other side is gone only if it has seen a hang.
        let _ = done.send(cycles(options, start, &counted));
    });
    let mut moved = (0, Instant::now());
    loop {
        match verdict.recv_timeout(Duration::from_secs(1)) {
            Ok(verdict) => return verdict,
            Err(RecvTimeoutError::Disconnected) => return Err("the cycles ended in a panic".into()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let (cycles, requests) = tally.read();
        println!("{}", progress(start, cycles, requests));
        if cycles > moved.0 {
            moved = (cycles, Instant::now());
        } else if moved.1.elapsed() > HANGS {
            let seed = options.seed.wrapping_add(cycles);
            return Err(format!("seed {seed} hangs; {}", replay(seed)));
        }
    }
}

fn progress(start: Instant, cycles: u64, requests: u64) -> String {
    let Usage { threads, descriptors, memory } = Usage::now();
    let or_unknown = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    format!(
        "{:>4} s  {cycles:>7} cycles  {requests:>11} requests  {:>3} threads  {:>3} descriptors  {:>7} KiB",
        start.elapsed().as_secs(),
        or_unknown(threads.map(|count| count as u64)),
        or_unknown(descriptors.map(|count| count as u64)),
        or_unknown(memory),
    )
}

fn replay(seed: u64) -> String {
    format!("replay it with --seed {seed} --cycles 1")
}

/// Cycles until the time is over, or something is wrong.
fn cycles(options: Options, start: Instant, tally: &Tally) -> Result<(), String> {
    let mut growth = Growth::new(options.time);
    for number in 0..options.cycles {
        if start.elapsed() >= options.time {
            break;
        }
        let seed = options.seed.wrapping_add(number);
        let ran = cycle::run(seed).and_then(|made| growth.look(start.elapsed()).map(|()| made));
        let made = ran.map_err(|error| format!("{error}; {}", replay(seed)))?;
        tally.cycles.fetch_add(1, Ordering::Relaxed);
        tally.requests.fetch_add(made, Ordering::Relaxed);
    }
    println!("{}", growth.verdict()?);
    Ok(())
}

/// Keeps the panics that are meant out of the output; others are shown as ever.
fn hush_meant_panics() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>();
        if !said.is_some_and(|said| said.starts_with(scene::MEANT)) {
            loud(info);
        }
    }));
}
