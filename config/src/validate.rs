//! What the types cannot say: names that must be unique, values that make no sense together, files that must be
//! there. Each finding names the setting; its file and line come from the document.

mod chain;
mod kinds;
mod providers;
mod redis;
mod sections;

pub(crate) use kinds::check_kind;
pub(crate) use providers::{check_base_url, check_header, check_model_name, check_provider_name};
pub(crate) use sections::check_price;

use crate::document::Document;
use crate::errors::Problem;
use crate::model::{Config, Model, Provider};
use std::collections::HashSet;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

/// Judges a configuration. `doubtful`: places that hold a stand-in because their value was already found wrong.
pub(crate) fn validate(config: &Config, document: &Document, doubtful: &HashSet<String>) -> Verdict {
    let mut judge = Judge { document, doubtful, verdict: Verdict::default() };
    sections::check(config, &mut judge);
    redis::check(config, &mut judge);
    chain::check(&config.filters, &mut judge);
    providers::check(config, &mut judge);
    judge.verdict
}

/// Judges one provider by the rest of a configuration; its fields are named without a place.
pub(crate) fn provider(
    config: &Config,
    provider: &Provider,
    document: &Document,
    doubtful: &HashSet<String>,
) -> Verdict {
    let mut judge = Judge { document, doubtful, verdict: Verdict::default() };
    if let Err(message) = check_provider_name(&provider.name) {
        judge.error(".name", message);
    }
    providers::provider(config, provider, "", &mut judge);
    judge.verdict
}

/// Judges one model; its fields are named without a place.
pub(crate) fn model<'a>(
    known: impl Iterator<Item = &'a Provider>,
    model: &Model,
    document: &Document,
    doubtful: &HashSet<String>,
) -> Verdict {
    let mut judge = Judge { document, doubtful, verdict: Verdict::default() };
    let known = known.map(|p| (p.name.as_str(), p)).collect();
    providers::model(model, "", &known, &mut judge);
    judge.verdict
}

/// Collects findings.
struct Judge<'a> {
    document: &'a Document,
    doubtful: &'a HashSet<String>,
    verdict: Verdict,
}

impl Judge<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>) {
        if let Some(p) = self.problem(path, message) {
            self.verdict.errors.push(p);
        }
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        if let Some(p) = self.problem(path, message) {
            self.verdict.warnings.push(p);
        }
    }

    /// None if the place, or something in it, is known to be wrong already.
    fn problem(&self, path: &str, message: impl Into<String>) -> Option<Problem> {
        let known = self.doubtful.iter().any(|d| {
            let (short, long) = if d.len() <= path.len() { (d.as_str(), path) } else { (path, d.as_str()) };
            long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        // A default has no place of its own: the nearest one around it helps to find where to write.
        (!known || path.is_empty())
            .then(|| Problem::new(self.document.nearest_origin(path).cloned(), path, message))
    }
}
