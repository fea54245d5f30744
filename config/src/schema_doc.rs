//! The JSON Schema of the configuration (draft 2020-12), generated from the types. A copy is committed as
//! `config/schema.json` for editors; a test keeps it current.

use serde_json::{Map, Value, json};

/// The schema for editors, which see a file before its variables are filled in: `${…}` may stand for anything. They
/// find it by a first line `# yaml-language-server: $schema=…/schema.json` (and want the tags told:
/// `yaml.customTags: ["!delete scalar", "!delete mapping", "!replace mapping", "!replace sequence"]`).
pub fn json_schema() -> Value {
    let mut schema = bare();
    admit_variables(&mut schema);
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".into(), "Sallyport configuration".into());
        // Top-level keys that begin with `x-` are left out when reading.
        map.insert("patternProperties".into(), json!({ "^x-": {} }));
    }
    schema
}

/// The schema of what is left when variables are filled in.
pub(crate) fn bare() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.into_generator().into_root_schema_for::<crate::model::Config>().to_value()
}

/// The definitions in it, by name: providers, models and what they consist of.
pub fn definitions() -> Map<String, Value> {
    match bare().get_mut("$defs").map(Value::take) {
        Some(Value::Object(all)) => all,
        _ => Map::new(),
    }
}

/// Where not every text is allowed, one with a variable in it is.
fn admit_variables(node: &mut Value) {
    if let Value::Array(items) = node {
        return items.iter_mut().for_each(admit_variables);
    }
    let Value::Object(map) = node else { return };
    let narrow = match map.get("type") {
        Some(Value::String(t)) => matches!(t.as_str(), "boolean" | "integer" | "number"),
        Some(Value::Array(all)) => !all.iter().any(|t| t == "string"),
        _ => false,
    };
    if narrow || ["pattern", "enum", "oneOf"].iter().any(|k| map.contains_key(*k)) {
        let outside: Map<String, Value> = ["description", "default"]
            .iter()
            .filter_map(|k| Some(((*k).to_owned(), map.remove(*k)?)))
            .collect();
        let inside = std::mem::take(map);
        *map = outside;
        map.insert("anyOf".into(), json!([inside, { "type": "string", "pattern": "\\$\\{" }]));
        return;
    }
    for (key, inner) in map.iter_mut() {
        // Values to be taken as they are.
        if key != "default" {
            admit_variables(inner);
        }
    }
}

/// As [`json_schema`], as text.
pub fn json_schema_text() -> String {
    let mut text = format!("{:#}", json_schema());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SALLYPORT_BLESS=1 cargo test -p sallyport-config schema` writes it anew.
    #[test]
    fn the_committed_schema_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
        if std::env::var_os("SALLYPORT_BLESS").is_some() {
            std::fs::write(file, json_schema_text()).unwrap();
        }
        let committed: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(committed == json_schema(), "config/schema.json is out of date: run with SALLYPORT_BLESS=1");
    }
}
