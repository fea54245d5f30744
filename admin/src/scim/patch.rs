//! PATCH (RFC 7644, 3.5.2), with what directories make of it: Entra writes `op` with a capital, paths as names of members
//! (`"name.givenName": …`) and removes members by `value`; Okta leaves `path` out.

use super::filter::{Attr, Filter, Op as Compare, Place};
use super::matching::{fits, member};
use super::shape::{Attribute, Kind, Known, Shape, invalid, mutability, syntax};
use crate::problem::Problem;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Most operations of a request.
const MOST: usize = 500;
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// Carries the request out on what a client may write of a resource: all of it, or nothing.
pub(crate) fn apply(shape: &Shape, resource: &mut Map<String, Value>, body: &Value) -> Result<(), Problem> {
    let body = body.as_object().ok_or_else(|| syntax("the body is no object"))?;
    let schemas = member(body, "schemas").and_then(Value::as_array);
    if !schemas.is_some_and(|all| all.iter().any(|s| s.as_str() == Some(SCHEMA))) {
        return Err(syntax(format!("`schemas` does not name {SCHEMA}")));
    }
    let operations = member(body, "Operations").and_then(Value::as_array);
    let operations =
        operations.filter(|all| !all.is_empty()).ok_or_else(|| syntax("there are no `Operations`"))?;
    if operations.len() > MOST {
        return Err(invalid(format!("at most {MOST} operations in a request")));
    }
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| syntax("an operation is no object"))?;
        let op = match member(operation, "op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref()
        {
            Some("add") => Op::Add,
            Some("replace") => Op::Replace,
            Some("remove") => Op::Remove,
            _ => return Err(syntax("`op` is add, replace or remove")),
        };
        let value = member(operation, "value").unwrap_or(&Value::Null);
        match member(operation, "path") {
            None | Some(Value::Null) => whole(shape, resource, op, value)?,
            Some(Value::String(path)) if path.is_empty() => whole(shape, resource, op, value)?,
            Some(Value::String(path)) => at_path(shape, resource, op, path, value, true)?,
            Some(_) => return Err(syntax("`path` is a text")),
        }
    }
    shape.complete(resource)
}

/// Without a path: each member of the value is one.
fn whole(shape: &Shape, resource: &mut Map<String, Value>, op: Op, value: &Value) -> Result<(), Problem> {
    if op == Op::Remove {
        return Err(Problem::bad_request("noTarget", "remove needs a `path`"));
    }
    let members = value.as_object().ok_or_else(|| syntax("without a `path` the `value` is an object"))?;
    for (name, value) in members {
        if name.eq_ignore_ascii_case(shape.schema) {
            whole(shape, resource, op, value)?;
        } else {
            at_path(shape, resource, op, name, value, false)?;
        }
    }
    Ok(())
}

/// `strict`: the path was given as such, not as the name of a member.
fn at_path(
    shape: &Shape,
    resource: &mut Map<String, Value>,
    op: Op,
    path: &str,
    value: &Value,
    strict: bool,
) -> Result<(), Problem> {
    let place =
        Place::parse(path).map_err(|e| Problem::bad_request("invalidPath", format!("`path`: {e}")))?;
    // other schemas' attributes (the enterprise extension's) are passed over
    if place.attr.schema.as_deref().is_some_and(|s| !s.eq_ignore_ascii_case(shape.schema)) {
        return Ok(());
    }
    let attribute = match shape.known(&place.attr.name) {
        Known::Kept(attribute) => attribute,
        Known::Passed => return Ok(()),
        Known::ReadOnly if strict => return Err(mutability(format!("`{}` is read-only", place.attr))),
        Known::ReadOnly => return Ok(()),
        Known::Unknown => {
            return Err(Problem::bad_request(
                "invalidPath",
                format!("there is no attribute `{}`", place.attr),
            ));
        }
    };
    let no_such = || Problem::bad_request("invalidPath", format!("there is no place `{}`", place.attr));
    match attribute.kind {
        Kind::Text | Kind::Flag if place.filter.is_some() || place.attr.sub.is_some() => Err(no_such()),
        Kind::Complex(_) if place.filter.is_some() => Err(no_such()),
        Kind::Text | Kind::Flag => set(resource, attribute, op, value),
        Kind::Complex(parts) => complex(resource, attribute, parts, op, &place.attr, value),
        Kind::Many(parts, most) => {
            let part = match &place.attr.sub {
                None => None,
                Some(sub) => Some(*parts.iter().find(|p| p.eq_ignore_ascii_case(sub)).ok_or_else(no_such)?),
            };
            many(shape, resource, attribute, op, &place, part, value)?;
            match resource.get(attribute.name).and_then(Value::as_array).map(Vec::len) {
                Some(0) => drop(resource.remove(attribute.name)),
                Some(n) if n > most => {
                    return Err(invalid(format!("`{}` has at most {most} values", attribute.name)));
                }
                _ => {}
            }
            Ok(())
        }
    }
}

fn set(
    resource: &mut Map<String, Value>,
    attribute: &Attribute,
    op: Op,
    value: &Value,
) -> Result<(), Problem> {
    let read = if op == Op::Remove { None } else { attribute.read(value)? };
    match read {
        Some(value) => drop(resource.insert(attribute.name.to_owned(), value)),
        None if attribute.required => {
            return Err(mutability(format!("`{}` is required: it cannot be removed", attribute.name)));
        }
        None => drop(resource.remove(attribute.name)),
    }
    Ok(())
}

fn complex(
    resource: &mut Map<String, Value>,
    attribute: &Attribute,
    parts: &[&str],
    op: Op,
    attr: &Attr,
    value: &Value,
) -> Result<(), Problem> {
    let mut map = resource.get(attribute.name).and_then(Value::as_object).cloned().unwrap_or_default();
    match &attr.sub {
        None if op == Op::Remove || value.is_null() => map.clear(),
        None => {
            if let Some(Value::Object(new)) = attribute.read(value)? {
                map.extend(new);
            }
        }
        Some(sub) => {
            let part = parts.iter().find(|p| p.eq_ignore_ascii_case(sub));
            let part = part
                .ok_or_else(|| Problem::bad_request("invalidPath", format!("there is no place `{attr}`")))?;
            if op == Op::Remove || value.is_null() {
                map.remove(*part);
            } else {
                map.insert((*part).to_owned(), attribute.part(part, value)?);
            }
        }
    }
    if map.is_empty() {
        resource.remove(attribute.name);
    } else {
        resource.insert(attribute.name.to_owned(), Value::Object(map));
    }
    Ok(())
}

fn many(
    shape: &Shape,
    resource: &mut Map<String, Value>,
    attribute: &Attribute,
    op: Op,
    place: &Place,
    part: Option<&str>,
    value: &Value,
) -> Result<(), Problem> {
    let mut all = match resource.remove(attribute.name) {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    };
    let hit = |element: &Value| match &place.filter {
        None => true,
        Some(filter) => element.as_object().is_some_and(|map| fits(filter, map, shape.schema)),
    };
    let read = |value: &Value| match attribute.read(value)? {
        Some(Value::Array(new)) => Ok(new),
        _ => Ok::<_, Problem>(Vec::new()),
    };
    match (op, part) {
        // Entra: which ones, as a value
        (Op::Remove, None) if place.filter.is_none() && !value.is_null() => {
            let gone = read(value)?;
            let gone: HashSet<&str> = gone.iter().filter_map(id).collect();
            all.retain(|element| !id(element).is_some_and(|id| gone.contains(id)));
        }
        (Op::Remove, None) => all.retain(|element| !hit(element)),
        (Op::Remove, Some("value")) => {
            return Err(mutability(format!("`value` cannot be taken out of `{}`", attribute.name)));
        }
        (Op::Remove, Some(part)) => {
            for element in all.iter_mut().filter(|e| hit(e)) {
                element.as_object_mut().map(|map| map.remove(part));
            }
        }
        (Op::Replace, None) if place.filter.is_none() => all = read(value)?,
        (Op::Add, None) if place.filter.is_none() => add(attribute, &mut all, read(value)?),
        (Op::Add | Op::Replace, part) => {
            let new = match part {
                Some(part) => Map::from_iter([(part.to_owned(), attribute.part(part, value)?)]),
                None => loose(attribute, value)?,
            };
            let found: Vec<usize> = (0..all.len()).filter(|at| all.get(*at).is_some_and(hit)).collect();
            if found.is_empty() {
                if op == Op::Replace && place.filter.is_some() {
                    return Err(Problem::bad_request("noTarget", "no value fits the filter of the `path`"));
                }
                // what the filter says is so of the new one: `emails[type eq "work"].value`
                let mut made = place.filter.as_ref().map(said).unwrap_or_default();
                made.extend(new.clone());
                add(attribute, &mut all, read(&Value::Object(made))?);
            }
            for at in found {
                if let Some(Value::Object(map)) = all.get_mut(at) {
                    map.extend(new.clone());
                }
                alone(&mut all, at);
            }
        }
    }
    if !all.is_empty() {
        resource.insert(attribute.name.to_owned(), Value::Array(all));
    }
    Ok(())
}

fn id(element: &Value) -> Option<&str> {
    element.get("value").and_then(Value::as_str)
}

/// Adds what is not there yet: another value, or (but of members) another type.
fn add(attribute: &Attribute, all: &mut Vec<Value>, new: Vec<Value>) {
    let key = |element: &Value| {
        let of = |part: &str| element.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
        (of("value"), if attribute.name == "members" { String::new() } else { of("type") })
    };
    let mut there: HashSet<_> = all.iter().map(key).collect();
    for element in new {
        if there.insert(key(&element)) {
            all.push(element);
            let last = all.len() - 1;
            alone(all, last);
        }
    }
}

/// One is the primary one at most: the one that was written last.
fn alone(all: &mut [Value], at: usize) {
    let primary = |v: &Value| v.get("primary") == Some(&Value::Bool(true));
    if all.get(at).is_some_and(primary) {
        for (other, element) in all.iter_mut().enumerate() {
            if other != at && primary(element) {
                element.as_object_mut().map(|map| map.insert("primary".into(), Value::Bool(false)));
            }
        }
    }
}

/// Parts of an element that need not be whole.
fn loose(attribute: &Attribute, value: &Value) -> Result<Map<String, Value>, Problem> {
    let Kind::Many(parts, _) = attribute.kind else { return Ok(Map::new()) };
    let map =
        value.as_object().ok_or_else(|| invalid(format!("a value of `{}` is an object", attribute.name)))?;
    let mut read = Map::new();
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(part) = parts.iter().find(|p| p.eq_ignore_ascii_case(name)) {
            read.insert((*part).to_owned(), attribute.part(part, value)?);
        }
    }
    Ok(read)
}

/// What must be so for the filter to fit, as far as it says `eq`.
fn said(filter: &Filter) -> Map<String, Value> {
    match filter {
        Filter::And(a, b) => said(a).into_iter().chain(said(b)).collect(),
        Filter::Compare(Attr { name, sub: None, .. }, Compare::Eq, value) => {
            Map::from_iter([(name.clone(), value.clone())])
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
