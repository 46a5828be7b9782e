//! Exact decimal numbers with eight decimals in one `u64`: prices, sizes and, read as seconds, receive
//! stamps.
//!
//! An exchange sends its numbers as decimal strings. Binary floating point would round some of them, and a
//! book that looks levels up by price needs every one exact, so text that does not fit is refused, never
//! rounded.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

const DECIMALS: usize = 8;

/// A decimal number of 0 or more, with eight decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Fixed(u64);

impl Fixed {
    pub(crate) const ONE: Fixed = Fixed(10_u64.pow(DECIMALS as u32));

    /// The number that is `units` times 0.00000001.
    pub(crate) const fn from_units(units: u64) -> Fixed {
        Fixed(units)
    }

    pub(crate) const fn units(self) -> u64 {
        self.0
    }

    /// The sum, or the largest number there is.
    pub(crate) const fn saturating_add(self, other: Fixed) -> Fixed {
        Fixed(self.0.saturating_add(other.0))
    }

    /// Reads plain decimal digits with at most one point in between; neither sign nor exponent.
    pub(crate) fn from_ascii(text: &[u8]) -> Result<Fixed, FixedError> {
        match text {
            [] => return Err(FixedError::Empty),
            [b'-', ..] => return Err(FixedError::Negative),
            _ => {}
        }
        let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(point) => (&text[..point], &text[point + 1..]),
            None => (text, &b"0"[..]),
        };
        if whole.is_empty() || fraction.is_empty() {
            return Err(FixedError::NotDecimal);
        }
        let (kept, rest) = fraction.split_at(fraction.len().min(DECIMALS));
        let units = append(append(0, whole)?, kept)?;
        let missing = (DECIMALS - kept.len()) as u32;
        let units = units.checked_mul(10_u64.pow(missing)).ok_or(FixedError::TooLarge)?;
        match append(0, rest) {
            Ok(0) => Ok(Fixed(units)),
            Err(FixedError::NotDecimal) => Err(FixedError::NotDecimal),
            _ => Err(FixedError::TooPrecise),
        }
    }
}

/// Appends decimal digits to `number`.
fn append(number: u64, digits: &[u8]) -> Result<u64, FixedError> {
    digits.iter().try_fold(number, |number, &byte| {
        if !byte.is_ascii_digit() {
            return Err(FixedError::NotDecimal);
        }
        number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(byte - b'0')))
            .ok_or(FixedError::TooLarge)
    })
}

impl FromStr for Fixed {
    type Err = FixedError;

    fn from_str(text: &str) -> Result<Fixed, FixedError> {
        Fixed::from_ascii(text.as_bytes())
    }
}

/// Without a precision as many decimals as it takes; with one exactly that many, cut off and not rounded.
impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 / Self::ONE.0;
        let mut fraction = self.0 % Self::ONE.0;
        let mut decimals = DECIMALS;
        match f.precision() {
            Some(precision) if precision < DECIMALS => {
                decimals = precision;
                fraction /= 10_u64.pow((DECIMALS - precision) as u32);
            }
            Some(_) => {}
            None => {
                while decimals > 0 && fraction.is_multiple_of(10) {
                    decimals -= 1;
                    fraction /= 10;
                }
            }
        }
        match decimals {
            0 => write!(f, "{whole}"),
            _ => write!(f, "{whole}.{fraction:0decimals$}"),
        }
    }
}

/// Why a text is not a [`Fixed`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FixedError {
    Empty,
    Negative,
    NotDecimal,
    /// A digit other than 0 after the eighth decimal.
    TooPrecise,
    /// 2^64 units or more.
    TooLarge,
}

impl fmt::Display for FixedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FixedError::Empty => "is empty",
            FixedError::Negative => "is negative",
            FixedError::NotDecimal => "is not a decimal number",
            FixedError::TooPrecise => "has more than eight decimals",
            FixedError::TooLarge => "is too large",
        })
    }
}

impl Error for FixedError {}
