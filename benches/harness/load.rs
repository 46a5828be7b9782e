//! How requests come: as fast as they are taken, paced, or in bursts.

use std::fmt;
use std::str::FromStr;

/// What the source does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Gives whenever there is room.
    Saturated,
    /// Gives so many a second, each due at its own time, whether or not those before were taken in time.
    Paced(u64),
    /// Gives so many at once, waits until the sink has them all, and pauses for so many milliseconds.
    Bursts { size: u64, pause_ms: u64 },
    /// Gives one, and the next when it has come back.
    Closed,
}

impl Load {
    /// Whether requests are due at times, so that there are latencies.
    pub fn is_timed(self) -> bool {
        self != Self::Saturated
    }

    /// The time from one request to the next, in nanoseconds; 0 where they have no times of their own.
    pub fn period(self) -> u64 {
        match self {
            Self::Paced(rate) => 1_000_000_000 / rate,
            _ => 0,
        }
    }

    /// The time from one burst to the next, in nanoseconds.
    pub fn pause(self) -> u64 {
        match self {
            Self::Bursts { pause_ms, .. } => pause_ms * 1_000_000,
            _ => 0,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturated => f.pad("saturated"),
            Self::Paced(rate) if rate % 1_000_000 == 0 => {
                f.pad(&format!("{}M/s", rate / 1_000_000))
            }
            Self::Paced(rate) if rate % 1_000 == 0 => f.pad(&format!("{}k/s", rate / 1_000)),
            Self::Paced(rate) => f.pad(&format!("{rate}/s")),
            Self::Bursts { size, pause_ms } => f.pad(&format!("burst{size}/{pause_ms}ms")),
            Self::Closed => f.pad("closed"),
        }
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let load = match text {
            "saturated" => Some(Self::Saturated),
            "closed" => Some(Self::Closed),
            _ => match text.strip_prefix("burst") {
                Some(burst) => burst_of(burst),
                None => rate_of(text).map(Self::Paced),
            },
        };
        load.ok_or_else(|| {
            format!("`{text}` is no load: `saturated`, `100k/s`, `burst10/1ms` or `closed` are")
        })
    }
}

fn rate_of(text: &str) -> Option<u64> {
    let number = text.strip_suffix("/s")?;
    let (digits, unit) = match number.as_bytes().last()? {
        b'k' => (&number[..number.len() - 1], 1_000),
        b'M' => (&number[..number.len() - 1], 1_000_000),
        _ => (number, 1),
    };
    let rate = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=100_000_000).contains(&rate).then_some(rate)
}

fn burst_of(text: &str) -> Option<Load> {
    let (size, pause) = text.split_once('/')?;
    let (size, pause_ms) = (size.parse().ok()?, pause.strip_suffix("ms")?.parse().ok()?);
    ((1..=100_000).contains(&size) && pause_ms <= 1_000).then_some(Load::Bursts { size, pause_ms })
}
