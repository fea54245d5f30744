//! Whether a resource fits a filter.

use super::filter::{Attr, Filter, Op};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Attributes and parts whose case counts (RFC 7643, 3.1 and 4; of the rest it does not).
const EXACT: [&str; 4] = ["id", "externalid", "$ref", "version"];
/// Parts of `meta` that are instants.
const INSTANTS: [&str; 2] = ["created", "lastmodified"];

/// The member of this name, in whatever case.
pub(crate) fn member<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    map.get(name).or_else(|| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

/// Does the resource (or the element) fit? `schema`: the resource's own, as a prefix of attributes.
pub(crate) fn fits(filter: &Filter, resource: &Map<String, Value>, schema: &str) -> bool {
    match filter {
        Filter::Or(a, b) => fits(a, resource, schema) || fits(b, resource, schema),
        Filter::And(a, b) => fits(a, resource, schema) && fits(b, resource, schema),
        Filter::Not(a) => !fits(a, resource, schema),
        Filter::Present(attr) => values(attr, resource, schema).iter().any(|v| is_there(v)),
        Filter::Element(attr, inner) => {
            let elements = values(attr, resource, schema);
            elements.iter().filter_map(|v| v.as_object()).any(|element| fits(inner, element, schema))
        }
        Filter::Compare(attr, op, wanted) => {
            let name = attr.sub.as_deref().unwrap_or(&attr.name).to_ascii_lowercase();
            let of_list = matches!(&*attr.name.to_ascii_lowercase(), "members" | "groups");
            let exact = EXACT.contains(&&*name) || of_list && name != "display" && name != "type";
            let found = values(attr, resource, schema);
            let found: Vec<&Value> = found.into_iter().map(simple).filter(|v| is_there(v)).collect();
            let equal = |v: &&Value| compare(&name, exact, v, wanted) == Some(Ordering::Equal);
            match op {
                Op::Eq if wanted.is_null() => found.is_empty(),
                Op::Ne if wanted.is_null() => !found.is_empty(),
                Op::Eq => found.iter().any(equal),
                Op::Ne => !found.iter().any(equal),
                op => found.iter().any(|v| holds(*op, &name, exact, v, wanted)),
            }
        }
    }
}

/// Of a complex value the part `value`.
fn simple(value: &Value) -> &Value {
    value.as_object().and_then(|map| map.get("value")).unwrap_or(value)
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(all) => !all.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// The values of an attribute: of a list each one.
fn values<'v>(attr: &Attr, resource: &'v Map<String, Value>, schema: &str) -> Vec<&'v Value> {
    if attr.schema.as_deref().is_some_and(|s| !s.eq_ignore_ascii_case(schema)) {
        return Vec::new();
    }
    let each = |value: &'v Value| match value {
        Value::Array(all) => all.iter().collect::<Vec<_>>(),
        one => vec![one],
    };
    let found = member(resource, &attr.name).map(each).unwrap_or_default();
    match &attr.sub {
        None => found,
        Some(sub) => found
            .into_iter()
            .filter_map(|v| v.as_object())
            .filter_map(|map| member(map, sub))
            .flat_map(each)
            .collect(),
    }
}

fn compare(name: &str, exact: bool, found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::String(a), Value::String(b)) if INSTANTS.contains(&name) => {
            Some(instant(a)?.cmp(&instant(b)?))
        }
        (Value::String(a), Value::String(b)) if exact => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        // Entra writes booleans as text
        (Value::Bool(a), Value::String(b)) => b.to_ascii_lowercase().parse().ok().map(|b| a.cmp(&b)),
        _ => None,
    }
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn holds(op: Op, name: &str, exact: bool, found: &Value, wanted: &Value) -> bool {
    let order = || compare(name, exact, found, wanted);
    match op {
        Op::Gt => order() == Some(Ordering::Greater),
        Op::Ge => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Op::Lt => order() == Some(Ordering::Less),
        Op::Le => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Op::Eq | Op::Ne => false,
        Op::Co | Op::Sw | Op::Ew => {
            let (Value::String(a), Value::String(b)) = (found, wanted) else { return false };
            let (a, b) = if exact { (a.clone(), b.clone()) } else { (a.to_lowercase(), b.to_lowercase()) };
            match op {
                Op::Co => a.contains(&b),
                Op::Sw => a.starts_with(&b),
                _ => a.ends_with(&b),
            }
        }
    }
}

#[cfg(test)]
mod tests;
