//! JSON Schema to Gemini's schemas. What they cannot say is a loss, named by keyword.

use super::MAX_DEPTH;
use crate::ir::{Losses, Raw};
use serde_json::{Map, Value};

/// Schemas made from one; a schema of references to references could otherwise grow without end.
const MAX_SCHEMAS: usize = 2_000;
/// Values that may be copied from beside `anyOf` into its alternatives.
const MAX_COPIED: usize = 20_000;
/// How often a reference is followed inside itself.
const MAX_RECURSION: usize = 3;

/// Keywords that mean the same there.
const SAME: [&str; 14] = [
    "title",
    "description",
    "default",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "propertyOrdering",
];
/// Keywords that constrain nothing.
const NOTES: [&str; 12] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentMediaType",
];

/// Converts a schema; `field` names it in `losses`.
pub fn from_json_schema(schema: &Raw, field: &str, losses: &mut Losses) -> Value {
    let root = schema.value();
    let mut c = Converter { root: &root, field, losses, made: 0, copied: 0, trail: Vec::new() };
    c.schema(&root, 0)
}

struct Converter<'a> {
    root: &'a Value,
    field: &'a str,
    losses: &'a mut Losses,
    made: usize,
    /// Values that were written once more.
    copied: usize,
    /// References that are being followed.
    trail: Vec<String>,
}

impl Converter<'_> {
    fn lose(&mut self, keyword: &str, reason: &'static str) {
        let field = format!("{} ({keyword})", self.field);
        if !self.losses.0.iter().any(|l| l.field == field) {
            self.losses.add(field, reason);
        }
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Value {
        self.made += 1;
        let Value::Object(fields) = schema else {
            // `true`: anything; `false`: nothing, which cannot be said.
            if *schema == Value::Bool(false) {
                self.lose("false", "the model's provider has no schema that nothing fits");
            }
            return Value::Object(Map::new());
        };
        if depth > MAX_DEPTH || self.made > MAX_SCHEMAS {
            self.lose("$ref", "the schema is too large for the model's provider");
            return Value::Object(Map::new());
        }
        if let Some(Value::String(reference)) = fields.get("$ref") {
            return self.reference(reference, fields, depth);
        }
        let mut out = Map::new();
        self.kind(fields, depth, &mut out);
        for (keyword, value) in fields {
            match keyword.as_str() {
                "type" | "nullable" => {}
                "properties" => {
                    let inner = value.as_object().into_iter().flatten();
                    let inner = inner.map(|(k, v)| (k.clone(), self.schema(v, depth + 1)));
                    let inner: Map<_, _> = inner.collect();
                    out.insert("properties".into(), Value::Object(inner));
                }
                "items" => {
                    let inner = self.schema(value, depth + 1);
                    out.insert("items".into(), inner);
                }
                "required" => {
                    out.insert("required".into(), value.clone());
                }
                "anyOf" | "oneOf" => self.any_of(value, depth, &mut out),
                "allOf" => self.all_of(value, depth, &mut out),
                "enum" => self.words(value.as_array().map_or(&[], Vec::as_slice), &mut out),
                "const" => self.words(std::slice::from_ref(value), &mut out),
                "exclusiveMinimum" | "exclusiveMaximum" => self.exclusive(keyword, value, &mut out),
                // Gemini writes no properties that the schema does not name.
                "additionalProperties" if *value == Value::Bool(false) || *value == Value::Bool(true) => {}
                k if SAME.contains(&k) => {
                    out.insert(keyword.clone(), value.clone());
                }
                k if NOTES.contains(&k) => {}
                k => self.lose(k, "the model's provider has no such constraint in its schemas"),
            }
        }
        self.alone(&mut out);
        Value::Object(out)
    }

    /// Vertex refuses a schema with anything beside `anyOf`: what stands there goes into each alternative.
    fn alone(&mut self, out: &mut Map<String, Value>) {
        let Some(Value::Array(mut each)) = out.remove("anyOf") else { return };
        let beside = std::mem::take(out);
        // Copies of copies, level by level, could otherwise grow without end.
        let size: usize = beside.values().map(size).sum();
        self.copied = self.copied.saturating_add(size.saturating_mul(each.len()));
        if self.copied > MAX_COPIED {
            self.lose("anyOf", "the schema is too large for the model's provider");
            out.insert("anyOf".into(), Value::Array(each));
            return;
        }
        // Several types: each alternative has taken what is for it.
        let split = !beside.contains_key("type") && each.iter().all(|e| e.get("type").is_some());
        for one in each.iter_mut().filter_map(Value::as_object_mut) {
            for (k, v) in &beside {
                let note = matches!(k.as_str(), "title" | "description" | "default" | "nullable");
                let kind = one.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
                if split && !note && !belongs(k, &Value::String(kind)) {
                    continue;
                }
                match one.get(k) {
                    None => {
                        one.insert(k.clone(), v.clone());
                    }
                    Some(old) if old == v || note => {}
                    Some(_) => {
                        self.lose(k, "two constraints of one kind cannot be told to the model's provider")
                    }
                }
            }
        }
        out.insert("anyOf".into(), Value::Array(each));
    }

    /// `#/$defs/Name`, put in its place, a few times inside itself.
    fn reference(&mut self, reference: &str, fields: &Map<String, Value>, depth: usize) -> Value {
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target else {
            self.lose("$ref", "the reference leads nowhere");
            return Value::Object(Map::new());
        };
        if self.trail.iter().filter(|r| *r == reference).count() >= MAX_RECURSION {
            self.lose("$ref", "the model's provider has no schemas that contain themselves");
            return serde_json::json!({"type": "OBJECT"});
        }
        self.trail.push(reference.to_owned());
        let mut out = self.schema(target, depth + 1);
        self.trail.pop();
        if let Value::Object(out) = &mut out {
            for note in ["title", "description", "default"] {
                if let Some(v) = fields.get(note) {
                    out.insert(note.into(), v.clone());
                }
            }
        }
        out
    }

    /// `type`, also several, and `nullable`.
    fn kind(&mut self, fields: &Map<String, Value>, depth: usize, out: &mut Map<String, Value>) {
        let upper = |k: &Value| k.as_str().map(|k| Value::String(k.to_ascii_uppercase()));
        match fields.get("type") {
            Some(one @ Value::String(_)) => out.extend(upper(one).map(|k| ("type".into(), k))),
            Some(Value::Array(kinds)) => {
                let real: Vec<&Value> = kinds.iter().filter(|k| *k != "null").collect();
                if real.len() < kinds.len() {
                    out.insert("nullable".into(), true.into());
                }
                match real.as_slice() {
                    [] => {
                        out.insert("type".into(), "NULL".into());
                    }
                    [one] => out.extend(upper(one).map(|k| ("type".into(), k))),
                    // Each kind takes the keywords that are for it; they are ignored by the others.
                    several => {
                        let each = several.iter().map(|k| {
                            let mut one = fields.clone();
                            one.insert("type".into(), (*k).clone());
                            one.retain(|key, _| key == "type" || belongs(key, k));
                            self.schema(&Value::Object(one), depth + 1)
                        });
                        let each: Vec<_> = each.collect();
                        out.insert("anyOf".into(), Value::Array(each));
                    }
                }
            }
            _ => {}
        }
        if fields.get("nullable") == Some(&Value::Bool(true)) {
            out.insert("nullable".into(), true.into());
        }
    }

    fn any_of(&mut self, value: &Value, depth: usize, out: &mut Map<String, Value>) {
        let all = value.as_array().map_or(&[][..], Vec::as_slice);
        let is_null = |v: &Value| v.get("type").is_some_and(|t| t == "null");
        let real: Vec<&Value> = all.iter().filter(|v| !is_null(v)).collect();
        if real.len() < all.len() {
            out.insert("nullable".into(), true.into());
        }
        let mut each: Vec<Value> = real.into_iter().map(|v| self.schema(v, depth + 1)).collect();
        match (each.len(), each.pop()) {
            (1, Some(Value::Object(one))) => {
                for (k, v) in one {
                    out.entry(k).or_insert(v);
                }
            }
            (_, Some(last)) => {
                each.push(last);
                out.insert("anyOf".into(), Value::Array(each));
            }
            _ => {}
        }
    }

    /// All of several: their keywords together, where they do not meet.
    fn all_of(&mut self, value: &Value, depth: usize, out: &mut Map<String, Value>) {
        for part in value.as_array().into_iter().flatten() {
            let Value::Object(part) = self.schema(part, depth + 1) else { continue };
            for (k, v) in part {
                match (out.get_mut(&k), v) {
                    (None, v) => {
                        out.insert(k, v);
                    }
                    (Some(Value::Object(old)), Value::Object(new)) if k == "properties" => old.extend(new),
                    (Some(Value::Array(old)), Value::Array(new)) if k == "required" => old.extend(new),
                    (Some(old), new) if *old == new || matches!(&*k, "title" | "description") => {}
                    _ => self
                        .lose("allOf", "two constraints of one kind cannot be told to the model's provider"),
                }
            }
        }
    }

    /// Gemini's enums are lists of strings.
    fn words(&mut self, values: &[Value], out: &mut Map<String, Value>) {
        if values.iter().any(Value::is_null) {
            out.insert("nullable".into(), true.into());
        }
        let real: Vec<&Value> = values.iter().filter(|v| !v.is_null()).collect();
        let kind = match real.first() {
            Some(Value::String(_)) => "STRING",
            Some(Value::Number(n)) if n.is_f64() => "NUMBER",
            Some(Value::Number(_)) => "INTEGER",
            None => return,
            _ => "",
        };
        let same = real.iter().all(|v| if kind == "STRING" { v.is_string() } else { v.is_number() });
        if kind.is_empty() || !same {
            self.lose("enum", "the model's provider lists strings and numbers only");
            return;
        }
        out.entry("type").or_insert(kind.into());
        out.insert("format".into(), "enum".into());
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        out.insert("enum".into(), real.into_iter().map(|v| Value::String(text(v))).collect());
    }

    fn exclusive(&mut self, keyword: &str, value: &Value, out: &mut Map<String, Value>) {
        let (name, step) = if keyword == "exclusiveMinimum" { ("minimum", 1) } else { ("maximum", -1) };
        // Of whole numbers, "more than 3" is "at least 4".
        let whole = out.get("type").is_some_and(|t| t == "INTEGER");
        match value.as_i64().and_then(|n| n.checked_add(step)).filter(|_| whole) {
            Some(n) => {
                out.insert(name.into(), n.into());
            }
            None => self.lose(keyword, "the model's provider has no such constraint in its schemas"),
        }
    }
}

/// Is a keyword one for a type?
fn belongs(keyword: &str, kind: &Value) -> bool {
    match keyword {
        "properties" | "required" | "additionalProperties" | "minProperties" | "maxProperties" => {
            kind == "object"
        }
        "items" | "prefixItems" | "minItems" | "maxItems" | "uniqueItems" => kind == "array",
        "minLength" | "maxLength" | "pattern" | "format" => kind == "string",
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            kind == "number" || kind == "integer"
        }
        _ => false,
    }
}

/// Values in a value.
fn size(v: &Value) -> usize {
    1 + match v {
        Value::Array(a) => a.iter().map(size).sum(),
        Value::Object(o) => o.values().map(size).sum(),
        _ => 0,
    }
}
