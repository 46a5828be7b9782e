//! One line of a recording, and what its beginning tells: nothing, a connection that was opened or used, or a
//! frame that was received, with its stamp.
//!
//! A line is bytes. Whether they are text is for the decoder to judge, so that a damaged line is one refused
//! line and not the end of the replay.

use crate::fixed::Fixed;

/// A line without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What kind of line it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frame<'a> {
    Blank,
    /// `wss://host <-> seconds` or `wss://host <- seconds: json`: opened, or sent by the recorder.
    Connection,
    /// `seconds: json`: sent by the exchange, received at this stamp in µs since 1970.
    Received {
        at: u64,
        json: &'a [u8],
    },
    /// None of these: the stamp is missing or damaged.
    Unstamped,
}

impl Line {
    pub(crate) fn frame(&self) -> Frame<'_> {
        if self.bytes.is_empty() {
            return Frame::Blank;
        }
        if self.bytes.starts_with(b"wss://") {
            return Frame::Connection;
        }
        match self.split_stamp() {
            Some((at, json)) => Frame::Received { at, json },
            None => Frame::Unstamped,
        }
    }

    /// When the line was received, in µs since 1970; `None` if it is not a received frame.
    pub(crate) fn received(&self) -> Option<u64> {
        match self.frame() {
            Frame::Received { at, .. } => Some(at),
            Frame::Blank | Frame::Connection | Frame::Unstamped => None,
        }
    }

    fn split_stamp(&self) -> Option<(u64, &[u8])> {
        let colon = self.bytes.iter().position(|&byte| byte == b':')?;
        let json = self.bytes[colon + 1..].strip_prefix(b" ")?;
        let seconds = Fixed::from_ascii(&self.bytes[..colon]).ok()?;
        // The recorder printed binary floating point, whose seventh decimal means nothing.
        Some((seconds.units() / 100, json))
    }
}
