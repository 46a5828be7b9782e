//! Replays an exchange feed: lines are decoded into events, events keep an order book per product, changes of best
//! bid or ask give a signal, and a branch beside counts what goes by.
//!
//! ```text
//!                        ┌─> books ──> signal ─┐
//! feed ──> decode ──> consumers                ├─> main thread
//!                        └─> statistics ───────┘
//! ```
//!
//! Every stage has one worker, so events keep their order all the way, per product and over all.
//!
//! `cargo run --release --example market_data` runs it on a built-in exchange; `-- --help` tells the rest.

mod book;
mod cli;
mod decode;
mod encode;
mod event;
mod exchange;
mod fixed;
mod line;
mod pace;
mod progress;
mod recording;
mod replay;
mod signal;
mod simulator;
mod statistics;
mod wire;
mod workers;

use cli::{Command, Options};
use progress::Progress;
use replay::Replay;
use ringtract::{Error, NoInput, Placement, Report, Setup, Tract, fan_out, source, worker};
use std::process::ExitCode;
use workers::{Count, Decode, Facts, Insight, KeepBooks, Notebook, Watch};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", cli::help());
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => match run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            // A source that cannot be opened says why better than the stage that needed it.
            Err(Error::FactoryFailed { source, .. }) => refuse(&source),
            Err(error) => refuse(&error),
        },
        Err(error) => refuse(&error),
    }
}

fn refuse(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("market_data: {why}");
    ExitCode::from(2)
}

fn run(options: &Options) -> Result<(), Error> {
    let notebook = Notebook::default();
    let tract = describe(options, &notebook);
    let setup = set_up(&tract, options);
    if options.plan {
        print!("{}", setup.plan()?);
        return Ok(());
    }
    let mut progress = Progress::new();
    let report = setup.run(|insight| progress.sink(insight))?;
    progress.done();
    tell(&report, &notebook.take(), &progress);
    Ok(())
}

fn describe(options: &Options, notebook: &Notebook) -> Tract<NoInput, Insight> {
    let (feed, speed) = (options.feed.clone(), options.speed);
    let note = || notebook.clone();
    let (decode, books, watch, count) = (note(), note(), note(), note());
    source("feed", 1, move || Replay::open(&feed, speed))
        .then(worker("decode", 1, move || Decode::new(decode.clone())))
        .then(fan_out(
            "consumers",
            [
                worker("books", 1, move || KeepBooks::new(books.clone())).then(worker(
                    "signal",
                    1,
                    move || Watch::new(watch.clone()),
                )),
                worker("statistics", 1, move || Count::new(count.clone())),
            ],
        ))
}

fn set_up<'a>(
    tract: &'a Tract<NoInput, Insight>,
    options: &Options,
) -> Setup<'a, NoInput, Insight> {
    let placement = match options.placement {
        cli::Placement::Auto => Placement::Auto,
        cli::Placement::PerWorker => Placement::PerWorker,
        cli::Placement::Threads(count) => Placement::Threads(count.get()),
        cli::Placement::Inline { seed } => Placement::Inline { seed },
    };
    tract.setup().placement(placement).capacity(options.capacity.get())
}

fn tell(report: &Report, facts: &Facts, progress: &Progress) {
    println!("{report}");
    println!("{}\n", facts.statistics);
    for signal in progress.last.values() {
        println!("{signal}");
    }
    println!("\n{} messages, {} crossed books", facts.frames, facts.crossed);
    if let Some(signals) = &facts.signals {
        println!("{signals}");
    }
}
