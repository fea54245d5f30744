//! Does it keep what it takes? Steady load for minutes, resident memory once a second.

use crate::run::rounds::Load;
use crate::run::setup::Setup;
use crate::run::target;
use crate::run::{Failure, Result};
use serde::Serialize;
use std::fmt;

/// Requests a second.
const RATE: f64 = 2000.0;

/// The outcome for one target.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Which one.
    pub target: String,
    /// Minutes of load.
    pub minutes: f64,
    /// Right answers.
    pub requests: u64,
    /// Wrong ones.
    pub errors: u64,
    /// Resident MiB at the start.
    pub first_mib: f64,
    /// At the end.
    pub last_mib: f64,
    /// Largest.
    pub max_mib: f64,
    /// Growth in the second half, KiB a minute (least squares): what start-up and warming caches take is over then.
    pub slope_kib_per_minute: f64,
    /// Seconds and KiB.
    pub samples: Vec<(f64, u64)>,
}

/// Loads one target (`sallyport`, `bare` or `nginx`) for some minutes.
///
/// # Errors
/// Something is missing, or does not start.
pub async fn watch(setup: &Setup, name: &str, minutes: f64) -> Result<Memory> {
    let sim = target::simulator(setup).await?;
    let targets = target::all(setup, sim.addr).await?;
    let target = targets
        .iter()
        .find(|t| t.name == name)
        .ok_or_else(|| Failure::new(format!("{name} is not among the targets that could be started")))?;
    let load = Load {
        model: super::rounds::MODEL,
        body: "chat-1k",
        directives: "",
        connections: setup.options.connections,
        seconds: minutes * 60.0,
        rate: Some(RATE),
    };
    let report = load.run(setup, target).await?;
    // nginx: the worker, not the master
    let own = report
        .processes
        .iter()
        .filter(|p| p.name == report.processes[0].name)
        .max_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds))
        .ok_or_else(|| Failure::new(format!("{name} has no process")))?;
    let half = &own.rss_samples[own.rss_samples.len() / 2..];
    let mib = |kib: u64| kib as f64 / 1024.0;
    Ok(Memory {
        target: name.to_owned(),
        minutes,
        requests: report.requests,
        errors: report.errors,
        first_mib: mib(own.rss_first_kib),
        last_mib: mib(own.rss_last_kib),
        max_mib: mib(own.rss_max_kib),
        slope_kib_per_minute: slope(half) * 60.0,
        samples: own.rss_samples.clone(),
    })
}

/// Least squares.
fn slope(samples: &[(f64, u64)]) -> f64 {
    let n = samples.len() as f64;
    let (sx, sy) = samples.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + *y as f64));
    let (mx, my) = (sx / n, sy / n);
    let above: f64 = samples.iter().map(|(x, y)| (x - mx) * (*y as f64 - my)).sum();
    let below: f64 = samples.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "memory of {} over {:.1} min, {} right answers, {} errors: {:.1} MiB → {:.1} MiB, at most {:.1}; \
             second half: {:+.1} KiB a minute",
            self.target,
            self.minutes,
            self.requests,
            self.errors,
            self.first_mib,
            self.last_mib,
            self.max_mib,
            self.slope_kib_per_minute
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes() {
        assert!((slope(&[(0.0, 10), (1.0, 12), (2.0, 14)]) - 2.0).abs() < 1e-9);
        assert_eq!(slope(&[(0.0, 10)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }
}
