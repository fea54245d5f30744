//! Medians, ratios and their table.

use crate::load::Report;
use crate::run::setup::Setup;
use crate::run::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Sallyport with a model whose provider speaks another dialect.
pub(crate) const TRANSLATED: &str = "translated";

/// The outcome of a benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// When it ended, seconds since the epoch.
    pub at: u64,
    /// Processor model.
    pub cpu: String,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// One for each kind of load.
    pub cases: Vec<Case>,
}

/// One kind of load.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What was sent.
    pub name: String,
    /// Each round's reports.
    pub rounds: Vec<Round>,
    /// Medians by target, filled in at the end.
    pub medians: BTreeMap<String, Medians>,
}

/// One pass over all targets.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Reports by target.
    pub reports: BTreeMap<String, Report>,
}

/// Medians over the rounds. Ratios and differences are taken within a round.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Medians {
    /// Right answers a second.
    pub per_second: f64,
    /// CPU of the target's own processes, µs an answer; `None` without a process (direct).
    pub cpu_us: Option<f64>,
    /// CPU of everything that works for the target (its database, …), too.
    pub cpu_us_with_helpers: Option<f64>,
    /// Times the bare proxy's CPU.
    pub times_bare: Option<f64>,
    /// Times nginx's CPU.
    pub times_nginx: Option<f64>,
    /// Of [`TRANSLATED`] only: times the CPU of the same load in the upstream's own dialect.
    pub times_same_dialect: Option<f64>,
    /// First body byte, µs.
    pub first_byte_p50: f64,
    /// First body byte, µs.
    pub first_byte_p99: f64,
    /// The same minus the direct one's.
    pub added_p50: f64,
    /// The same minus the direct one's.
    pub added_p99: f64,
    /// Delay of events, µs, where they are stamped.
    pub event_delay_p50: Option<f64>,
    /// Delay of events, µs, where they are stamped.
    pub event_delay_p99: Option<f64>,
    /// Resident memory at the end of the last round, MiB.
    pub rss_mib: Option<f64>,
    /// Wrong answers in all rounds.
    pub errors: u64,
}

impl Round {
    pub(crate) fn new(reports: Vec<(String, Report)>) -> Self {
        Self { reports: reports.into_iter().collect() }
    }

    fn cpu(&self, target: &str) -> Option<f64> {
        if target == "direct" {
            return None; // its process is the simulator
        }
        self.reports.get(target)?.cpu_us()
    }

    fn cpu_with_helpers(&self, target: &str) -> Option<f64> {
        self.cpu(target)?;
        Some(self.reports.get(target)?.processes.iter().map(|p| p.cpu_us_per_request).sum())
    }
}

impl Case {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: Vec::new(), medians: BTreeMap::new() }
    }

    /// Median throughput of the slowest target.
    pub(crate) fn slowest(&self) -> f64 {
        self.targets()
            .iter()
            .filter_map(|t| self.median(|r| Some(r.reports.get(t)?.per_second)))
            .fold(f64::MAX, f64::min)
    }

    fn targets(&self) -> Vec<String> {
        self.rounds.first().map(|r| r.reports.keys().cloned().collect()).unwrap_or_default()
    }

    fn median(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.rounds.iter().filter_map(of).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => None,
            n if n % 2 == 1 => Some(values[n / 2]),
            n => Some(f64::midpoint(values[n / 2 - 1], values[n / 2])),
        }
    }

    fn sum_up(&mut self) {
        for target in self.targets() {
            let report = |r: &Round| r.reports.get(&target).cloned();
            let over = |other: &str| self.median(|r| Some(r.cpu(&target)? / r.cpu(other)?));
            let added = |of: fn(&Report) -> f64| {
                self.median(|r| Some(of(r.reports.get(&target)?) - of(r.reports.get("direct")?)))
                    .unwrap_or(0.0)
            };
            let of = |of: fn(&Report) -> f64| self.median(|r| report(r).map(|r| of(&r))).unwrap_or(0.0);
            let delay = |of: fn(&Report) -> f64| {
                self.median(|r| report(r).filter(|r| r.event_delay_us.count > 0).map(|r| of(&r)))
            };
            let medians = Medians {
                per_second: of(|r| r.per_second),
                cpu_us: self.median(|r| r.cpu(&target)),
                cpu_us_with_helpers: self.median(|r| r.cpu_with_helpers(&target)),
                times_bare: over("bare"),
                times_nginx: over("nginx"),
                times_same_dialect: if target == TRANSLATED { over("sallyport") } else { None },
                first_byte_p50: of(|r| r.first_byte_us.p50),
                first_byte_p99: of(|r| r.first_byte_us.p99),
                added_p50: added(|r| r.first_byte_us.p50),
                added_p99: added(|r| r.first_byte_us.p99),
                event_delay_p50: delay(|r| r.event_delay_us.p50),
                event_delay_p99: delay(|r| r.event_delay_us.p99),
                rss_mib: self.rounds.last().and_then(|r| {
                    let own = report(r)?.processes.last()?.rss_last_kib as f64 / 1024.0;
                    let first = report(r)?.processes.first()?.rss_last_kib as f64 / 1024.0;
                    (target != "direct").then_some(own.max(first))
                }),
                errors: self.rounds.iter().filter_map(report).map(|r| r.errors).sum(),
            };
            self.medians.insert(target.clone(), medians);
        }
    }
}

impl Summary {
    pub(crate) fn new(setup: &Setup, mut cases: Vec<Case>) -> Self {
        cases.iter_mut().for_each(Case::sum_up);
        Self { at: now(), cpu: cpu_model(), notes: setup.notes.clone(), cases }
    }

    /// Wrong answers over all.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.cases.iter().flat_map(|c| c.medians.values()).map(|m| m.errors).sum()
    }
}

/// Writes a result as JSON into a directory; says where.
///
/// # Errors
/// The file cannot be written.
pub fn save(dir: &Path, name: &str, value: &impl Serialize) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).context(dir.display())?;
    let file = dir.join(format!("{name}-{}.json", now()));
    let json = serde_json::to_string_pretty(value).context("result")?;
    std::fs::write(&file, json).context(file.display())?;
    Ok(file)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, m)| m.trim().to_owned())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; medians, ratios within a round", self.cpu)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for case in &self.cases {
            writeln!(f, "\n{}", case.name)?;
            writeln!(
                f,
                "{:<11}{:>10}{:>10}{:>9}{:>9}{:>9}{:>11}{:>11}{:>11}{:>11}{:>12}{:>9}{:>8}",
                "",
                "calls/s",
                "CPU µs",
                "+helpers",
                "× bare",
                "× nginx",
                "TTFB p50",
                "p99",
                "added p50",
                "added p99",
                "delay p99",
                "RSS MiB",
                "errors"
            )?;
            for name in ["direct", "nginx", "bare", "sallyport", TRANSLATED] {
                let Some(m) = case.medians.get(name) else { continue };
                let maybe = |value: Option<f64>, digits: usize| {
                    let mut text = String::new();
                    match value {
                        Some(value) => write!(text, "{value:.digits$}").map(|()| text),
                        None => Ok("–".to_owned()),
                    }
                };
                writeln!(
                    f,
                    "{name:<11}{:>10.0}{:>10}{:>9}{:>9}{:>9}{:>11.0}{:>11.0}{:>11.0}{:>11.0}{:>12}{:>9}{:>8}",
                    m.per_second,
                    maybe(m.cpu_us, 1)?,
                    maybe(m.cpu_us_with_helpers, 1)?,
                    maybe(m.times_bare, 2)?,
                    maybe(m.times_nginx, 2)?,
                    m.first_byte_p50,
                    m.first_byte_p99,
                    m.added_p50,
                    m.added_p99,
                    maybe(m.event_delay_p99, 0)?,
                    maybe(m.rss_mib, 1)?,
                    m.errors,
                )?;
                if let Some(times) = m.times_same_dialect {
                    writeln!(f, "{name}: {times:.2} × the CPU of the same dialect")?;
                }
            }
        }
        Ok(())
    }
}
