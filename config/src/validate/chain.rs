//! The filter chain: an order that would let something slip through is refused, with the reason.

use super::Judge;
use crate::model::FilterEntry;
use std::collections::HashSet;

/// `(first, second, why)`: where both are on, `first` must come first.
const ORDER: &[(&str, &str, &str)] = &[
    ("log", "auth", "calls that auth refuses would not be logged"),
    ("log", "access", "calls that access refuses would not be logged"),
    ("log", "cost", "the log would be written before the cost is known"),
    ("log", "usage", "the log would be written before the tokens are counted"),
    ("auth", "access", "access needs to know whose key it is"),
    ("cost", "usage", "answers pass the chain in reverse, and tokens must be counted before they are priced"),
];

/// `(filter, needs, why)`.
const NEEDS: &[(&str, &str, &str)] = &[
    ("access", "auth", "without auth nobody is known whose rights could be checked"),
    ("cost", "usage", "without usage there are no tokens to price"),
];

pub(super) fn check(filters: &[FilterEntry], judge: &mut Judge<'_>) {
    // A misspelt name would make the order look wrong too.
    if judge.doubtful.iter().any(|d| d.starts_with("filters")) {
        return;
    }
    let at = |name: &str| format!("filters[{name}]");
    let mut seen = HashSet::new();
    for f in filters {
        if !seen.insert(&f.name) {
            judge.error(&at(&f.name), "the filter is listed twice");
        }
    }
    let position = |name: &str| filters.iter().position(|f| f.enabled && f.name == name);
    for (first, second, why) in ORDER {
        if let (Some(a), Some(b)) = (position(first), position(second))
            && a > b
        {
            judge.error(&at(second), format!("`{first}` must come before `{second}`: {why}"));
        }
    }
    for (filter, needs, why) in NEEDS {
        if position(filter).is_some() && position(needs).is_none() {
            judge.error(&at(filter), format!("`{filter}` needs `{needs}`: {why}"));
        }
    }
    if position("auth").is_none() {
        judge.warn("filters", "`auth` is off: whoever reaches the listener can spend the providers' keys");
    }
    if position("log").is_none() {
        judge.warn("filters", "`log` is off: no call is recorded");
    }
}
