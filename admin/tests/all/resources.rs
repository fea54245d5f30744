//! Providers, models and settings through the API, with a real Postgres.

use super::kit::{Answer, call_json, get, managed, reaching, send};
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use sallyport_admin::{Listed, Outside, OutsideError};
use sallyport_config::snapshot::Provider;
use sallyport_schema::audit::AuditFilter;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A world with one provider, which takes one key.
#[derive(Default)]
struct World {
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Outside for World {
    async fn fetch(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutsideError> {
        Err(OutsideError("nothing there".into()))
    }

    async fn models(&self, provider: &Arc<Provider>) -> Result<Vec<Listed>, OutsideError> {
        self.asked.lock().unwrap().push(provider.authority.to_string());
        if provider.api_key.as_ref().map(|k| k.expose()) != Some("sk-planted-good") {
            return Err(OutsideError("the provider answered 401 to GET /v1/models".into()));
        }
        let listed = |name: &str| Listed { name: name.into(), title: "by\u{1b}[31m somebody".into() };
        Ok(["gpt-5-mini", "meta/llama 3", "meta/llama-3", "gpt-5"].map(listed).into())
    }
}

async fn json(router: &Router, method: &str, uri: &str, body: Value) -> Answer {
    call_json(router, method, uri, &body, &[]).await
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect()
}

const GOOD: &str = "sk-planted-good";

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_made_tested_changed_and_removed_and_its_secret_never_shown() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let world = Arc::new(World::default());
    let (router, store) = reaching(&url, world.clone()).await;
    let new = |key: &str| {
        json!({"name": "main", "kind": "openai", "api_key": key, "headers": {"x-team": "planted-header"},
               "openai": {"project": "p"}})
    };
    // judged only; tested and refused; tested and made
    let dry = json(&router, "POST", "/api/providers?dry_run=true", new(GOOD)).await;
    assert_eq!(dry.status, 200, "{}", dry.text());
    let refused = json(&router, "POST", "/api/providers?test=true", new("sk-planted-bad")).await;
    assert_eq!(refused.problem(), (422, "test_failed".into()));
    assert!(store.kept_providers().await.unwrap().is_empty());
    let made = json(&router, "POST", "/api/providers?test=true", new(GOOD)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let twice = json(&router, "POST", "/api/providers", new(GOOD)).await;
    assert_eq!(twice.problem(), (409, "exists".into()));
    let of_file = json(&router, "POST", "/api/providers", json!({"name": "openai", "kind": "openai"})).await;
    assert_eq!(of_file.problem(), (409, "managed".into()));
    assert!(of_file.text().contains(".yaml:"), "{}", of_file.text());

    let view = get(&router, "/api/providers/main").await;
    let etag = view.headers["etag"].to_str().unwrap().to_owned();
    let shown = view.json();
    assert_eq!(shown["configuration"]["openai"]["project"], "p");
    let secrets: Vec<_> = shown["secrets"].as_array().unwrap().iter().map(|s| s["name"].clone()).collect();
    assert_eq!(secrets, ["api_key", "headers.x-team"]);
    let list = get(&router, "/api/providers").await.json();
    assert_eq!(names(&list), ["main", "openai"]);
    assert_eq!(list["items"][1]["managed"], true);
    assert!(list["items"][1]["origin"].as_str().unwrap().contains(".yaml:"));

    // a patch leaves what it does not name; the secret stays, and works
    let patch = async |body: Value, etag: &str| {
        call_json(&router, "PATCH", "/api/providers/main", &body, &[("if-match", etag)]).await
    };
    let changed =
        patch(json!({"openai": {"project": null, "organization": "o"}, "enabled": false}), &etag).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["configuration"]["openai"], json!({"organization": "o"}));
    assert_eq!(patch(json!({"enabled": true}), &etag).await.problem(), (412, "stale_version".into()));
    let tested = send(&router, "POST", "/api/providers/main/test", Some(super::kit::TOKEN)).await;
    assert_eq!((tested.status.as_u16(), &tested.json()["models"]), (200, &json!(4)), "{}", tested.text());

    // the key does not go to another address unless it is given again
    let away = json!({"base_url": "https://evil.example/v1"});
    let carried = json(&router, "PATCH", "/api/providers/main", away).await;
    assert_eq!(carried.problem().0, 422);
    assert!(carried.text().contains("api_key, headers.x-team"), "{}", carried.text());
    let given = json!({"base_url": "https://other.example/v1", "api_key": "sk-planted-new", "headers": {"x-team": null}});
    let moved = json(&router, "PATCH", "/api/providers/main", given).await;
    assert_eq!(moved.status, 200, "{}", moved.text());
    let tested = send(&router, "POST", "/api/providers/main/test", Some(super::kit::TOKEN)).await;
    assert_eq!(tested.json()["ok"], false);
    assert_eq!(world.asked.lock().unwrap().last().unwrap(), "other.example");

    // it is needed, then it is not
    let model = json!({"name": "m", "routes": [{"provider": "main"}]});
    assert_eq!(json(&router, "POST", "/api/models", model).await.status, 201);
    let delete = async |uri: &str| send(&router, "DELETE", uri, Some(super::kit::TOKEN)).await;
    assert_eq!(delete("/api/providers/main").await.problem(), (409, "conflict".into()));
    assert_eq!(delete("/api/models/m").await.status, 204);
    assert_eq!(delete("/api/providers/main").await.status, 204);
    assert_eq!(delete("/api/providers/main").await.problem().0, 404);
    assert_eq!(delete("/api/providers/openai").await.problem(), (409, "managed".into()));

    let rows = store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    let actions: Vec<_> = rows.iter().rev().map(|r| (r.action.as_str(), r.outcome.as_str())).collect();
    for wanted in [
        ("provider.test", "failed"),
        ("provider.create", "done"),
        ("provider.change", "done"),
        ("provider.test", "done"),
        ("provider.delete", "done"),
        ("model.create", "done"),
        ("model.delete", "done"),
    ] {
        assert!(actions.contains(&wanted), "{wanted:?}: {actions:?}");
    }
    let dump = TestPg::value(
        &url,
        "SELECT string_agg(t, ' ') FROM (SELECT row_to_json(a)::text t FROM audit_log a
         UNION ALL SELECT row_to_json(p)::text FROM providers p) x",
    )
    .await;
    for text in [dump, shown.to_string(), changed.text(), moved.text(), list.to_string()] {
        assert!(!text.contains("planted"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_provider_is_named() {
    let pg = TestPg::shared().await;
    let (router, _) = managed(&pg.database().await).await;
    for (body, told) in [
        (json!({"name": "p"}), "missing field `kind`"),
        (json!({"name": "p", "kind": "opnai"}), "unknown variant"),
        (json!({"name": "p", "kind": "openai", "apikey": "x"}), "unknown field"),
        (json!({"name": "a b", "kind": "openai"}), "name: a name is"),
        (json!({"name": "p", "kind": "openai-compatible"}), "base_url: is missing"),
        (
            json!({"name": "p", "kind": "openai-compatible", "base_url": "http://10.0.0.8/v1"}),
            "not a public address",
        ),
        (json!({"name": "p", "kind": "openai", "ca_file": "/etc/shadow"}), "only a YAML file"),
        (json!({"name": "p", "kind": "bedrock", "bedrock": {"region": ""}}), "bedrock.region"),
    ] {
        let answer = json(&router, "POST", "/api/providers", body.clone()).await;
        assert_eq!(answer.problem().0, 422, "{body}");
        assert!(answer.text().contains(told), "{body}: {}", answer.text());
    }
    let not_a_map = json(&router, "POST", "/api/providers", json!([1])).await;
    assert_eq!(not_a_map.problem().0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_with_prices_slashes_and_patterns() {
    let pg = TestPg::shared().await;
    let (router, store) = managed(&pg.database().await).await;
    let new = json!({"name": "meta/llama-*", "routes": [{"provider": "openai", "weight": 3}, {"provider": "nobody"}],
        "price": {"input": 0.5, "output": 2.5}, "input_multiplier": 1.5});
    let made = json(&router, "POST", "/api/models", new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.json()["problems"][0].as_str().unwrap().contains("nobody"), "{}", made.text());
    let uri = "/api/models/meta%2Fllama-*";
    let one = get(&router, uri).await;
    assert_eq!(one.json()["configuration"]["price"], json!({"input": 0.5, "output": 2.5}));
    let etag = one.headers["etag"].to_str().unwrap().to_owned();
    let patch = json!({"routes": [{"provider": "openai"}], "price": null, "output_multiplier": 0});
    let changed = call_json(&router, "PATCH", uri, &patch, &[("if-match", &etag)]).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_ne!(changed.headers["etag"], etag.as_str());
    let row = &store.load().await.unwrap().models[0];
    assert_eq!((row.routes.len(), row.price.as_ref(), row.output_multiplier), (1, None, 0.0));
    for (patch, told) in [
        (json!({"routes": []}), "routes"),
        (json!({"price": {"input": -1}}), "price"),
        (json!({"input_multiplier": 1e6}), "input_multiplier"),
        (json!({"name": "two words"}), "name"),
        (json!({"name": null}), "missing field"),
    ] {
        let answer = json(&router, "PATCH", uri, patch).await;
        assert!(answer.problem().0 == 422 && answer.text().contains(told), "{}", answer.text());
    }
    let held = json(&router, "PATCH", uri, json!({"name": "gpt-5"})).await;
    assert_eq!(held.problem(), (409, "managed".into()));
    let renamed = json(&router, "PATCH", uri, json!({"name": "llama"})).await;
    assert_eq!(renamed.json()["name"], "llama");
    let page = get(&router, "/api/models?limit=1&sort=-name").await.json();
    assert_eq!((names(&page), &page["next"]), (vec!["llama"], &json!("llama")));
    let rest = get(&router, "/api/models?limit=1&sort=-name&cursor=llama").await.json();
    assert_eq!((names(&rest), &rest["next"]), (vec!["gpt-5"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_import_wizard_makes_models_of_what_the_provider_has() {
    let pg = TestPg::shared().await;
    let (router, store) = reaching(&pg.database().await, Arc::new(World::default())).await;
    let new = json!({"name": "main", "kind": "openai", "api_key": GOOD});
    assert_eq!(json(&router, "POST", "/api/providers", new).await.status, 201);
    let offer = get(&router, "/api/providers/main/models").await;
    let offered = offer.json();
    assert_eq!(names(&offered), ["gpt-5-mini", "meta/llama-3", "gpt-5"]);
    assert_eq!((&offered["left_out"], &offered["items"][2]["known"]), (&json!(1), &json!("file")));
    assert_eq!(offered["items"][0]["priced"], true);
    assert!(!offer.text().contains("\\u001b"));

    let wanted = json!({"models": [{"name": "gpt-5-mini"}, {"name": "gpt-5"}, {"name": "meta/llama-3", "alias": "llama"},
        {"name": "gpt-5-mini", "alias": "llama", "weight": 0}, {"name": "gpt-5-mini"}]});
    let outcomes = async |query: &str| {
        let done =
            json(&router, "POST", &format!("/api/providers/main/models{query}"), wanted.clone()).await.json();
        let items = done["items"].as_array().unwrap().clone();
        items.iter().map(|i| i["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = ["created", "managed", "created", "route_added", "there"];
    assert_eq!(outcomes("?dry_run=true").await, first);
    assert!(store.kept_models().await.unwrap().is_empty());
    assert_eq!(outcomes("").await, first);
    assert_eq!(outcomes("").await, ["there", "managed", "there", "there", "there"]);
    let llama = &store.kept_models().await.unwrap()[1].row;
    assert_eq!(
        llama.routes.iter().map(|r| r.upstream_model.as_deref()).collect::<Vec<_>>(),
        [Some("meta/llama-3"), Some("gpt-5-mini")]
    );
    let heavy = json!({"models": [{"name": "gpt-5-mini", "weight": 1_000_001}]});
    let heavy = json(&router, "POST", "/api/providers/main/models", heavy).await;
    assert_eq!(heavy.problem(), (422, "bad_value".into()), "also where nothing would come of it");
    let away = get(&router, "/api/providers/nobody/models").await;
    assert_eq!(away.problem().0, 404);
    let of_file = get(&router, "/api/providers/openai/models").await;
    assert_eq!(of_file.problem(), (502, "provider_failed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_typed_and_have_a_history() {
    let pg = TestPg::shared().await;
    let (router, store) = managed(&pg.database().await).await;
    let all = get(&router, "/api/settings").await.json();
    assert!(names(&all).contains(&"upstream.max_attempts"));
    let uri = "/api/settings/upstream.max_attempts";
    let one = get(&router, uri).await;
    assert_eq!((one.headers["etag"].to_str().unwrap(), &one.json()["source"]), ("\"0\"", &json!("default")));
    let put = async |value: Value, etag: &str| {
        call_json(&router, "PUT", uri, &json!({"value": value}), &[("if-match", etag)]).await
    };
    let set = put(json!(5), "\"0\"").await;
    assert_eq!((set.status.as_u16(), &set.json()["value"]), (200, &json!(5)), "{}", set.text());
    assert_eq!(put(json!(6), "\"0\"").await.problem().0, 412);
    for bad in [json!(0), json!(21), json!("5"), json!(null), json!([]), json!(1.5)] {
        assert_eq!(put(bad.clone(), "*").await.problem().0, 422, "{bad}");
    }
    // two settings that must agree are judged by what is stored, not by one instance's snapshot
    let other = async |name: &str, value: Value| {
        json(&router, "PUT", &format!("/api/settings/{name}"), json!({"value": value})).await.status.as_u16()
    };
    assert_eq!(other("upstream.backoff", json!("30s")).await, 422);
    assert_eq!(other("upstream.max_backoff", json!("1m")).await, 200);
    assert_eq!(other("upstream.backoff", json!("30s")).await, 200);
    assert_eq!(other("admin.listen", json!("0.0.0.0:1")).await, 404);
    assert_eq!(put(json!(7), "*").await.status, 200);
    assert_eq!(send(&router, "DELETE", uri, Some(super::kit::TOKEN)).await.status, 204);
    let history = get(&router, &format!("{uri}/history")).await.json();
    let values: Vec<_> = history["items"].as_array().unwrap().iter().map(|c| c["after"].clone()).collect();
    assert_eq!(values, [Value::Null, json!(7), json!(5)]);
    assert_eq!(history["items"][0]["before"], 7);
    assert_eq!(store.stored_settings().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_elsewhere() {
    let pg = TestPg::shared().await;
    let (here, _) = managed(&pg.database().await).await;
    let (there, store) = managed(&pg.database().await).await;
    let provider = json!({"name": "main", "kind": "openai", "api_key": GOOD});
    assert_eq!(json(&here, "POST", "/api/providers", provider).await.status, 201);
    let model =
        json!({"name": "m", "routes": [{"provider": "main"}], "price": {"input": 1.0, "output": 2.0}});
    assert_eq!(json(&here, "POST", "/api/models", model).await.status, 201);
    let lossy = json!({"value": "allow"});
    assert_eq!(json(&here, "PUT", "/api/settings/translation.lossy", lossy).await.status, 200);
    let exported = get(&here, "/api/configuration/export").await;
    assert_eq!(exported.headers["content-type"], "application/yaml");
    let yaml = exported.text();
    assert!(yaml.contains("${SALLYPORT_MAIN_API_KEY}") && !yaml.contains("planted"), "{yaml}");

    let import = async |router: &Router, uri: &str, text: &str| {
        let request = http::Request::post(uri)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", super::kit::TOKEN))
            .header("content-type", "application/yaml; charset=utf-8")
            .body(axum::body::Body::from(text.to_owned()));
        super::kit::answer(router, request.unwrap()).await
    };
    let uri = "/api/configuration/import";
    let dry = import(&there, &format!("{uri}?dry_run=true"), &yaml).await;
    assert_eq!(dry.status, 200, "{}", dry.text());
    assert_eq!(dry.json()["applied"], false);
    assert!(store.kept_providers().await.unwrap().is_empty());
    let done = import(&there, uri, &yaml).await.json();
    let actions: Vec<_> = done["steps"].as_array().unwrap().iter().map(|s| s["action"].clone()).collect();
    assert_eq!(actions, ["create", "create", "create"], "{done}");
    assert!(done["warnings"][0].as_str().unwrap().contains("api_key is not set"), "{done}");
    let again = import(&here, uri, &yaml).await.json();
    assert!(again["steps"].as_array().unwrap().iter().all(|s| s["action"] == "same"), "{again}");
    // all or nothing
    let bad = "models: [{name: good, routes: [{provider: main}]}, {name: bad, routes: []}]";
    assert_eq!(import(&there, uri, bad).await.problem().0, 422);
    assert_eq!(store.kept_models().await.unwrap().len(), 1);
    let json_type = json(&there, "POST", uri, json!({"models": []})).await;
    assert_eq!(json_type.status, 200, "JSON is YAML: {}", json_type.text());
    let form = call_json(&there, "POST", uri, &json!({}), &[("content-type", "text/plain")]).await;
    assert_eq!(form.problem(), (415, "not_yaml".into()));
}

/// The issue: "First-run set-up: … super admin, site name, optional first provider with a live test, first key".
#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_makes_all_that_a_first_call_needs() {
    let pg = TestPg::shared().await;
    let (router, store) = reaching(&pg.database().await, Arc::new(World::default())).await;
    let asked = |key: &str| {
        json!({"email": "root@example.com", "name": "Root", "password": "mauve-otter-93-kayak", "key": "first",
               "site_name": "ACME gate", "provider": {"name": "main", "kind": "openai", "api_key": key}})
    };
    let refused = json(&router, "POST", "/api/setup", asked("sk-planted-bad")).await;
    assert_eq!(refused.problem(), (422, "test_failed".into()));
    assert!(store.load().await.unwrap().users.is_empty(), "nothing is set up by halves");
    let done = json(&router, "POST", "/api/setup", asked(GOOD)).await;
    assert_eq!(done.status, 201, "{}", done.text());
    let secret = done.json()["key"]["secret"].as_str().unwrap().to_owned();
    assert!(done.json()["key"]["setup"]["curl"].as_str().unwrap().contains(&secret));
    let stored = store.load().await.unwrap();
    assert_eq!(
        (stored.providers.len(), stored.keys.len(), &stored.settings["admin.site_name"]),
        (1, 1, &json!("ACME gate"))
    );
    assert_eq!(stored.keys[0].user_id, Some(stored.users[0].id));
    let again = json(&router, "POST", "/api/setup", asked(GOOD)).await;
    assert_eq!(again.problem().0, 409);
    assert_eq!(store.load().await.unwrap().keys.len(), 1);
}
