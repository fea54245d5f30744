//! Components that the configuration describes (schemars): providers and models have the form of YAML, so their
//! schemas are those of YAML's types. Three forms of each: as it is made, as it is changed (a merge patch: all may be
//! left out, null removes), and as it is shown (without secrets).

use sallyport_config::{definitions, settings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::{Object, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Types that stand for these components where utoipa wants one; what they describe is filled in afterwards.
macro_rules! components {
    ($($name:ident)+) => { $(
        #[derive(Debug)]
        pub(crate) enum $name {}
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Object::default().into()
            }
        }
        impl ToSchema for $name {}
    )+ };
}
components!(ConfigProvider ConfigProviderPatch ConfigProviderView ConfigModel ConfigModelPatch ConfigSetting ConfigOverlay ConfigExport);

/// What the names of `$defs` become.
const PREFIX: &str = "#/components/schemas/Config";
const DEFS: &str = "#/$defs/";
const SECRET: &str = "Secret";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Whole,
    Patch,
    View,
}

impl Form {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Patch => "Patch",
            Self::View => "View",
        }
    }
}

/// All of them, by name.
pub(super) fn components() -> BTreeMap<String, Value> {
    let defs = Definitions(definitions());
    let mut made = BTreeMap::new();
    for (name, form) in [
        ("Provider", Form::Whole),
        ("Provider", Form::Patch),
        ("Provider", Form::View),
        ("Model", Form::Whole),
        ("Model", Form::Patch),
    ] {
        defs.make(name, form, &mut made);
    }
    // A stored one whose secrets cannot be opened is shown empty.
    if let Some(Value::Object(view)) = made.get_mut("ConfigProviderView") {
        view.remove("required");
    }
    let mut values: Vec<Value> = Vec::new();
    for mut value in settings::ALL.iter().filter_map(|s| s.schema().cloned()) {
        if let Value::Object(map) = &mut value {
            map.retain(|key, _| !matches!(key.as_str(), "description" | "default"));
        }
        defs.take_along(&mut value, Form::Whole, &mut made);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let about = "The value of a setting; `form` of the setting says which of these.";
    made.insert("ConfigSetting".into(), json!({ "description": about, "anyOf": values }));
    let named = json!({ "type": "object", "required": ["name"] });
    made.insert("ConfigExport".into(), overlay(&named, &named));
    let at = |name: &str| json!({ "$ref": format!("{PREFIX}{name}") });
    made.insert("ConfigOverlay".into(), overlay(&at("Provider"), &at("Model")));
    made
}

/// A file with these providers and models.
fn overlay(provider: &Value, model: &Value) -> Value {
    json!({
        "description": "A part of the configuration as a YAML file has it: providers, models, and settings at their places. In place of secrets it may name variables.",
        "type": "object",
        "properties": {
            "providers": { "type": ["array", "null"], "items": provider },
            "models": { "type": ["array", "null"], "items": model }
        }
    })
}

struct Definitions(Map<String, Value>);

impl Definitions {
    /// Makes a component and all that it names.
    fn make(&self, name: &str, form: Form, made: &mut BTreeMap<String, Value>) {
        let key = format!("Config{name}{}", form.suffix());
        let Some(def) = self.0.get(name).filter(|_| !made.contains_key(&key)) else { return };
        let mut def = reformed(name, def, form);
        made.insert(key.clone(), Value::Null);
        self.take_along(&mut def, form, made);
        made.insert(key, def);
    }

    /// Makes what a schema names, and names it as it is called here.
    fn take_along(&self, node: &mut Value, form: Form, made: &mut BTreeMap<String, Value>) {
        match node {
            Value::Array(all) => all.iter_mut().for_each(|n| self.take_along(n, form, made)),
            Value::Object(map) => {
                for (key, inner) in map.iter_mut() {
                    match (key.as_str(), inner) {
                        ("$ref", Value::String(target)) => {
                            if let Some(name) = target.strip_prefix(DEFS).map(str::to_owned) {
                                let form = if self.is_same(&name, form) { Form::Whole } else { form };
                                self.make(&name, form, made);
                                *target = format!("{PREFIX}{name}{}", form.suffix());
                            }
                        }
                        // Of lists a patch changes no part: they are taken as they are.
                        ("items", inner) if form == Form::Patch => self.take_along(inner, Form::Whole, made),
                        (_, inner) => self.take_along(inner, form, made),
                    }
                }
            }
            _ => {}
        }
    }

    /// In this form it looks as when it is made. (Definitions do not name themselves.)
    fn is_same(&self, name: &str, form: Form) -> bool {
        let Some(def) = self.0.get(name) else { return true };
        reformed(name, def, form) == reformed(name, def, Form::Whole)
            && named(def).iter().all(|n| self.is_same(n, form))
    }
}

/// The definition in this form, what it names left as it is.
fn reformed(name: &str, def: &Value, form: Form) -> Value {
    let mut def = def.clone();
    let Value::Object(map) = &mut def else { return def };
    if name == SECRET {
        map.insert("description".into(), "A secret: it is taken and never shown.".into());
    }
    let mut known = Vec::new();
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.retain(|property, node| match form {
            Form::View => !named(node).iter().any(|n| n == SECRET),
            // Names of files on the gateway's machine are refused.
            Form::Whole | Form::Patch => !property.ends_with("_file"),
        });
        if form == Form::Patch {
            properties.values_mut().for_each(or_null);
        }
        known.extend(properties.keys().cloned());
    }
    if form == Form::Patch {
        map.remove("required");
    }
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|r| known.iter().any(|k| r == k));
    }
    def
}

/// The definitions that a schema names itself.
fn named(node: &Value) -> Vec<String> {
    match node {
        Value::Array(all) => all.iter().flat_map(named).collect(),
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(DEFS));
            own.map(str::to_owned).into_iter().chain(map.values().flat_map(named)).collect()
        }
        _ => Vec::new(),
    }
}

/// Null as well.
fn or_null(node: &mut Value) {
    let Value::Object(map) = node else { return };
    map.remove("default");
    if let Some(others) = map.get_mut("additionalProperties") {
        or_null(others);
    }
    let none = Value::from("null");
    if let Some(kind) = map.get_mut("type") {
        match kind {
            Value::Array(all) if all.contains(&none) => {}
            Value::Array(all) => all.push(none),
            one => *one = json!([one.take(), none]),
        }
    } else if let Some(Value::Array(any)) = map.get_mut("anyOf") {
        let none = json!({ "type": none });
        if !any.contains(&none) {
            any.push(none);
        }
    } else {
        let about = map.remove("description");
        let one = Value::Object(std::mem::take(map));
        map.extend(about.map(|a| ("description".to_owned(), a)));
        map.insert("anyOf".into(), json!([one, { "type": "null" }]));
    }
}
