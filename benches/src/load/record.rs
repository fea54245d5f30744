//! What one worker measures; merged at the end.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Significant digits of the histograms.
const DIGITS: u8 = 3;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    Connect,
    Closed,
    Timeout,
    Head,
    Status(u16),
    Framing,
    Body,
    EventCount,
    NoEnd,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connection refused"),
            Self::Closed => f.write_str("connection closed in the middle"),
            Self::Timeout => f.write_str("timeout"),
            Self::Head => f.write_str("malformed response head"),
            Self::Status(code) => write!(f, "status {code}"),
            Self::Framing => f.write_str("malformed chunk"),
            Self::Body => f.write_str("body is empty or no valid JSON"),
            Self::EventCount => f.write_str("wrong number of events"),
            Self::NoEnd => f.write_str("stream without end mark"),
        }
    }
}

/// Histograms in ns, and counters.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Off during warm-up.
    pub(crate) on: bool,
    pub(crate) ok: u64,
    /// Right answers that ended while recording, whenever they began: what CPU and throughput are divided by.
    pub(crate) finished: u64,
    pub(crate) bytes: u64,
    /// Paced mode: requests sent more than 10 ms behind schedule.
    pub(crate) late: u64,
    pub(crate) problems: BTreeMap<Problem, u64>,
    pub(crate) first_byte: Histogram<u64>,
    pub(crate) latency: Histogram<u64>,
    pub(crate) event_delay: Histogram<u64>,
    pub(crate) event_spacing: Histogram<u64>,
}

#[allow(clippy::expect_used, reason = "fails for more than 5 digits only")]
fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(DIGITS).expect("3 digits are allowed");
    histogram.auto(true);
    histogram
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            on: true,
            ok: 0,
            finished: 0,
            bytes: 0,
            late: 0,
            problems: BTreeMap::new(),
            first_byte: histogram(),
            latency: histogram(),
            event_delay: histogram(),
            event_spacing: histogram(),
        }
    }
}

fn add(histogram: &mut Histogram<u64>, value: Duration) {
    let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
    // fails only where a histogram may not grow; these may
    let _ = histogram.record(nanos.max(1));
}

impl Recorder {
    /// A whole, right answer.
    pub(crate) fn success(&mut self, first_byte: Duration, latency: Duration, bytes: usize) {
        if self.on {
            self.ok += 1;
            self.bytes += bytes as u64;
            add(&mut self.first_byte, first_byte);
            add(&mut self.latency, latency);
        }
    }

    /// A failed one.
    pub(crate) fn problem(&mut self, problem: Problem) {
        if self.on {
            *self.problems.entry(problem).or_default() += 1;
        }
    }

    /// Time from an event's sending to its arrival.
    pub(crate) fn event_delay(&mut self, delay: Duration) {
        if self.on {
            add(&mut self.event_delay, delay);
        }
    }

    /// Time between two events' arrivals.
    pub(crate) fn event_spacing(&mut self, spacing: Duration) {
        if self.on {
            add(&mut self.event_spacing, spacing);
        }
    }

    /// Adds another worker's numbers.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.finished += other.finished;
        self.bytes += other.bytes;
        self.late += other.late;
        for (problem, n) in &other.problems {
            *self.problems.entry(*problem).or_default() += n;
        }
        for (mine, theirs) in [
            (&mut self.first_byte, &other.first_byte),
            (&mut self.latency, &other.latency),
            (&mut self.event_delay, &other.event_delay),
            (&mut self.event_spacing, &other.event_spacing),
        ] {
            let _ = mine.add(theirs);
        }
    }
}
