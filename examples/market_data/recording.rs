//! A recorded feed, read line by line.

use crate::line::Line;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The lines of a recording. After an error there are no more.
pub(crate) struct Recording<R> {
    reader: R,
    number: u64,
    failed: bool,
}

/// What is left of a longer line is skipped, and the decoder will find it cut short: a file that is no
/// recording, and may not have a line end at all, must not fill the memory.
pub(crate) const MAX_LINE: usize = 1 << 20;

impl Recording<BufReader<File>> {
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        let file = File::open(path)
            .map_err(|error| RecordingError::Open { path: path.to_owned(), error })?;
        Recording::new(BufReader::with_capacity(1 << 16, file))
    }
}

impl<R: BufRead> Recording<R> {
    /// Waits for the first bytes.
    pub(crate) fn new(mut reader: R) -> Result<Self, RecordingError> {
        match reader.fill_buf() {
            Ok([]) => Err(RecordingError::Empty),
            Ok(_) => Ok(Recording { reader, number: 0, failed: false }),
            Err(error) => Err(RecordingError::Read { line: 1, error }),
        }
    }

    /// The bytes of the next line without its end, or nothing at the end of the file.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        } else if bytes.len() == MAX_LINE {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(bytes))
    }
}

impl<R: BufRead> Iterator for Recording<R> {
    type Item = Result<Line, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let number = self.number + 1;
        match self.read() {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                self.number = number;
                Some(Ok(Line { number, bytes }))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(RecordingError::Read { line: number, error }))
            }
        }
    }
}

#[derive(Debug)]
pub(crate) enum RecordingError {
    Open { path: PathBuf, error: io::Error },
    Empty,
    Read { line: u64, error: io::Error },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordingError::Open { path, error } => {
                write!(f, "cannot open {}: {error}", path.display())
            }
            RecordingError::Empty => f.write_str("the recording is empty"),
            RecordingError::Read { line, error } => write!(f, "cannot read line {line}: {error}"),
        }
    }
}

impl Error for RecordingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RecordingError::Open { error, .. } | RecordingError::Read { error, .. } => Some(error),
            RecordingError::Empty => None,
        }
    }
}
