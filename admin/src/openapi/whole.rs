//! What is written into the whole document at its end: components of the configuration, headers of answers.

use super::foreign;
use serde_json::{Map, Value, json};

/// A strong or weak tag, or whatever there is (RFC 9110, 13.1.1; one tag, no list of them).
const IF_MATCH: &str = "^(\\*|(W/)?\"[^\"]*\")$";
const REQUEST_ID: &str = "RequestId";
const ETAG: &str = "ETag";
const CHALLENGE: &str = "WWW-Authenticate";

/// Fills in the rest.
pub(super) fn complete(document: &mut Value) {
    let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) else { return };
    let schemas = components.entry("schemas").or_insert_with(|| json!({}));
    if let Value::Object(schemas) = schemas {
        schemas.extend(foreign::components());
        schemas.sort_keys();
    }
    components.insert("headers".into(), headers());
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    let versioned: Vec<String> = paths
        .iter()
        .filter(|(_, item)| item.as_object().is_some_and(|i| i.values().any(takes_version)))
        .map(|(path, _)| path.clone())
        .collect();
    for (path, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let has_version = match method.as_str() {
                "get" | "patch" | "put" => versioned.contains(path),
                // A step on a thing (but a new password is not the user), or a new thing of a list.
                "post" if takes_version(operation) => !path.ends_with("/password"),
                "post" => versioned.iter().any(|v| is_member(v, path)),
                _ => false,
            };
            tell(operation, has_version);
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten().filter(|p| p["name"] == "If-Match") {
                parameter["schema"] = json!({ "type": "string", "pattern": IF_MATCH });
            }
        }
    }
}

/// `/api/keys/{id}` of `/api/keys`.
fn is_member(path: &str, list: &str) -> bool {
    let rest = path.strip_prefix(list).and_then(|r| r.strip_prefix("/{"));
    rest.is_some_and(|r| !r.contains('/'))
}

fn takes_version(operation: &Value) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|p| p["name"] == "If-Match")
}

/// The headers of an operation's answers.
fn tell(operation: &mut Value, has_version: bool) {
    let answers = operation.get_mut("responses").and_then(Value::as_object_mut);
    for (status, answer) in answers.into_iter().flatten() {
        let Value::Object(answer) = answer else { continue };
        let Value::Object(all) = answer.entry("headers").or_insert_with(|| json!({})) else { continue };
        add(all, "x-request-id", REQUEST_ID);
        if has_version && matches!(status.as_str(), "200" | "201") {
            add(all, ETAG, ETAG);
        }
        if status == "401" {
            add(all, CHALLENGE, CHALLENGE);
        }
    }
}

fn add(all: &mut Map<String, Value>, name: &str, component: &str) {
    all.insert(name.into(), json!({ "$ref": format!("#/components/headers/{component}") }));
}

fn headers() -> Value {
    json!({
        REQUEST_ID: {
            "description": "Names this request in the service's log and in the audit trail.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" }
        },
        ETAG: {
            "description": "The version, for If-Match. What is of a file, built in or not stored has none.",
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" }
        },
        CHALLENGE: {
            "description": "How to authenticate.",
            "required": true,
            "schema": { "type": "string" }
        }
    })
}
