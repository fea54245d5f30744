//! The JSON Schema of the configuration (draft 2020-12), generated from the types. A copy is committed as
//! `config/schema.json` for editors; a test keeps it current.

use serde_json::Value;

/// The schema. Editors use it by a first line `# yaml-language-server: $schema=…/schema.json` (and
/// `yaml.customTags: ["!delete mapping", "!delete scalar", "!replace sequence", "!replace mapping"]`).
pub fn json_schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<crate::model::Config>().to_value();
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".into(), "Sallyport configuration".into());
        // Top-level keys that begin with `x-` are left out when reading.
        map.insert("patternProperties".into(), serde_json::json!({ "^x-": {} }));
    }
    schema
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
