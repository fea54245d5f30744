//! Files → a configuration that is fit to run.

use crate::decode::decode;
use crate::document::Document;
use crate::errors::{Errors, Problem};
use crate::model::Config;
use crate::overlay::{Data, Node, merge, parse};
use crate::prices::PriceTable;
use crate::resolve::resolve;
use crate::shape::Shape;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroize;

/// A configuration that is fit to run, and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Arc<Config>,
    /// Token prices: the price file under `prices.models`.
    pub prices: Arc<PriceTable>,
    /// The merged document: where each value came from. Secrets are masked.
    pub document: Document,
    /// SHA-256 (hex) of the merged document and the price file; secrets go in as digests. Equal on two instances
    /// that run the same configuration, wherever their files are.
    pub hash: String,
    /// What is allowed but looks wrong.
    pub warnings: Vec<Problem>,
    /// Every file that was read (or named and missing): the YAML files, secrets, the price file.
    pub files: Vec<PathBuf>,
}

/// Reads the files, the first one lowest. `env` looks up environment variables (in the program:
/// [`process_env`]).
pub fn load(files: &[PathBuf], env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Errors> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let names: Vec<Arc<Path>> = files.iter().map(|f| Arc::from(f.as_path())).collect();
    let mut root: Option<Node> = None;
    for file in &names {
        match read(file) {
            Ok(node) => {
                root = Some(match root.take() {
                    Some(below) => merge(below, node, &mut warnings),
                    None => node,
                });
            }
            Err(p) => problems.push(p),
        }
    }
    let Some(root) = root.and_then(Node::settle) else {
        if problems.is_empty() {
            problems.push(Problem::new(None, "", "no configuration file was given"));
        }
        return Err(Errors(problems));
    };
    // With a file missing, the rest would only seem wrong.
    if !problems.is_empty() {
        return Err(Errors(problems));
    }
    let shape = Shape::config();
    let mut root = root;
    let (mut value, mut resolved) = resolve(&mut root, shape, env);
    let document = Document { root };
    let hash = digest(&value, shape);
    let config: Option<Config> = decode(&mut value, shape, &document, &mut resolved);
    wipe(&mut value);
    problems.append(&mut resolved.errors);
    let mut read_files: Vec<PathBuf> = files.to_vec();
    read_files.append(&mut resolved.secret_files);
    let Some(config) = config else { return Err(Errors(Errors::sorted(problems, &names))) };

    let verdict = crate::validate::validate(&config, &document, &resolved.doubtful);
    problems.extend(verdict.errors);
    warnings.extend(verdict.warnings);

    let mut hash = hash;
    let priced = crate::prices::load(&config, &document, env);
    let prices = match priced {
        Ok(priced) => {
            if let Some((file, text)) = priced.source {
                hash.update(text.as_bytes());
                read_files.push(file);
            }
            Arc::new(priced.table)
        }
        Err(errors) => {
            problems.extend(errors.0);
            Arc::default()
        }
    };
    if !problems.is_empty() {
        return Err(Errors(Errors::sorted(problems, &names)));
    }
    Ok(Loaded {
        config: Arc::new(config),
        prices,
        document,
        hash: hex::encode(hash.finalize()),
        warnings: Errors::sorted(warnings, &names),
        files: read_files,
    })
}

/// The environment of this process.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads and parses one file.
pub(crate) fn read(file: &Arc<Path>) -> Result<Node, Problem> {
    let bytes = std::fs::read(file)
        .map_err(|e| Problem::new(None, "", format!("cannot read {}: {e}", file.display())))?;
    parse(file, &bytes)
}

/// A digest that does not depend on the order of keys.
fn digest(value: &Value, shape: Shape<'_>) -> Sha256 {
    fn feed(hash: &mut Sha256, value: &Value, shape: Option<Shape<'_>>) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort();
                hash.update(b"{");
                for key in keys {
                    feed(hash, &Value::from(key.as_str()), None);
                    feed(hash, &map[key], shape.and_then(|s| s.key(key)));
                }
                hash.update(b"}");
            }
            Value::Array(items) => {
                hash.update(b"[");
                let inner = shape.and_then(|s| s.item());
                items.iter().for_each(|i| feed(hash, i, inner));
                hash.update(b"]");
            }
            Value::String(text) if shape.is_some_and(|s| matches!(s.kind(), crate::shape::Kind::Secret)) => {
                hash.update(b"*");
                hash.update(Sha256::digest(text.as_bytes()));
            }
            other => {
                hash.update(other.to_string().as_bytes());
                hash.update(b",");
            }
        }
    }
    let mut hash = Sha256::new();
    feed(&mut hash, value, Some(shape));
    hash
}

/// Secrets were in there.
fn wipe(value: &mut Value) {
    match value {
        Value::String(s) => s.zeroize(),
        Value::Array(a) => a.iter_mut().for_each(wipe),
        Value::Object(m) => m.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Reads a map of another kind (the price file) by the same rules: variables, unknown keys, places.
pub(crate) fn load_part<T: serde::de::DeserializeOwned>(
    mut root: Node,
    schema: &Value,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<T, Errors> {
    let shape = Shape::of(schema);
    let empty = Node { data: Data::Map(Vec::new()), ..root.clone() };
    root = root.settle().unwrap_or(empty);
    let (mut value, mut resolved) = resolve(&mut root, shape, env);
    let document = Document { root };
    let part = decode(&mut value, shape, &document, &mut resolved);
    match part {
        Some(part) if resolved.errors.is_empty() => Ok(part),
        _ => Err(Errors(resolved.errors)),
    }
}

#[cfg(test)]
mod tests;
