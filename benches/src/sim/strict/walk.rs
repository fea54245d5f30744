//! The walk through a body along its shape.

use super::shape::{Shape, Shapes, Type};
use super::{Step, What, Wrong};
use serde_json::{Map, Value};

pub(super) struct Walk<'s> {
    shapes: &'s Shapes,
    path: Vec<Step>,
}

type Outcome = Result<(), Wrong>;

impl<'s> Walk<'s> {
    pub(super) fn new(shapes: &'s Shapes) -> Self {
        Self { shapes, path: Vec::new() }
    }

    pub(super) fn root(&mut self, name: &str, value: &Value) -> Outcome {
        match (self.shapes.roots.get(name), value) {
            (Some(root), Value::Object(object)) => self.object(root, object),
            _ => self.wrong(What::Type("object")),
        }
    }

    fn wrong(&self, what: What) -> Outcome {
        Err(Wrong { path: self.path.clone(), what })
    }

    fn within(&mut self, step: Step, check: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.path.push(step);
        let outcome = check(self);
        self.path.pop();
        outcome
    }

    fn object(&mut self, of: &'s Type, object: &Map<String, Value>) -> Outcome {
        let mut members = 0;
        for (key, value) in object {
            let shape = of.fields.get(key).or_else(|| of.fields.get(&camel(key)));
            self.within(Step::Key(key.clone()), |w| match shape {
                None => w.wrong(What::Unknown),
                Some(_) if value.is_null() => Ok(()), // said as good as not
                Some(shape) => {
                    members += 1;
                    w.value(shape, value)
                }
            })?;
        }
        for name in &of.required {
            let is_there = object.iter().any(|(k, v)| !v.is_null() && (k == name || camel(k) == *name));
            if !is_there {
                return self.within(Step::Key(name.clone()), |w| w.wrong(What::Missing));
            }
        }
        if of.one > 0 && members != 1 { self.wrong(What::Members(members)) } else { Ok(()) }
    }

    fn value(&mut self, shape: &'s Shape, value: &Value) -> Outcome {
        match shape {
            Shape::Simple(word) => match (word.as_str(), value) {
                ("*", _) | ("s", Value::String(_)) | ("n", Value::Number(_)) | ("b", Value::Bool(_)) => {
                    Ok(())
                }
                ("s", _) => self.wrong(What::Type("string")),
                ("n", _) => self.wrong(What::Type("number")),
                ("b", _) => self.wrong(What::Type("boolean")),
                (_, Value::Object(object)) => match self.named(word) {
                    Some(of) => self.object(of, object),
                    None => Ok(()),
                },
                _ => self.wrong(What::Type("object")),
            },
            Shape::List([item]) => match value {
                Value::Array(items) => items
                    .iter()
                    .enumerate()
                    .try_for_each(|(i, v)| self.within(Step::Index(i), |w| w.value(item, v))),
                _ => self.wrong(What::Type("array")),
            },
            Shape::Words { e } => match value {
                Value::String(word) if e.contains(word) => Ok(()),
                Value::String(word) => self.wrong(What::Word(word.clone(), e.clone())),
                _ => self.wrong(What::Type("string")),
            },
            Shape::Map { m } => match value {
                Value::Object(object) => {
                    object.iter().try_for_each(|(k, v)| self.within(Step::Key(k.clone()), |w| w.value(m, v)))
                }
                _ => self.wrong(What::Type("object")),
            },
            Shape::Union { u } => self.union(u, value),
        }
    }

    fn named(&self, word: &str) -> Option<&'s Type> {
        self.shapes.types.get(word.strip_prefix('#')?)
    }

    /// Any of several: those of the value's own tag are tried, and the mistake of the first is the one that is told.
    fn union(&mut self, any: &'s [Shape], value: &Value) -> Outcome {
        let mut told = None;
        let mut tags = Vec::new();
        for shape in any {
            let outcome = match (shape, value) {
                (Shape::Simple(word), Value::Object(object)) => match self.named(word) {
                    Some(of) => match foreign_tag(of, object, &mut tags) {
                        true => continue,
                        false => self.object(of, object),
                    },
                    None if word == "*" => Ok(()),
                    None => continue,
                },
                (Shape::List(_), Value::Array(_)) | (Shape::Map { .. }, Value::Object(_)) => {
                    self.value(shape, value)
                }
                (Shape::Words { .. }, Value::String(_)) => self.value(shape, value),
                (Shape::Simple(word), _) if !word.starts_with('#') => match self.value(shape, value) {
                    Err(_) => continue,
                    fine => fine,
                },
                _ => continue,
            };
            match outcome {
                Ok(()) => return Ok(()),
                Err(wrong) => {
                    told.get_or_insert(wrong);
                }
            }
        }
        if let Some(wrong) = told {
            return Err(wrong);
        }
        match value.get("type").or_else(|| value.get("role")).and_then(Value::as_str) {
            Some(tag) if !tags.is_empty() => {
                tags.sort();
                tags.dedup();
                self.wrong(What::Word(tag.to_owned(), tags))
            }
            _ => self.wrong(What::Type("value of one of the allowed types")),
        }
    }
}

/// Does the type have another tag than the value? The tags that it would have are collected.
fn foreign_tag(of: &Type, object: &Map<String, Value>, tags: &mut Vec<String>) -> bool {
    ["type", "role"].iter().any(|tag| match (of.fields.get(*tag), object.get(*tag)) {
        (Some(Shape::Words { e }), Some(Value::String(word))) => {
            tags.extend(e.iter().cloned());
            !e.contains(word)
        }
        (Some(Shape::Words { .. }), None) => of.required.iter().any(|r| r == tag),
        // a value with a tag is none of a type that has no tags at all
        (None, Some(Value::String(_))) => true,
        _ => false,
    })
}

/// Google's names in the spelling of JSON: its API takes both.
fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut up = false;
    for c in key.chars() {
        match c {
            '_' if !out.is_empty() => up = true,
            c if up => {
                out.extend(c.to_uppercase());
                up = false;
            }
            c => out.push(c),
        }
    }
    out
}
