//! Token prices → cost in nano-dollars.

use crate::model::Price;
use sallyport_schema::call::Usage;
use std::collections::HashMap;

/// Prices of one model in nano-dollars (1e-9 USD) per 1000 tokens, so that $0.000001/1M tokens is still an integer:
/// $1 per million tokens = 1 000 000 nano-dollars per 1000 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl From<&Price> for Rate {
    fn from(p: &Price) -> Self {
        let n = |usd_per_million: f64| (usd_per_million * 1e6).round() as i64;
        let cache_write = p.cache_write.unwrap_or(p.input);
        Self {
            input: n(p.input),
            cached_input: n(p.cached_input.unwrap_or(p.input)),
            cache_write: n(cache_write),
            cache_write_1h: n(p.cache_write_1h.unwrap_or(cache_write)),
            output: n(p.output),
            reasoning: n(p.reasoning.unwrap_or(p.output)),
        }
    }
}

impl Rate {
    /// What `usage` costs, in nano-dollars, rounded half up. Parts larger than their whole count as the whole.
    pub fn cost(&self, usage: &Usage) -> i64 {
        let cached = usage.cached_input.min(usage.input);
        let write = usage.cache_write.min(usage.input - cached);
        let write_1h = usage.cache_write_1h.min(usage.input - cached - write);
        let plain = usage.input - cached - write - write_1h;
        let reasoning = usage.reasoning.min(usage.output);
        let sum = [
            (plain, self.input),
            (cached, self.cached_input),
            (write, self.cache_write),
            (write_1h, self.cache_write_1h),
            (usage.output - reasoning, self.output),
            (reasoning, self.reasoning),
        ]
        .iter()
        .map(|(tokens, rate)| i128::from(*tokens) * i128::from(*rate))
        .sum::<i128>();
        i64::try_from((sum + 500) / 1000).unwrap_or(i64::MAX)
    }
}

/// Rates by model name: exact, then the glob with the most literal characters.
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    exact: HashMap<String, Rate>,
    globs: Vec<(String, Rate)>,
}

impl PriceTable {
    /// Builds the table; later entries replace earlier ones of the same name.
    pub fn new<'a>(prices: impl IntoIterator<Item = (&'a String, &'a Price)>) -> Self {
        let mut t = Self::default();
        for (name, price) in prices {
            if name.contains('*') {
                t.globs.retain(|(n, _)| n != name);
                t.globs.push((name.clone(), price.into()));
            } else {
                t.exact.insert(name.clone(), price.into());
            }
        }
        t.globs.sort_by_key(|(n, _)| std::cmp::Reverse(n.bytes().filter(|c| *c != b'*').count()));
        t
    }

    /// The rate of a model.
    pub fn find(&self, model: &str) -> Option<&Rate> {
        self.exact
            .get(model)
            .or_else(|| self.globs.iter().find(|(g, _)| crate::pattern::glob(g, model)).map(|(_, r)| r))
    }
}
