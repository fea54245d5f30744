//! Equal allow-lists share one allocation: a hundred thousand keys have perhaps twenty different lists.

use crate::pattern::PatternSet;
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Interner {
    sets: HashSet<Arc<PatternSet>>,
    /// Sets that were left after the last sweep.
    swept: usize,
}

impl Interner {
    /// The shared set of a list.
    pub(super) fn set(&mut self, list: &[String]) -> Arc<PatternSet> {
        let set = PatternSet::new(list);
        if let Some(known) = self.sets.get(&set) {
            return known.clone();
        }
        // Lists that nobody uses any more go when their number may have doubled: bounded, and rare.
        if self.sets.len() > 2 * self.swept + 64 {
            self.sets.retain(|s| Arc::strong_count(s) > 1);
            self.swept = self.sets.len();
        }
        let set = Arc::new(set);
        self.sets.insert(set.clone());
        set
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
        assert!(intern.sets.len() < 200, "{}", intern.sets.len());
        assert!(Arc::ptr_eq(&a, &intern.set(&["a".into(), "b".into()])));
    }
}
