//! The workers: what the domain modules do, one request at a time. What a worker has found out by the end of the run
//! it hands over as it closes.

use crate::book::{BookError, Books, Observation};
use crate::decode::{Decoded, Decoder};
use crate::event::Event;
use crate::line::Frame;
use crate::refused::Refused;
use crate::replay::Read;
use crate::signal::{Signal, Signals};
use crate::statistics::Statistics;
use ringtract::{Envelope, Outcome, Worker};
use std::error::Error;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of the feed once it has been replayed.
#[derive(Default)]
pub(crate) struct Facts {
    /// Frames received, whether they could be read or not.
    pub(crate) frames: u64,
    pub(crate) crossed: u64,
    pub(crate) refused: Refused,
    /// Why the recording could not be read to its end.
    pub(crate) broken_off: Option<String>,
    pub(crate) signals: Option<Signals>,
    pub(crate) statistics: Statistics,
}

/// Where workers hand over what they found out.
#[derive(Clone, Default)]
pub(crate) struct Notebook(Arc<Mutex<Facts>>);

impl Notebook {
    /// A factory of workers that write into this notebook.
    pub(crate) fn given_to<W>(
        &self,
        new: fn(Notebook) -> W,
    ) -> impl Fn() -> W + Send + 'static + use<W>
    where
        W: 'static,
    {
        let notebook = self.clone();
        move || new(notebook.clone())
    }

    pub(crate) fn take(&self) -> Facts {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Facts)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Fails the request in hand, because its line cannot be used.
    fn refuse<O, E>(&self, line: u64, reason: impl Display, error: E) -> Outcome<O>
    where
        E: Error + Send + Sync + 'static,
    {
        self.write(|facts| facts.refused.note(line, reason, &error));
        Outcome::fail(error)
    }
}

/// A line in, its events out. A line that says nothing about a product is discarded, a bad one fails.
pub(crate) struct Decode {
    decoder: Decoder,
    frames: u64,
    notebook: Notebook,
}

impl Decode {
    pub(crate) fn new(notebook: Notebook) -> Decode {
        Decode { decoder: Decoder::new(), frames: 0, notebook }
    }
}

impl Worker<Read> for Decode {
    type Out = Event;

    fn work(&mut self, line: Read, _request: &mut Envelope) -> Outcome<Event> {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                self.notebook.write(|facts| facts.broken_off = Some(error.to_string()));
                return Outcome::fail(error);
            }
        };
        self.frames += u64::from(!matches!(line.frame(), Frame::Blank | Frame::Connection));
        match self.decoder.begin(&line) {
            Ok(Decoded::Events) => Outcome::EmitAll,
            Ok(Decoded::Skip) => Outcome::Discard,
            Err(error) => self.notebook.refuse(error.line, error.reason, error),
        }
    }

    fn next(&mut self) -> Option<Event> {
        self.decoder.next()
    }

    fn close(&mut self) {
        self.notebook.write(|facts| facts.frames += self.frames);
    }
}

/// An event in, what it changed out. An event that changes nothing worth telling is discarded.
pub(crate) struct KeepBooks {
    books: Books,
    notebook: Notebook,
}

impl KeepBooks {
    pub(crate) fn new(notebook: Notebook) -> KeepBooks {
        KeepBooks { books: Books::new(), notebook }
    }
}

impl Worker<Event> for KeepBooks {
    type Out = Observation;

    fn work(&mut self, event: Event, _request: &mut Envelope) -> Outcome<Observation> {
        match self.books.apply(&event) {
            Ok(observation) => observation.into(),
            Err(error @ BookError::UnknownProduct { line, product }) => {
                self.notebook.refuse(line, product, error)
            }
        }
    }

    fn close(&mut self) {
        self.notebook.write(|facts| facts.crossed += self.books.crossed());
    }
}

/// What comes out of the tract.
pub(crate) enum Insight {
    /// The best bid or ask of a book is another.
    Signal(Signal),
    /// A message has gone by.
    Message,
}

/// An observation in, a signal out where there is one.
pub(crate) struct Watch {
    signals: Signals,
    notebook: Notebook,
}

impl Watch {
    pub(crate) fn new(notebook: Notebook) -> Watch {
        Watch { signals: Signals::new(), notebook }
    }
}

impl Worker<Observation> for Watch {
    type Out = Insight;

    fn work(&mut self, observation: Observation, _request: &mut Envelope) -> Outcome<Insight> {
        self.signals.observe(&observation).map(Insight::Signal).into()
    }

    fn close(&mut self) {
        let signals = std::mem::replace(&mut self.signals, Signals::new());
        self.notebook.write(|facts| facts.signals = Some(signals));
    }
}

/// An event in, and at the end of each message a word of it out.
pub(crate) struct Count {
    statistics: Statistics,
    notebook: Notebook,
}

impl Count {
    pub(crate) fn new(notebook: Notebook) -> Count {
        Count { statistics: Statistics::new(), notebook }
    }
}

impl Worker<Event> for Count {
    type Out = Insight;

    fn work(&mut self, event: Event, _request: &mut Envelope) -> Outcome<Insight> {
        self.statistics.count(&event);
        event.last.then_some(Insight::Message).into()
    }

    fn close(&mut self) {
        let statistics = std::mem::take(&mut self.statistics);
        self.notebook.write(|facts| facts.statistics = statistics);
    }
}
