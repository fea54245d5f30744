//! Settings that the organisation may choose in the admin service instead of in a file: those that are taken without a
//! restart and mean the same at every instance. A file that says something else than the default holds its setting:
//! what git says is what runs.

use crate::assemble::Finding;
use crate::document::Document;
use crate::model::Config;
use crate::schema_doc;
use crate::validate::validate;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

/// A setting.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its place in YAML: `upstream.max_attempts`.
    pub name: &'static str,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, &Value) -> Result<(), String>,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! settings {
    ($($name:literal = $($field:ident).+;)+) => {
        /// All of them, by name.
        pub const ALL: &[Setting] = &[$(Setting {
            name: $name,
            get: |config| serde_json::to_value(&config.$($field).+).unwrap_or_default(),
            set: |config, value| {
                config.$($field).+ = serde::Deserialize::deserialize(value).map_err(|e: serde_json::Error| e.to_string())?;
                Ok(())
            },
        }),+];
    };
}

settings! {
    "admin.site_name" = admin.site_name;
    "call_log.retention_days" = call_log.retention_days;
    "responses.background.ask_every" = responses.background.ask_every;
    "responses.background.limit" = responses.background.limit;
    "responses.background.timeout" = responses.background.timeout;
    "responses.keep" = responses.keep;
    "responses.retention" = responses.retention;
    "routing.prefixes" = routing.prefixes;
    "server.max_body" = server.max_body;
    "server.max_passthrough_body" = server.max_passthrough_body;
    "translation.lossy" = translation.lossy;
    "upstream.backoff" = upstream.backoff;
    "upstream.connect_timeout" = upstream.connect_timeout;
    "upstream.first_byte_timeout" = upstream.first_byte_timeout;
    "upstream.idle_timeout" = upstream.idle_timeout;
    "upstream.max_attempts" = upstream.max_attempts;
    "upstream.max_backoff" = upstream.max_backoff;
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    ALL.iter().find(|s| s.name == name)
}

static DEFAULTS: LazyLock<Config> = LazyLock::new(Config::default);
static SCHEMA: LazyLock<Value> = LazyLock::new(schema_doc::bare);

impl Setting {
    /// What it is in this configuration.
    pub fn of(&self, config: &Config) -> Value {
        (self.get)(config)
    }

    /// What it is where nobody says anything.
    pub fn default(&self) -> Value {
        (self.get)(&DEFAULTS)
    }

    /// Does a file say something else than the default? `files`: what the files say.
    pub fn held(&self, files: &Config) -> bool {
        self.of(files) != self.default()
    }

    /// What it does, in the words of the configuration's schema.
    pub fn about(&self) -> &'static str {
        self.schema().and_then(|s| s.get("description")).and_then(Value::as_str).unwrap_or_default()
    }

    /// JSON Schema of its value.
    pub fn schema(&self) -> Option<&'static Value> {
        let resolve = |node: &'static Value| match node.get("$ref").and_then(Value::as_str) {
            Some(r) => SCHEMA.pointer(r.trim_start_matches('#')).unwrap_or(node),
            None => node,
        };
        let mut node: &'static Value = &SCHEMA;
        for step in self.name.split('.') {
            node = resolve(node).get("properties")?.get(step)?;
        }
        Some(node)
    }

    /// The configuration with another value.
    ///
    /// # Errors
    /// The value has not the form, or the configuration would not be valid; in a sentence.
    pub fn with(&self, config: &Config, value: &Value) -> Result<Config, String> {
        let mut new = config.clone();
        (self.set)(&mut new, value)?;
        let known = findings(config);
        let wrong: Vec<String> = findings(&new).difference(&known).cloned().collect();
        if wrong.is_empty() { Ok(new) } else { Err(wrong.join("; ")) }
    }
}

/// What is wrong with a configuration. (What was wrong before is not this value's fault.)
fn findings(config: &Config) -> HashSet<String> {
    let verdict = validate(config, &Document::default(), &HashSet::new());
    verdict.errors.into_iter().map(|p| format!("{} {}", p.path, p.message)).collect()
}

/// The files' configuration with what is stored laid over it.
pub(crate) fn laid_over(
    files: &Arc<Config>,
    stored: &BTreeMap<String, Value>,
    found: &mut Vec<Finding>,
) -> Arc<Config> {
    let mut config = Arc::clone(files);
    for (name, value) in stored {
        let mut tell = |message: String| {
            found.push(Finding { kind: "setting", name: name.clone(), id: None, message });
        };
        match find(name) {
            None => tell("there is no such setting: it is not used".into()),
            Some(s) if s.held(files) && s.of(files) != *value => {
                tell("the stored value is not used: a YAML file says otherwise".into());
            }
            Some(s) => match s.with(&config, value) {
                Ok(new) => config = Arc::new(new),
                Err(e) => tell(format!("the stored value is not used: {e}")),
            },
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_has_a_default_a_description_and_a_place_in_the_example() {
        let base = include_str!("../base.yaml");
        let mut names: Vec<_> = ALL.iter().map(|s| s.name).collect();
        for s in ALL {
            assert!(!s.about().is_empty(), "{s:?} is not described");
            assert!(!s.default().is_null(), "{s:?}");
            assert!(!s.held(&Config::default()), "{s:?}");
            let last = s.name.rsplit('.').next().unwrap();
            let line = base.lines().find(|l| l.trim_start().starts_with(&format!("{last}:")));
            assert!(line.is_some_and(|l| !l.contains("(restart)")), "{s:?}: {line:?}");
            assert_eq!(s.of(&s.with(&Config::default(), &s.default()).unwrap()), s.default());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn values_are_judged_as_in_yaml() {
        let config = Config::default();
        let with = |name: &str, value: Value| find(name).unwrap().with(&config, &value);
        assert_eq!(with("upstream.max_attempts", json!(5)).unwrap().upstream.max_attempts, 5);
        assert!(with("upstream.max_attempts", json!(21)).unwrap_err().contains("1 (no retry) to 20"));
        assert!(with("upstream.max_attempts", json!("five")).is_err());
        assert!(with("upstream.backoff", json!("1h")).unwrap_err().contains("max_backoff"));
        assert!(with("translation.lossy", json!("sometimes")).is_err());
        assert!(find("admin.listen").is_none());
    }

    #[test]
    fn a_file_holds_what_it_says() {
        let mut files = Config::default();
        files.upstream.max_attempts = 7;
        let stored = [
            ("upstream.max_attempts".to_owned(), json!(2)),
            ("translation.lossy".to_owned(), json!("allow")),
            ("upstream.idle_timeout".to_owned(), json!("nonsense")),
            ("no.such".to_owned(), json!(1)),
        ];
        let mut found = Vec::new();
        let config = laid_over(&Arc::new(files), &stored.into(), &mut found);
        assert_eq!(config.upstream.max_attempts, 7);
        assert!(config.translation.lossy.allowed());
        let names: Vec<_> = found.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["no.such", "upstream.idle_timeout", "upstream.max_attempts"]);
    }
}
