//! The overlay's text.

use super::Content;
use crate::resources::{bare, secrets, shown_model};
use serde_json::{Map, Value};
use std::collections::HashSet;
use zeroize::Zeroizing;

/// An overlay, and what its variables stand for.
#[derive(Debug)]
pub struct Overlay {
    /// YAML.
    pub text: String,
    /// The variables that it names, with the secrets that they stand for.
    pub variables: Vec<(String, Zeroizing<String>)>,
}

/// Writes it.
///
/// # Errors
/// It cannot be written as YAML.
pub fn overlay(content: &Content) -> Result<Overlay, serde_yaml::Error> {
    let mut variables: Vec<(String, Zeroizing<String>)> = Vec::new();
    let mut taken = HashSet::new();
    let mut document = Map::new();
    for (name, value) in &content.settings {
        nest(&mut document, &mut name.split('.'), escaped(value.clone()));
    }
    let mut providers = Vec::new();
    for p in &content.providers {
        let mut one = bare(p);
        escape(&mut one);
        for (path, secret) in secrets(p) {
            let words: Vec<&str> =
                std::iter::once(p.name.as_str()).chain(path.iter().map(String::as_str)).collect();
            let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            let base: String = format!("SALLYPORT_{}", words.join("_")).chars().map(word).collect();
            let mut name = base.clone();
            let mut n = 2;
            while !taken.insert(name.clone()) {
                name = format!("{base}_{n}");
                n += 1;
            }
            nest(&mut one, &mut path.iter().map(String::as_str), Value::from(format!("${{{name}}}")));
            variables.push((name, secret));
        }
        providers.push(Value::Object(one));
    }
    document.insert("providers".into(), Value::Array(providers));
    let models = content.models.iter().map(|m| escaped(shown_model(m)));
    document.insert("models".into(), Value::Array(models.collect()));
    let mut text = String::from(
        "# What was stored in Sallyport: lay it over your other files, and the console shows it read-only.\n",
    );
    for (name, _) in &variables {
        text.push_str(&format!("# needs the variable {name}\n"));
    }
    text.push_str(&serde_yaml::to_string(&Value::Object(document))?);
    Ok(Overlay { text, variables })
}

fn nest<'a>(map: &mut Map<String, Value>, path: &mut dyn Iterator<Item = &'a str>, value: Value) {
    let Some(first) = path.next() else { return };
    let mut rest = path.peekable();
    if rest.peek().is_none() {
        map.insert(first.to_owned(), value);
    } else if let Value::Object(inner) =
        map.entry(first.to_owned()).or_insert_with(|| Value::Object(Map::new()))
    {
        nest(inner, &mut rest, value);
    }
}

/// `${` in a value would be a variable.
fn escaped(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(|i| *i = escaped(std::mem::take(i))),
        Value::Object(map) => escape(map),
        _ => {}
    }
    value
}

fn escape(map: &mut Map<String, Value>) {
    for value in map.values_mut() {
        *value = escaped(std::mem::take(value));
    }
}
