//! The outcome of a run, as JSON and as a table for people.

use crate::load::{Plan, Process, Recorder};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Everything that was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Address of the target.
    pub target: String,
    /// Connections.
    pub connections: usize,
    /// Requests a second that were asked for, if the run was paced.
    pub rate: Option<f64>,
    /// Seconds that were recorded.
    pub seconds: f64,
    /// Right answers to requests that began while recording.
    pub requests: u64,
    /// Right answers that ended while recording.
    pub finished: u64,
    /// Wrong ones.
    pub errors: u64,
    /// Why, and how often.
    pub problems: BTreeMap<String, u64>,
    /// Paced runs: requests sent more than 10 ms behind schedule.
    pub late: u64,
    /// `finished` a second.
    pub per_second: f64,
    /// Bytes of response bodies (framing included).
    pub body_bytes: u64,
    /// From the request's first byte out to the answer's first body byte in, µs.
    pub first_byte_us: Quantiles,
    /// To the answer's last byte, µs.
    pub latency_us: Quantiles,
    /// From an event's sending to its arrival, µs (streams of the simulator with `stamp`).
    pub event_delay_us: Quantiles,
    /// Between two events of a stream, µs.
    pub event_spacing_us: Quantiles,
    /// What the target's processes spent.
    pub processes: Vec<ProcessReport>,
}

/// A distribution.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// What a process spent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProcessReport {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// CPU, user and system, while recording.
    pub cpu_seconds: f64,
    /// The same divided by `finished`, µs.
    pub cpu_us_per_request: f64,
    /// Resident memory at the start of recording, KiB.
    pub rss_first_kib: u64,
    /// Largest.
    pub rss_max_kib: u64,
    /// At the end.
    pub rss_last_kib: u64,
    /// Seconds since the start and resident KiB, about one a second.
    pub rss_samples: Vec<(f64, u64)>,
}

impl Quantiles {
    fn of(nanos: &Histogram<u64>) -> Self {
        if nanos.is_empty() {
            return Self::default();
        }
        let at = |q| nanos.value_at_quantile(q) as f64 / 1000.0;
        Self {
            count: nanos.len(),
            mean: nanos.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: nanos.max() as f64 / 1000.0,
        }
    }
}

impl Report {
    pub(crate) fn new(plan: &Plan, recorder: &Recorder, seconds: f64, processes: &[Process]) -> Self {
        let finished = recorder.finished;
        let processes = processes.iter().map(|p| {
            let (rss_first_kib, rss_max_kib, rss_last_kib) = p.rss();
            ProcessReport {
                pid: p.pid,
                name: p.name.clone(),
                cpu_seconds: p.cpu_seconds(),
                cpu_us_per_request: p.cpu_seconds() * 1e6 / finished.max(1) as f64,
                rss_first_kib,
                rss_max_kib,
                rss_last_kib,
                rss_samples: p.samples().to_vec(),
            }
        });
        Self {
            target: plan.addr.to_string(),
            connections: plan.connections,
            rate: plan.rate,
            seconds,
            requests: recorder.ok,
            finished,
            errors: recorder.problems.values().sum(),
            problems: recorder.problems.iter().map(|(p, n)| (p.to_string(), *n)).collect(),
            late: recorder.late,
            per_second: finished as f64 / seconds.max(f64::MIN_POSITIVE),
            body_bytes: recorder.bytes,
            first_byte_us: Quantiles::of(&recorder.first_byte),
            latency_us: Quantiles::of(&recorder.latency),
            event_delay_us: Quantiles::of(&recorder.event_delay),
            event_spacing_us: Quantiles::of(&recorder.event_spacing),
            processes: processes.collect(),
        }
    }
}

impl Report {
    /// CPU of the first process and of those that share its name (workers), µs an answer.
    #[must_use]
    pub fn cpu_us(&self) -> Option<f64> {
        let first = &self.processes.first()?.name;
        Some(self.processes.iter().filter(|p| p.name == *first).map(|p| p.cpu_us_per_request).sum())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} right answers, {} errors in {:.2} s over {} connections: {:.0} a second, {:.2} MB/s",
            self.requests,
            self.errors,
            self.seconds,
            self.connections,
            self.per_second,
            self.body_bytes as f64 / self.seconds.max(f64::MIN_POSITIVE) / 1e6,
        )?;
        for (problem, n) in &self.problems {
            writeln!(f, "  error: {problem}: {n}")?;
        }
        if self.late > 0 {
            writeln!(f, "  {} requests were sent more than 10 ms late: the rate was not held", self.late)?;
        }
        writeln!(f, "{:16}{:>10}{:>10}{:>10}{:>10}{:>10}", "µs", "p50", "p90", "p99", "max", "mean")?;
        for (name, q) in [
            ("first byte", self.first_byte_us),
            ("whole answer", self.latency_us),
            ("event delay", self.event_delay_us),
            ("event spacing", self.event_spacing_us),
        ] {
            if q.count > 0 {
                writeln!(
                    f,
                    "{name:16}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10.1}",
                    q.p50, q.p90, q.p99, q.max, q.mean
                )?;
            }
        }
        for p in &self.processes {
            writeln!(
                f,
                "{} ({}): {:.2} s CPU, {:.1} µs an answer; memory {:.1} → {:.1} MiB, at most {:.1}",
                p.name,
                p.pid,
                p.cpu_seconds,
                p.cpu_us_per_request,
                p.rss_first_kib as f64 / 1024.0,
                p.rss_last_kib as f64 / 1024.0,
                p.rss_max_kib as f64 / 1024.0,
            )?;
        }
        Ok(())
    }
}
