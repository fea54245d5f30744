//! The merged tree → plain values: variables filled in, secrets fetched, keys and words judged. Everything that is
//! wrong is collected; a stand-in takes the place of what is missing, so that the rest can be judged too.

use crate::errors::Problem;
use crate::overlay::{Data, Node, Plain, fill, plain};
use crate::shape::{Kind, Shape, nearest};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Largest file behind a `file:` reference.
const MAX_SECRET: u64 = 64 << 10;

/// What the tree said.
#[derive(Default)]
pub(crate) struct Resolved {
    /// Errors.
    pub(crate) errors: Vec<Problem>,
    /// Files that `file:` references named, also missing ones.
    pub(crate) secret_files: Vec<PathBuf>,
    /// Places (as in errors) whose value is a stand-in.
    pub(crate) doubtful: HashSet<String>,
}

/// Reads the tree. Scalars of `root` become what they stand for (secrets: `***`), so that it can be shown.
pub(crate) fn resolve(
    root: &mut Node,
    shape: Shape<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Value, Resolved) {
    let mut walk = Walk { env, out: Resolved::default() };
    let value = walk.value(root, Some(shape), "").unwrap_or_else(|| Value::Object(Map::new()));
    (value, walk.out)
}

struct Walk<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    out: Resolved,
}

impl Walk<'_> {
    fn error(&mut self, node: &Node, path: &str, message: impl Into<String>) {
        self.out.errors.push(Problem::new(Some(node.origin.clone()), path, message));
        self.out.doubtful.insert(path.to_owned());
    }

    /// None: an explicit null, or nothing that can be used.
    fn value(&mut self, node: &mut Node, shape: Option<Shape<'_>>, path: &str) -> Option<Value> {
        match &mut node.data {
            Data::Empty => None,
            Data::Scalar(_) => self.scalar(node, shape, path),
            Data::List(items) => {
                let item_shape = shape.and_then(|s| s.item());
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.iter_mut().enumerate() {
                    let inner = item_path(path, i, item);
                    out.push(self.value(item, item_shape, &inner).unwrap_or(Value::Null));
                }
                Some(Value::Array(out))
            }
            Data::Map(_) => Some(self.map(node, shape, path)),
        }
    }

    fn map(&mut self, node: &mut Node, shape: Option<Shape<'_>>, path: &str) -> Value {
        let properties = match shape.map(|s| s.kind()) {
            Some(Kind::Object(p)) => Some(p),
            _ => None,
        };
        let mut out = Map::new();
        let mut unknown = Vec::new();
        if let Data::Map(entries) = &mut node.data {
            if path.is_empty() {
                entries.retain(|e| !e.key.starts_with("x-"));
            }
            entries.retain_mut(|entry| {
                let inner = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                let inner_shape = shape.and_then(|s| s.key(&entry.key));
                if properties.is_some() && inner_shape.is_none() {
                    unknown.push((entry.key.clone(), entry.key_origin.clone()));
                    return false;
                }
                match self.value(&mut entry.value, inner_shape, &inner) {
                    Some(v) => {
                        out.insert(entry.key.clone(), v);
                        true
                    }
                    None => false,
                }
            });
        }
        if let Some(properties) = properties {
            for (key, origin) in unknown {
                let message = unknown_key(&key, path, properties);
                self.out.errors.push(Problem::new(Some(origin), path, message));
            }
        }
        if let (Some(shape), Some(_)) = (shape, properties) {
            for key in shape.required().filter(|k| !node.has(k)) {
                if !self.out.doubtful.contains(&join(path, key)) {
                    self.error(node, path, format!("`{key}` is missing"));
                    self.out.doubtful.insert(join(path, key));
                }
                out.insert(key.to_owned(), shape.key(key).and_then(|s| s.stand_in(0)).unwrap_or(Value::Null));
            }
        }
        Value::Object(out)
    }

    fn scalar(&mut self, node: &mut Node, shape: Option<Shape<'_>>, path: &str) -> Option<Value> {
        let Data::Scalar(scalar) = &mut node.data else { return None };
        if scalar.is_null() {
            return None;
        }
        let filled = match fill(&scalar.text, self.env) {
            Ok(f) => f,
            Err(message) => {
                self.error(node, path, message);
                return None;
            }
        };
        let substituted = !filled.variables.is_empty();
        scalar.text = filled.text;
        scalar.sources = filled.variables;
        // `${KEY:-}` with nothing in it is as good as not written.
        if substituted && scalar.text.is_empty() {
            return None;
        }
        // Quotes around `${…}` are often needed by YAML and say nothing about the type.
        let plain_text = scalar.plain || substituted;
        match shape.map(|s| (s, s.kind())) {
            Some((_, Kind::Secret)) => self.secret(node, path),
            Some((_, Kind::Text)) => Some(Value::from(scalar.text.as_str())),
            Some((shape, Kind::Word)) => {
                let words = shape.words();
                if words.contains(&scalar.text.as_str()) {
                    return Some(Value::from(scalar.text.as_str()));
                }
                let mut message =
                    format!("`{}` is none of {}", shown(&scalar.text, substituted), words.join(", "));
                if let Some(word) = nearest(&scalar.text, words) {
                    message.push_str(&format!("; did you mean `{word}`?"));
                }
                self.error(node, path, message);
                shape.stand_in(0)
            }
            _ if plain_text => Some(match plain(&scalar.text) {
                Plain::Null => Value::Null,
                Plain::Bool(b) => Value::from(b),
                Plain::Number(n) => Value::from(n),
                Plain::Text => Value::from(scalar.text.as_str()),
            }),
            _ => Some(Value::from(scalar.text.as_str())),
        }
    }

    fn secret(&mut self, node: &mut Node, path: &str) -> Option<Value> {
        let base = node.origin.file.parent().map(Path::to_path_buf).unwrap_or_default();
        let Data::Scalar(scalar) = &mut node.data else { return None };
        let text = std::mem::replace(&mut scalar.text, "***".into());
        let Some(named) = text.strip_prefix("file:") else { return Some(Value::from(text)) };
        let file = base.join(named);
        scalar.sources.push(format!("file:{named}"));
        self.out.secret_files.push(file.clone());
        match read_secret(&file) {
            Ok(text) => Some(Value::from(text)),
            Err(message) => {
                self.error(node, path, message);
                Some(Value::from("x"))
            }
        }
    }
}

fn read_secret(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let length = std::fs::metadata(file).map_err(|e| format!("cannot read {shown}: {e}"))?.len();
    if length > MAX_SECRET {
        return Err(format!("{shown} is larger than {} KiB: not a secret", MAX_SECRET >> 10));
    }
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err(format!("{shown} is empty")) } else { Ok(text.to_owned()) }
}

fn unknown_key(key: &str, path: &str, properties: &Map<String, Value>) -> String {
    let known = || properties.keys().map(String::as_str);
    match nearest(key, known()) {
        Some(word) => format!("unknown key `{key}`; did you mean `{word}`?"),
        None if path.is_empty() => {
            format!("unknown key `{key}`; the sections are {}", known().collect::<Vec<_>>().join(", "))
        }
        None => format!("unknown key `{key}`; there are {}", known().collect::<Vec<_>>().join(", ")),
    }
}

/// What an error may show of a value: nothing of what came from a variable.
pub(crate) fn shown(text: &str, substituted: bool) -> String {
    if substituted { "***".into() } else { text.chars().take(60).collect() }
}

/// The place of a list's item: by name where it has one.
pub(crate) fn item_path(path: &str, index: usize, item: &Node) -> String {
    match item.item_name() {
        Some(name) if !name.is_empty() && !name.contains("${") => format!("{path}[{name}]"),
        _ => format!("{path}[{index}]"),
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
