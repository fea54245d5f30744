//! Reading an overlay that is to be stored.

use super::Content;
use crate::model::{Config, Model, Provider};
use crate::settings;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Longest overlay.
const LONGEST: usize = 4 * 1024 * 1024;
/// Most providers and most models.
const MOST: usize = 10_000;

/// Why an overlay cannot be read. Never quotes a value.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Not YAML.
    #[error("not YAML{0}")]
    Yaml(String),
    /// Something that is not stored.
    #[error("{0}")]
    Form(String),
}

/// Reads an overlay that somebody has sent: variables are not filled in, files are not read, and a secret that is a
/// variable (which then stands in its place) is told to be one in `untold`.
///
/// # Errors
/// It is not YAML, has another form, or says something that is not stored.
pub fn read(text: &str) -> Result<Content, TransferError> {
    if text.len() > LONGEST {
        return Err(TransferError::Form(format!("an overlay of more than {LONGEST} bytes")));
    }
    // (Aliases that would make a small text a large document are bounded by the parser.)
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| {
        TransferError::Yaml(e.location().map(|l| format!(" (line {})", l.line())).unwrap_or_default())
    })?;
    let value = plain(value)?;
    let Value::Object(mut document) = value else {
        return Err(TransferError::Form("an overlay is a map with providers, models and settings".into()));
    };
    document.retain(|key, value| !key.starts_with("x-") && !value.is_null());
    let mut content = Content::default();
    for (i, item) in list(document.shift_remove("providers"), "providers")?.into_iter().enumerate() {
        let Value::Object(mut map) = item else { return Err(bad("providers", i)) };
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut found = Vec::new();
        untold(&mut map, &mut Vec::new(), &mut found)?;
        let provider: Provider = typed(map, &format!("providers[{name}]"))?;
        content.untold.extend(found.into_iter().map(|path| (name.clone(), path)));
        content.providers.push(provider);
    }
    for (i, item) in list(document.shift_remove("models"), "models")?.into_iter().enumerate() {
        let Value::Object(map) = item else { return Err(bad("models", i)) };
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let model: Model = typed(unescape_map(map), &format!("models[{name}]"))?;
        content.models.push(model);
    }
    leaves(&document, &mut Vec::new(), &mut content)?;
    once(content.providers.iter().map(|p| p.name.as_str()), "provider")?;
    once(content.models.iter().map(|m| m.name.as_str()), "model")?;
    Ok(content)
}

/// What a configuration says: its providers, its models, and the settings that are not at their default.
pub fn of_config(config: &Config) -> Content {
    let settings = settings::ALL.iter().filter(|s| s.held(config));
    Content {
        providers: config.providers.clone(),
        untold: Vec::new(),
        models: config.models.clone(),
        settings: settings.map(|s| (s.name.to_owned(), s.of(config))).collect(),
    }
}

/// Tags, and keys that are no text, have no place in it.
fn plain(value: serde_yaml::Value) -> Result<Value, TransferError> {
    Ok(match value {
        serde_yaml::Value::Tagged(t) => {
            return Err(TransferError::Form(format!("{} has no meaning for what is stored", t.tag)));
        }
        serde_yaml::Value::Sequence(items) => {
            Value::Array(items.into_iter().map(plain).collect::<Result<_, _>>()?)
        }
        serde_yaml::Value::Mapping(map) => {
            let pair = |(key, value): (serde_yaml::Value, serde_yaml::Value)| match key {
                serde_yaml::Value::String(key) => Ok((key, plain(value)?)),
                _ => Err(TransferError::Form("a key that is not text".into())),
            };
            Value::Object(map.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
        other => {
            serde_json::to_value(other).map_err(|_| TransferError::Form("a number that is none".into()))?
        }
    })
}

/// Tells where secrets are variables; `$${` becomes `${`.
fn untold(
    map: &mut Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> Result<(), TransferError> {
    for (key, value) in map.iter_mut() {
        path.push(key.clone());
        match value {
            Value::Object(inner) => untold(inner, path, found)?,
            Value::String(text) if text.starts_with("${") && text.ends_with('}') => {
                if !is_secret(path) {
                    return Err(TransferError::Form(format!(
                        "providers: {}: variables are filled in for secrets only, write the value",
                        path.join(".")
                    )));
                }
                found.push(path.clone());
            }
            Value::String(text) if is_secret(path) && text.starts_with("file:") => {
                return Err(TransferError::Form(format!(
                    "providers: {}: files are not read here; write the secret, or a variable to leave it as it is",
                    path.join(".")
                )));
            }
            other => *other = unescape(std::mem::take(other)),
        }
        path.pop();
    }
    Ok(())
}

fn is_secret(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["api_key"]
            | ["headers", _]
            | ["azure_openai", "entra", "client_secret"]
            | ["vertex", "credentials"]
            | ["bedrock", "access_key_id" | "secret_access_key" | "session_token"]
    )
}

fn unescape(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("$${", "${")),
        Value::Array(items) => Value::Array(items.into_iter().map(unescape).collect()),
        Value::Object(map) => Value::Object(unescape_map(map)),
        other => other,
    }
}

fn unescape_map(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter().map(|(k, v)| (k, unescape(v))).collect()
}

/// What is left must be settings.
fn leaves(
    map: &Map<String, Value>,
    path: &mut Vec<String>,
    content: &mut Content,
) -> Result<(), TransferError> {
    for (key, value) in map {
        path.push(key.clone());
        let name = path.join(".");
        let inside = format!("{name}.");
        if settings::find(&name).is_some() {
            content.settings.insert(name, unescape(value.clone()));
        } else if let (Value::Object(inner), true) =
            (value, settings::ALL.iter().any(|s| s.name.starts_with(&inside)))
        {
            leaves(inner, path, content)?;
        } else {
            return Err(TransferError::Form(format!(
                "{name} cannot be stored: it belongs into a file (GET /api/settings lists what can)"
            )));
        }
        path.pop();
    }
    Ok(())
}

fn list(value: Option<Value>, what: &str) -> Result<Vec<Value>, TransferError> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= MOST => Ok(items),
        Some(Value::Array(_)) => Err(TransferError::Form(format!("{what}: at most {MOST}"))),
        Some(_) => Err(TransferError::Form(format!("{what} is a list"))),
    }
}

fn bad(what: &str, index: usize) -> TransferError {
    TransferError::Form(format!("{what}[{index}] is not a map"))
}

fn typed<T: serde::de::DeserializeOwned>(map: Map<String, Value>, place: &str) -> Result<T, TransferError> {
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|e| {
        let told = e.inner().to_string();
        let safe = ["unknown field", "missing field", "unknown variant"];
        let told =
            if safe.iter().any(|s| told.starts_with(s)) { told } else { "another form is expected".into() };
        TransferError::Form(format!("{place}: {}: {told}", e.path()))
    })
}

fn once<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<(), TransferError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TransferError::Form(format!("the {what} {name} is there twice")));
        }
    }
    Ok(())
}
