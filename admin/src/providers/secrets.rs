//! What may become of a provider's secrets.

use crate::params::wrong;
use crate::problem::Problem;
use sallyport_config::model::Provider;
use sallyport_config::resources::{place, secrets};
use serde_json::{Map, Value};

/// Secrets do not go to another address than the one that they were given for, unless they are given again.
pub(super) fn not_carried_off(
    before: &Provider,
    after: &Provider,
    given: &Map<String, Value>,
) -> Result<(), Problem> {
    if place(before) == place(after) {
        return Ok(());
    }
    let kept = |path: &[String]| {
        let mut node = Some(given);
        let (last, way) = path.split_last()?;
        for step in way {
            node = node.and_then(|n| n.get(step)).and_then(Value::as_object);
        }
        node.is_none_or(|n| !n.contains_key(last)).then(|| path.join("."))
    };
    let all: Vec<String> = secrets(after).iter().filter_map(|(path, _)| kept(path)).collect();
    if all.is_empty() {
        return Ok(());
    }
    Err(wrong(format!("where the address changes, secrets must be given again: {}", all.join(", "))))
}
