//! `additionalModelRequestFields`: fields of the model's own format, put together from several places.

use crate::ir::Raw;
use serde::{Serialize, Serializer};

/// Fields in order; the first one of a name wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Additional(Vec<(String, Raw)>);

impl Additional {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field of ours.
    pub(super) fn set(&mut self, name: &str, value: &impl Serialize) {
        if let Ok(value) = Raw::of(value) {
            self.add(name, value);
        }
    }

    /// Adds a field, unless there is one of its name: says whether it did.
    pub(super) fn add(&mut self, name: &str, value: Raw) -> bool {
        let new = !self.has(name);
        if new {
            self.0.push((name.to_owned(), value));
        }
        new
    }

    /// Is there a field of this name?
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }
}

impl Serialize for Additional {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(n, v)| (n, v)))
    }
}
