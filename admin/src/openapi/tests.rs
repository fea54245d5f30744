use super::document;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn made() -> Value {
    serde_json::from_str(&document().unwrap()).unwrap()
}

fn refs(node: &Value, found: &mut BTreeSet<String>) {
    match node {
        Value::Array(all) => all.iter().for_each(|n| refs(n, found)),
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|n| refs(n, found));
        }
        _ => {}
    }
}

/// All that a component consists of, as text.
fn reached(document: &Value, name: &str) -> String {
    let mut known = BTreeSet::new();
    let mut open = vec![format!("#/components/schemas/{name}")];
    let mut text = String::new();
    while let Some(target) = open.pop() {
        if known.insert(target.clone()) {
            let node = document.pointer(&target[1..]).unwrap();
            text.push_str(&node.to_string());
            let mut more = BTreeSet::new();
            refs(node, &mut more);
            open.extend(more);
        }
    }
    text
}

#[test]
fn every_reference_leads_somewhere() {
    let document = made();
    let mut found = BTreeSet::new();
    refs(&document, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let astray: Vec<_> =
        found.iter().filter(|r| !r.starts_with("#/") || document.pointer(&r[1..]).is_none()).collect();
    assert!(astray.is_empty(), "{astray:?}");
}

/// Those of the configuration are empty until they are filled in.
#[test]
fn no_component_is_empty() {
    for (name, schema) in made()["components"]["schemas"].as_object().unwrap() {
        assert!(schema.as_object().unwrap().keys().any(|k| k != "type" && k != "description"), "{name}");
    }
}

#[test]
fn what_is_made_is_typed_and_its_secrets_are_only_written() {
    let document = made();
    let post = &document["paths"]["/api/providers"]["post"]["requestBody"]["content"]["application/json"];
    assert_eq!(post["schema"]["$ref"], "#/components/schemas/ConfigProvider");
    let provider = &document["components"]["schemas"]["ConfigProvider"];
    assert_eq!(provider["required"], json!(["name", "kind"]));
    assert_eq!(provider["additionalProperties"], false);
    assert_eq!(provider["properties"]["api_key"]["anyOf"][0]["$ref"], "#/components/schemas/ConfigSecret");
    assert_eq!(document["components"]["schemas"]["ConfigSecret"]["writeOnly"], true);
    // What `check_provider` refuses.
    let text = reached(&document, "ConfigProvider");
    for refused in ["ca_file", "token_file", "credentials_file"] {
        assert!(!text.contains(&format!("\"{refused}\"")), "{refused}");
    }
    assert_eq!(document["components"]["schemas"]["ConfigModel"]["required"], json!(["name", "routes"]));
}

#[test]
fn what_is_shown_has_no_place_for_secrets() {
    let document = made();
    let text = reached(&document, "ConfigProviderView");
    assert!(!text.contains("ConfigSecret") && !text.contains("writeOnly"), "{text}");
    assert!(text.contains("\"ca_file\"") && text.contains("\"managed_identity\""), "{text}");
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["ProviderResource"]["properties"]["configuration"]["$ref"],
        "#/components/schemas/ConfigProviderView"
    );
}

#[test]
fn a_patch_may_leave_out_and_remove_everything() {
    let document = made();
    let schemas = &document["components"]["schemas"];
    for name in ["ConfigProviderPatch", "ConfigModelPatch", "ConfigBedrockSettingsPatch", "ConfigPricePatch"]
    {
        let schema = &schemas[name];
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&Value::Null, &json!(false)));
        for (property, node) in schema["properties"].as_object().unwrap() {
            let removable = node["type"].as_array().is_some_and(|t| t.contains(&json!("null")))
                || node["anyOf"].as_array().is_some_and(|t| t.contains(&json!({ "type": "null" })));
            assert!(removable && node["default"].is_null(), "{name}.{property}: {node}");
        }
    }
    // A list is taken as a whole, so its items are.
    let items = &schemas["ConfigModelPatch"]["properties"]["routes"]["items"];
    assert_eq!(items["$ref"], "#/components/schemas/ConfigRoute");
    let header = &schemas["ConfigProviderPatch"]["properties"]["headers"]["additionalProperties"];
    assert_eq!(header["anyOf"][1], json!({ "type": "null" }));
}

#[test]
fn answers_tell_their_headers() {
    let document = made();
    let headers = |method: &str, path: &str, status: &str| {
        let all = &document["paths"][path][method]["responses"][status]["headers"];
        all.as_object()
            .unwrap_or_else(|| panic!("{method} {path} {status}"))
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let id = "x-request-id".to_owned();
    for (method, path, status, more) in [
        ("get", "/api/keys/{id}", "200", Some("ETag")),
        ("post", "/api/keys", "201", Some("ETag")),
        ("post", "/api/keys/{id}/disable", "200", Some("ETag")),
        ("put", "/api/settings/{name}", "200", Some("ETag")),
        ("get", "/api/keys", "200", None),
        ("post", "/api/users/{id}/password", "200", None),
        ("get", "/api/keys", "401", Some("WWW-Authenticate")),
        ("get", "/api/keys", "429", Some("Retry-After")),
    ] {
        let mut wanted: Vec<String> = more.map(str::to_owned).into_iter().chain([id.clone()]).collect();
        let mut found = headers(method, path, status);
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{method} {path} {status}");
    }
}
