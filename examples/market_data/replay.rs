//! The source: lines of a recording or of the simulator, each at the time when it is due.

use crate::cli::Feed;
use crate::line::Line;
use crate::pace::Speed;
use crate::recording::{Recording, RecordingError};
use crate::simulator::Simulator;
use ringtract::{Paced, paced};

/// A line, or why the recording could not be read on.
pub(crate) type Read = Result<Line, RecordingError>;

/// Opens the feed, to be replayed at this speed.
pub(crate) fn open(
    feed: &Feed,
    speed: Speed,
) -> Result<Paced<Box<dyn Iterator<Item = Read>>>, RecordingError> {
    let lines: Box<dyn Iterator<Item = Read>> = match feed {
        Feed::Recording(path) => Box::new(Recording::open(path)?),
        Feed::Simulator { seed, messages } => Box::new(Simulator::new(*seed, *messages).map(Ok)),
    };
    Ok(paced(lines, speed.pace()))
}
