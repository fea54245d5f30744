//! Model names → weighted upstreams.

use crate::model::Price;
use crate::pattern::glob;
use crate::prices::Rate;
use std::collections::HashMap;
use std::sync::Arc;

/// A model that clients may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name or glob.
    pub name: Arc<str>,
    /// Its upstreams.
    pub routes: Vec<Route>,
    /// Comes from YAML rather than from the store.
    pub managed: bool,
    /// What it costs, where that is not just what the price table says.
    pub charge: Option<Arc<Charge>>,
}

/// What a model costs, whichever upstream serves it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charge {
    /// Instead of the price table's.
    pub rate: Option<Rate>,
    /// Factor of the cost of what goes in.
    pub input: f64,
    /// Factor of the cost of what comes out.
    pub output: f64,
}

impl Charge {
    /// None: the price table's, as it is.
    pub fn of(price: Option<&Price>, input: f64, output: f64) -> Option<Arc<Self>> {
        let rate = price.map(Rate::from);
        (rate.is_some() || input != 1.0 || output != 1.0).then(|| Arc::new(Self { rate, input, output }))
    }
}

/// One upstream of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Name of a provider.
    pub provider: Arc<str>,
    /// Model name at the provider; None = as asked.
    pub model: Option<Arc<str>>,
    /// Share of the traffic; 0 = only when the others failed.
    pub weight: u32,
}

/// All enabled models. Exact names win over globs; among globs the most literal characters win, then the name.
#[derive(Clone, Debug, Default)]
pub struct ModelTable {
    exact: HashMap<Arc<str>, Arc<Model>>,
    globs: Vec<Arc<Model>>,
    /// Used when nothing else matches.
    prefixes: Vec<Arc<Model>>,
    /// Names that are switched off: no prefix serves them.
    off: Vec<Arc<str>>,
    /// Some model has a charge: otherwise nobody needs to look for it.
    charged: bool,
}

impl ModelTable {
    /// Builds the table. A later model of the same name replaces an earlier one.
    pub fn new(models: impl IntoIterator<Item = Model>) -> Self {
        let mut table = Self::default();
        for m in models {
            let m = Arc::new(m);
            table.charged |= m.charge.is_some();
            if m.name.contains('*') {
                table.globs.retain(|g| g.name != m.name);
                table.globs.push(m);
            } else {
                table.exact.insert(m.name.clone(), m);
            }
        }
        table.globs.sort_by(|a, b| {
            let literal = |m: &Model| m.name.bytes().filter(|c| *c != b'*').count();
            literal(b).cmp(&literal(a)).then_with(|| a.name.cmp(&b.name))
        });
        table
    }

    /// Adds well-known names, used when no other entry matches, be it one that is `off`.
    #[must_use]
    pub fn with_prefixes(mut self, prefixes: Vec<Model>, off: Vec<Arc<str>>) -> Self {
        self.prefixes = prefixes.into_iter().map(Arc::new).collect();
        self.off = off;
        self
    }

    /// The model that serves `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<Model>> {
        self.exact
            .get(name)
            .or_else(|| self.globs.iter().find(|m| glob(&m.name, name)))
            .or_else(|| self.by_prefix(name))
    }

    /// What the model that is asked for by this name costs, where that is not just what the price table says.
    pub fn charge(&self, name: &str) -> Option<&Charge> {
        if self.charged { self.find(name)?.charge.as_deref() } else { None }
    }

    fn by_prefix(&self, name: &str) -> Option<&Arc<Model>> {
        let found = self.prefixes.iter().find(|m| glob(&m.name, name))?;
        (!self.off.iter().any(|off| glob(off, name))).then_some(found)
    }

    /// Models that can be listed, sorted by name: those with an exact name, and of the `known` names those that
    /// nothing but a prefix serves.
    pub fn listed<'a>(&self, known: impl Iterator<Item = &'a str>) -> Vec<Arc<Model>> {
        let mut all: Vec<_> = self.exact.values().cloned().collect();
        for name in known {
            let entry = self.exact.contains_key(name) || self.globs.iter().any(|m| glob(&m.name, name));
            if let Some(m) = self.by_prefix(name).filter(|_| !entry) {
                all.push(Arc::new(Model { name: name.into(), ..Model::clone(m) }));
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| a.name == b.name);
        all
    }

    /// Every model that has an entry, globs included.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.exact.values().chain(self.globs.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Model {
        Model { name: name.into(), routes: Vec::new(), managed: true, charge: None }
    }

    #[test]
    fn the_most_literal_name_wins() {
        let t = ModelTable::new(["*", "gpt-*", "gpt-5", "gpt-5-*"].map(model));
        for (ask, want) in [("gpt-5", "gpt-5"), ("gpt-5-mini", "gpt-5-*"), ("gpt-4", "gpt-*"), ("x", "*")] {
            assert_eq!(t.find(ask).map(|m| &*m.name), Some(want), "{ask}");
        }
        assert!(ModelTable::new([model("a")]).find("ab").is_none());
    }

    #[test]
    fn prefixes_serve_what_nothing_else_does() {
        let t = ModelTable::new(["gpt-5", "gpt-4*"].map(model))
            .with_prefixes(["gpt-*", "o3*"].map(model).into(), vec!["gpt-oss*".into(), "o3-pro".into()]);
        for (ask, want) in [
            ("gpt-5", Some("gpt-5")),
            ("gpt-4o", Some("gpt-4*")),
            ("gpt-6", Some("gpt-*")),
            ("o3-mini", Some("o3*")),
            ("o3-pro", None),
            ("gpt-oss-20b", None),
            ("my-gpt-6", None),
        ] {
            assert_eq!(t.find(ask).map(|m| &*m.name), want, "{ask}");
        }
        let known = ["o3-pro", "o3-mini", "o3-mini", "gpt-4o", "gpt-5", "gpt-6", "gpt-oss-20b", "claude-x"];
        let listed: Vec<_> = t.listed(known.into_iter()).iter().map(|m| m.name.to_string()).collect();
        assert_eq!(listed, ["gpt-5", "gpt-6", "o3-mini"], "what a pattern serves has none of its own");
    }
}
