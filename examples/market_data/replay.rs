//! The source: lines of a recording or of the simulator, each at the time when it is due.

use crate::cli::Feed;
use crate::line::Line;
use crate::pace::{Pace, Speed};
use crate::recording::{Recording, RecordingError};
use crate::simulator::Simulator;
use ringtract::{Envelope, Input, Next};
use std::time::Instant;

/// A line, or why the recording could not be read on.
pub(crate) type Read = Result<Line, RecordingError>;

/// Lines at the time when they are due. A line that comes late counts as late: its request starts when it was due.
pub(crate) struct Replay {
    lines: Box<dyn Iterator<Item = Read>>,
    pace: Pace,
    paced: bool,
    /// Set by the first line.
    begin: Option<Instant>,
    /// Read, but not yet due.
    ahead: Option<(Line, Instant)>,
}

impl Replay {
    pub(crate) fn open(feed: &Feed, speed: Speed) -> Result<Replay, RecordingError> {
        let lines: Box<dyn Iterator<Item = Read>> = match feed {
            Feed::Recording(path) => Box::new(Recording::open(path)?),
            Feed::Simulator { seed, messages } => {
                Box::new(Simulator::new(*seed, *messages).map(Ok))
            }
        };
        let pace = Pace::new(speed);
        Ok(Replay { lines, pace, paced: speed != Speed::Max, begin: None, ahead: None })
    }
}

impl Input for Replay {
    type Item = Read;

    fn poll(&mut self, request: &mut Envelope) -> Next<Read> {
        if !self.paced {
            return self.lines.next().map_or(Next::Ended, Next::Value);
        }
        let (line, due) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => match self.lines.next() {
                None => return Next::Ended,
                Some(Err(error)) => return Next::Value(Err(error)),
                Some(Ok(line)) => {
                    let begin = *self.begin.get_or_insert_with(Instant::now);
                    let due = begin + self.pace.due(&line);
                    (line, due)
                }
            },
        };
        if Instant::now() < due {
            self.ahead = Some((line, due));
            return Next::NotBefore(due);
        }
        request.set_started(due);
        Next::Value(Ok(line))
    }
}
