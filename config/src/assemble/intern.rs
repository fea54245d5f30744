//! Allow-lists and labels that are equal are one allocation: a hundred thousand keys have a handful of different ones.

use crate::pattern::PatternSet;
use sallyport_schema::labels::Labels;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// What is shared.
#[derive(Debug, Default)]
pub(super) struct Interner {
    sets: Shared<PatternSet>,
    labels: Shared<Labels>,
}

impl Interner {
    /// The shared set of a list.
    pub(super) fn set(&mut self, list: &[String]) -> Arc<PatternSet> {
        self.sets.one(PatternSet::new(list))
    }

    /// The shared labels; None: empty ones.
    pub(super) fn labels(&mut self, labels: &Labels) -> Option<Arc<Labels>> {
        (!labels.is_empty()).then(|| self.labels.one(labels.clone()))
    }
}

/// Values that are in use, each once.
#[derive(Debug)]
struct Shared<T> {
    known: HashSet<Arc<T>>,
    /// Values that were left after the last sweep.
    swept: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { known: HashSet::new(), swept: 0 }
    }
}

impl<T: Eq + Hash> Shared<T> {
    fn one(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        // Values that nobody uses any more go when their number may have doubled: bounded, and rare.
        if self.known.len() > 2 * self.swept + 64 {
            self.known.retain(|v| Arc::strong_count(v) > 1);
            self.swept = self.known.len();
        }
        let value = Arc::new(value);
        self.known.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_one_and_forgotten_ones_go() {
        let mut intern = Interner::default();
        let a = intern.set(&["a".into(), "b".into()]);
        let b = intern.set(&["b".into(), "a".into()]);
        assert!(Arc::ptr_eq(&a, &b));
        for i in 0..1000 {
            let _ = intern.set(&[i.to_string()]);
        }
        assert!(intern.sets.known.len() < 200, "{}", intern.sets.known.len());
        assert!(Arc::ptr_eq(&a, &intern.set(&["a".into(), "b".into()])));
    }

    #[test]
    fn equal_labels_are_one_and_empty_ones_none() {
        let mut intern = Interner::default();
        let labels = Labels { tags: vec!["x".into()], ..Labels::default() };
        let (a, b) = (intern.labels(&labels).unwrap(), intern.labels(&labels.clone()).unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(intern.labels(&Labels::default()), None);
    }
}
