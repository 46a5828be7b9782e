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
mod observe;
mod pace;
mod progress;
mod recording;
mod refused;
mod replay;
mod signal;
mod simulator;
mod statistics;
mod tell;
mod wire;
mod workers;

use cli::{Command, Options};
use progress::Progress;
use ringtract::{
    BoxError, Error, Measure, NoInput, Placement, Setup, Tract, fan_out, source, worker,
};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use tell::Summary;
use workers::{Count, Decode, Insight, KeepBooks, Notebook, Watch};

fn main() -> ExitCode {
    match obey(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody reads it, there is still the exit code.
            let _ = writeln!(stderr(), "market_data: {error}");
            ExitCode::from(2)
        }
    }
}

fn obey(arguments: impl Iterator<Item = OsString>) -> Result<(), BoxError> {
    let options = match cli::parse(arguments)? {
        Command::Help => return show(cli::help()),
        Command::Run(options) => options,
    };
    let notebook = Notebook::default();
    let tract = describe(&options, &notebook);
    let setup = set_up(&tract, &options);
    if options.plan {
        return show(setup.plan()?);
    }
    let mut progress = Progress::new(!options.watch);
    let report = if options.watch || options.files != cli::Files::default() {
        observe::run(&setup, &options, |insight| progress.sink(insight))?
    } else {
        setup.run(|insight| progress.sink(insight)).map_err(why)?
    };
    let summary = Summary::new(report, notebook.take(), progress.done());
    show(&summary)?;
    summary.flaw().map_or(Ok(()), |flaw| Err(flaw.into()))
}

fn describe(options: &Options, notebook: &Notebook) -> Tract<NoInput, Insight> {
    let (feed, speed) = (options.feed.clone(), options.speed);
    let books = worker("books", 1, notebook.given_to(KeepBooks::new));
    let signal = worker("signal", 1, notebook.given_to(Watch::new));
    let statistics = worker("statistics", 1, notebook.given_to(Count::new));
    source("feed", 1, move || replay::open(&feed, speed))
        .then(worker("decode", 1, notebook.given_to(Decode::new)))
        .then(fan_out("consumers", [books.then(signal), statistics]))
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
    // Files are worth a clock reading for every request.
    let wanted = options.files != cli::Files::default();
    let measure = if wanted { Measure::ALL } else { Measure::default() };
    tract.setup().placement(placement).capacity(options.capacity.get()).measure(measure)
}

/// A source that cannot be opened says why better than the stage that needed it.
fn why(error: Error) -> BoxError {
    match error {
        Error::FactoryFailed { source, .. } => source,
        error => error.into(),
    }
}

/// Prints a text. That a reader has seen enough of it is no error.
fn show(text: impl Display) -> Result<(), BoxError> {
    let mut out = stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot print: {error}").into())
        }
        _ => Ok(()),
    }
}
