//! What travels: one word that says everything, and as many copies of it as the payload is to be large.

use std::fmt::Debug;

/// A value of 8 bytes or more. Its word is a number or a due time, shifted up, and below it the stages it has passed.
pub trait Payload: Copy + Debug + Send + Sync + Unpin + 'static {
    fn new(word: u64) -> Self;

    fn word(&self) -> u64;

    /// The work of a stage: it counts itself.
    fn pass(self) -> Self;
}

/// Bits of a word that count stages.
pub const STAGE_BITS: u32 = 8;

impl<const WORDS: usize> Payload for [u64; WORDS] {
    #[inline]
    fn new(word: u64) -> Self {
        [word; WORDS]
    }

    #[inline]
    fn word(&self) -> u64 {
        self[0]
    }

    #[inline]
    fn pass(mut self) -> Self {
        self[0] += 1;
        self
    }
}

/// Calls a function with the type of a payload of that many bytes.
#[macro_export]
macro_rules! by_payload {
    ($bytes:expr, $payload:ident => $call:expr) => {
        match $bytes {
            8 => {
                type $payload = [u64; 1];
                $call
            }
            64 => {
                type $payload = [u64; 8];
                $call
            }
            256 => {
                type $payload = [u64; 32];
                $call
            }
            1024 => {
                type $payload = [u64; 128];
                $call
            }
            4096 => {
                type $payload = [u64; 512];
                $call
            }
            other => unreachable!("payloads of {other} bytes are refused on the command line"),
        }
    };
}

/// The sizes there are, in bytes.
pub const PAYLOADS: [usize; 5] = [8, 64, 256, 1_024, 4_096];
