//! What may stand where: the JSON Schema, walked beside a document. One source for "did you mean", for what is a
//! secret and for what is text whatever it looks like.

use serde_json::{Map, Value};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(crate::schema_doc::bare);

/// The schema at some place of the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// What a place takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// A map with known keys (and perhaps any others).
    Object(&'a Map<String, Value>),
    /// A list.
    List,
    /// One of these words.
    Word,
    /// A secret.
    Secret,
    /// Text, even if it looks like a number.
    Text,
    /// Something that serde judges.
    Other,
}

impl<'a> Shape<'a> {
    /// The shape of the whole configuration.
    pub(crate) fn config() -> Shape<'static> {
        Shape::of(&SCHEMA)
    }

    /// The shape that a schema describes.
    pub(crate) fn of(schema: &'a Value) -> Self {
        Self { root: schema, node: schema }.resolved()
    }

    /// Follows `$ref` and looks through "or null". The schema is ours and not recursive.
    fn resolved(self) -> Self {
        let at = |node| Self { node, ..self };
        if let Some(target) = self.node.get("$ref").and_then(Value::as_str) {
            let pointer = target.trim_start_matches('#');
            return self.root.pointer(pointer).map_or(self, |node| at(node).resolved());
        }
        if let Some(any) = self.node.get("anyOf").and_then(Value::as_array) {
            let mut choices = any.iter().filter(|c| c.get("type").and_then(Value::as_str) != Some("null"));
            if let (Some(one), None) = (choices.next(), choices.next()) {
                return at(one).resolved();
            }
        }
        self
    }

    pub(crate) fn kind(&self) -> Kind<'a> {
        if self.node.get("writeOnly").and_then(Value::as_bool) == Some(true) {
            return Kind::Secret;
        }
        if !self.words().is_empty() {
            return Kind::Word;
        }
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        match self.types().as_slice() {
            ["object"] => {
                Kind::Object(self.node.get("properties").and_then(Value::as_object).unwrap_or(&NONE))
            }
            ["array"] => Kind::List,
            ["string"] => Kind::Text,
            _ => Kind::Other,
        }
    }

    /// The types other than null.
    fn types(&self) -> Vec<&'a str> {
        let names = match self.node.get("type") {
            Some(Value::String(t)) => vec![t.as_str()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        names.into_iter().filter(|t| *t != "null").collect()
    }

    /// The words that an enumeration allows.
    pub(crate) fn words(&self) -> Vec<&'a str> {
        if let Some(all) = self.node.get("enum").and_then(Value::as_array) {
            return all.iter().filter_map(Value::as_str).collect();
        }
        let choices = self.node.get("oneOf").and_then(Value::as_array);
        let words = choices.into_iter().flatten();
        words.filter_map(|c| c.get("const").and_then(Value::as_str)).collect()
    }

    /// The shape behind a key; None: there is no such key.
    pub(crate) fn key(&self, key: &str) -> Option<Shape<'a>> {
        let known = self.node.get("properties").and_then(|p| p.get(key));
        let other = || self.node.get("additionalProperties").filter(|a| a.is_object());
        known.or_else(other).map(|node| Self { node, ..*self }.resolved())
    }

    /// The shape of a list's items.
    pub(crate) fn item(&self) -> Option<Shape<'a>> {
        self.node.get("items").map(|node| Self { node, ..*self }.resolved())
    }

    /// The keys that must be there.
    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let all = self.node.get("required").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The `attempt`-th value that may satisfy this shape: stands in for a wrong one while the rest of the document
    /// is judged. None: no more ideas.
    pub(crate) fn stand_in(&self, attempt: usize) -> Option<Value> {
        let one = |v: Value| (attempt == 0).then_some(v);
        match self.kind() {
            Kind::Word => one(self.words().first().map_or(Value::Null, |w| Value::from(*w))),
            Kind::List => one(Value::Array(Vec::new())),
            Kind::Object(_) => {
                let mut map = Map::new();
                for key in self.required() {
                    map.insert(key.to_owned(), self.key(key)?.stand_in(attempt)?);
                }
                one(Value::Object(map))
            }
            Kind::Secret | Kind::Text => {
                let texts = ["x", "127.0.0.1:1", "127.0.0.0/8", "http://stand.in"];
                texts.get(attempt).map(|t| Value::from(*t))
            }
            Kind::Other => match self.types().first() {
                Some(&"boolean") => one(Value::from(false)),
                Some(&"integer" | &"number") => one(Value::from(1)),
                _ => ["1s", "1"].get(attempt).map(|t| Value::from(*t)),
            },
        }
    }
}

/// The word most like `wrong`, if any is like it.
pub(crate) fn nearest<'a>(wrong: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_lowercase().replace('-', "_");
    words
        .into_iter()
        .map(|w| (strsim::jaro_winkler(&lower, &w.to_lowercase().replace('-', "_")), w))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, w)| w)
}
