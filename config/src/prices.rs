//! Token prices → cost in nano-dollars.

use crate::document::Document;
use crate::errors::{Errors, Problem};
use crate::model::{Config, Price};
use sallyport_schema::call::Usage;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prices of one model in nano-dollars (1e-9 USD) per 1000 tokens, so that $0.000001/1M tokens is still an integer:
/// $1 per million tokens = 1 000 000 nano-dollars per 1000 tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: i64,
    /// Prompt tokens read from the cache.
    pub cached_input: i64,
    /// Prompt tokens written to the cache (5 min).
    pub cache_write: i64,
    /// Prompt tokens written to the cache (1 h).
    pub cache_write_1h: i64,
    /// Completion tokens that were not spent on reasoning.
    pub output: i64,
    /// Completion tokens spent on reasoning.
    pub reasoning: i64,
    /// The rates of calls with a long prompt.
    pub long_prompt: Option<LongRate>,
}

/// Rates of a call whose prompt has more than so many tokens; fields as in [`Rate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LongRate {
    pub above: u64,
    pub input: i64,
    pub cached_input: i64,
    pub cache_write: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
}

impl From<&Price> for Rate {
    fn from(p: &Price) -> Self {
        // Validation keeps prices within 0 and 1e6 dollars: no overflow.
        let n = |usd_per_million: f64| (usd_per_million * 1e6).round() as i64;
        let cache_write = p.cache_write.unwrap_or(p.input);
        Self {
            input: n(p.input),
            cached_input: n(p.cached_input.unwrap_or(p.input)),
            cache_write: n(cache_write),
            cache_write_1h: n(p.cache_write_1h.unwrap_or(cache_write)),
            output: n(p.output),
            reasoning: n(p.reasoning.unwrap_or(p.output)),
            long_prompt: p.long_prompt.as_ref().map(|l| {
                let cache_write = l.cache_write.unwrap_or(l.input);
                LongRate {
                    above: l.above,
                    input: n(l.input),
                    cached_input: n(l.cached_input.unwrap_or(l.input)),
                    cache_write: n(cache_write),
                    cache_write_1h: n(l.cache_write_1h.unwrap_or(cache_write)),
                    output: n(l.output),
                    reasoning: n(l.reasoning.unwrap_or(l.output)),
                }
            }),
        }
    }
}

impl Rate {
    /// The rates with factors for what goes in and what comes out.
    #[must_use]
    pub fn times(&self, input: f64, output: f64) -> Self {
        // Rates are at most 1e12, factors at most 1000: far within what a float tells exactly enough.
        let n = |rate: i64, factor: f64| (rate as f64 * factor).round() as i64;
        Self {
            input: n(self.input, input),
            cached_input: n(self.cached_input, input),
            cache_write: n(self.cache_write, input),
            cache_write_1h: n(self.cache_write_1h, input),
            output: n(self.output, output),
            reasoning: n(self.reasoning, output),
            long_prompt: self.long_prompt.map(|l| LongRate {
                above: l.above,
                input: n(l.input, input),
                cached_input: n(l.cached_input, input),
                cache_write: n(l.cache_write, input),
                cache_write_1h: n(l.cache_write_1h, input),
                output: n(l.output, output),
                reasoning: n(l.reasoning, output),
            }),
        }
    }

    /// What `usage` costs, in nano-dollars, rounded half up. Parts larger than their whole count as the whole.
    pub fn cost(&self, usage: &Usage) -> i64 {
        let r = match self.long_prompt {
            Some(l) if usage.input > l.above => Self {
                input: l.input,
                cached_input: l.cached_input,
                cache_write: l.cache_write,
                cache_write_1h: l.cache_write_1h,
                output: l.output,
                reasoning: l.reasoning,
                long_prompt: None,
            },
            _ => *self,
        };
        let cached = usage.cached_input.min(usage.input);
        let write = usage.cache_write.min(usage.input - cached);
        let write_1h = usage.cache_write_1h.min(usage.input - cached - write);
        let plain = usage.input - cached - write - write_1h;
        let reasoning = usage.reasoning.min(usage.output);
        let sum = [
            (plain, r.input),
            (cached, r.cached_input),
            (write, r.cache_write),
            (write_1h, r.cache_write_1h),
            (usage.output - reasoning, r.output),
            (reasoning, r.reasoning),
        ]
        .iter()
        .map(|(tokens, rate)| i128::from(*tokens) * i128::from(*rate))
        .sum::<i128>();
        i64::try_from((sum + 500) / 1000).unwrap_or(i64::MAX)
    }
}

/// Rates by model name: exact, then the glob with the most literal characters (then the first by name).
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug, Default)]
struct Layer {
    exact: HashMap<String, Rate>,
    globs: Vec<(String, Rate)>,
    /// The first byte of each glob. They lie side by side: a name that no pattern begins like costs a cache line.
    begins: Vec<u8>,
}

impl Layer {
    fn find(&self, model: &str) -> Option<&Rate> {
        self.exact.get(model).or_else(|| {
            let begin = model.as_bytes().first().copied().unwrap_or(b'*');
            let globs = self.begins.iter().zip(&self.globs);
            let likely = globs.filter(|(b, _)| **b == begin || **b == b'*');
            likely.map(|(_, g)| g).find(|(g, _)| crate::pattern::glob(g, model)).map(|(_, r)| r)
        })
    }
}

impl PriceTable {
    /// Builds the table; later entries replace earlier ones of the same name.
    pub fn new<'a>(prices: impl IntoIterator<Item = (&'a String, &'a Price)>) -> Self {
        let mut t = Layer::default();
        for (name, price) in prices {
            if name.contains('*') {
                t.globs.retain(|(n, _)| n != name);
                t.globs.push((name.clone(), price.into()));
            } else {
                t.exact.insert(name.clone(), price.into());
            }
        }
        let literal = |n: &str| n.bytes().filter(|c| *c != b'*').count();
        t.globs.sort_by(|(a, _), (b, _)| literal(b).cmp(&literal(a)).then_with(|| a.cmp(b)));
        t.begins = t.globs.iter().map(|(g, _)| g.bytes().next().unwrap_or(b'*')).collect();
        Self { layers: vec![t] }
    }

    /// Lays this table over another: whatever matches here, a glob too, wins over all that is there.
    #[must_use]
    pub fn over(mut self, below: PriceTable) -> Self {
        self.layers.extend(below.layers);
        self
    }

    /// The models that are named in it, patterns left out; some perhaps twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().flat_map(|l| l.exact.keys()).map(String::as_str)
    }

    /// The rate of a model.
    pub fn find(&self, model: &str) -> Option<&Rate> {
        self.layers.iter().find_map(|l| l.find(model))
    }
}

/// A price file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceFile {
    /// Where the prices were read, and when.
    #[serde(default)]
    pub sources: Vec<PriceSource>,
    /// Prices by model name; may hold `*`.
    pub models: BTreeMap<String, Price>,
}

/// Where prices were read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    /// Whose prices.
    pub provider: String,
    /// The page.
    pub url: String,
    /// When it was read (`2026-11-24`).
    pub date: String,
}

/// The table that is built in.
const BUILT_IN: &str = include_str!("../prices.yaml");

/// A price table and the file that it came from (path, text), if it was not the built-in one.
pub(crate) struct Priced {
    pub(crate) table: PriceTable,
    pub(crate) source: Option<(PathBuf, String)>,
}

/// The table of a configuration: `prices.models` over `prices.file` or the built-in table.
pub(crate) fn load(
    config: &Config,
    document: &Document,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Priced, Errors> {
    let mine = PriceTable::new(&config.prices.models);
    let (name, text) = match &config.prices.file {
        None => (PathBuf::from("prices.yaml (built in)"), BUILT_IN.to_owned()),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| {
                let message = format!("cannot read {}: {e}", file.display());
                Problem::new(document.origin("prices.file").cloned(), "prices.file", message)
            })?;
            (file.clone(), text)
        }
    };
    let file = parse_file(&Arc::from(name.as_path()), &text, env)?;
    let table = mine.over(PriceTable::new(&file.models));
    Ok(Priced { table, source: config.prices.file.is_some().then_some((name, text)) })
}

/// The table that is built in.
pub fn built_in() -> Result<PriceFile, Errors> {
    parse_file(&Arc::from(Path::new("prices.yaml (built in)")), BUILT_IN, &|_| None)
}

fn parse_file(
    name: &Arc<Path>,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<PriceFile, Errors> {
    let schema = schemars::schema_for!(PriceFile).to_value();
    let root = crate::overlay::parse(name, text.as_bytes())?;
    let origin = |model: &str| root.get("models").and_then(|m| m.get(model)).map(|n| n.origin.clone());
    let file: PriceFile = crate::load::load_part(root.clone(), &schema, env)?;
    let wrong = file.models.iter().filter_map(|(model, price)| {
        let message = crate::validate::check_price(model, price).err()?;
        Some(Problem::new(origin(model), format!("models.{model}"), message))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(file) } else { Err(Errors(wrong)) }
}

#[cfg(test)]
mod tests;
