//! Plain values → the typed configuration. serde stops at the first error; here each wrong value is reported, a
//! stand-in put into its place, and the rest judged on.

use crate::document::{Document, Step};
use crate::errors::Problem;
use crate::overlay::{Data, Node};
use crate::resolve::Resolved;
use crate::shape::Shape;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use std::collections::HashMap;

/// Repairs at most: after them the remaining errors wait for the next run.
const MAX_REPAIRS: usize = 500;

/// Decodes `value`; errors go to `resolved`. None: beyond repair (its errors are reported).
pub(crate) fn decode<T: DeserializeOwned>(
    value: &mut Value,
    shape: Shape<'_>,
    document: &Document,
    resolved: &mut Resolved,
) -> Option<T> {
    let mut attempts: HashMap<String, usize> = HashMap::new();
    for _ in 0..MAX_REPAIRS {
        let error = match serde_path_to_error::deserialize::<_, T>(&*value) {
            Ok(t) => return Some(t),
            Err(e) => e,
        };
        let steps = steps(&error);
        let (path, node, whole) = document.locate(&steps);
        if resolved.doubtful.insert(path.clone()) {
            let message = humanise(&error.inner().to_string(), node, whole);
            resolved.errors.push(Problem::new(Some(node.origin.clone()), path.clone(), message));
        }
        let attempt = attempts.entry(path).or_default();
        let n = *attempt;
        *attempt += 1;
        repair(value, shape, &steps, n);
    }
    None
}

fn steps(error: &serde_path_to_error::Error<serde_json::Error>) -> Vec<Step> {
    let mut out = Vec::new();
    for segment in error.path().iter() {
        match segment {
            Segment::Seq { index } => out.push(Step::Index(*index)),
            Segment::Map { key } => out.push(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    out
}

/// Puts the `attempt`-th stand-in at the place; when there is none left, at its parent, and so on.
fn repair(value: &mut Value, shape: Shape<'_>, steps: &[Step], attempt: usize) {
    let mut depth = steps.len();
    let mut attempt = attempt;
    loop {
        let inner = shape_at(shape, &steps[..depth]);
        let stand_in = inner.and_then(|s| s.stand_in(attempt));
        if depth == 0 {
            *value = Value::Object(serde_json::Map::new());
            return;
        }
        let Some(parent) = value_at(value, &steps[..depth - 1]) else {
            depth -= 1;
            continue;
        };
        match (parent, &steps[depth - 1], stand_in) {
            (Value::Object(map), Step::Key(key), Some(new)) => {
                map.insert(key.clone(), new);
                return;
            }
            (Value::Array(items), Step::Index(i), Some(new)) if *i < items.len() => {
                items[*i] = new;
                return;
            }
            // Optional: it may as well not be there.
            (Value::Object(map), Step::Key(key), None) => {
                let needed =
                    shape_at(shape, &steps[..depth - 1]).is_some_and(|s| s.required().any(|r| r == key));
                if map.remove(key).is_some() && !needed {
                    return;
                }
            }
            _ => {}
        }
        depth -= 1;
        attempt = 0;
    }
}

fn shape_at<'a>(shape: Shape<'a>, steps: &[Step]) -> Option<Shape<'a>> {
    steps.iter().try_fold(shape, |s, step| match step {
        Step::Key(k) => s.key(k),
        Step::Index(_) => s.item(),
    })
}

fn value_at<'v>(value: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |v, step| match step {
        Step::Key(k) => v.get_mut(k.as_str()),
        Step::Index(i) => v.get_mut(*i),
    })
}

/// serde's sentence without what must not be shown, with a hint where one helps.
fn humanise(message: &str, node: &Node, whole: bool) -> String {
    let mut message = message.to_owned();
    let mut hint = "";
    if let (true, Data::Scalar(scalar)) = (whole, &node.data) {
        // A value out of a variable may be a secret in the wrong place; one with `user@` may hold a password.
        let delicate =
            !scalar.sources.is_empty() || (scalar.text.contains("://") && scalar.text.contains('@'));
        if delicate && !scalar.text.is_empty() {
            message = message.replace(&scalar.text, "***");
        }
        let truth = ["yes", "no", "on", "off", "Yes", "No", "On", "Off", "y", "n"];
        if message.contains("expected a boolean") && truth.contains(&scalar.text.as_str()) {
            hint = "; write true or false";
        } else if message.contains("expected a boolean")
            || message.contains("expected u")
            || message.contains("f64")
        {
            hint = if scalar.plain { "" } else { "; write it without quotes" };
        } else if message.contains("socket address") {
            hint = "; write address:port, as in 127.0.0.1:3000 or [::1]:3000";
        } else if message.contains("relative URL") {
            hint = "; write it with its scheme, as in https://host/v1";
        } else if message.contains("expected a sequence") {
            hint = "; write a list: [value]";
        }
    }
    format!("{message}{hint}")
}
