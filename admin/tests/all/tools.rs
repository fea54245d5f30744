//! MCP tools as a scope of keys and teams, and what a key may call and why.

use super::house::House;
use super::kit::{call_json, get};
use http::StatusCode;
use sallyport_schema::audit::AuditFilter;
use serde_json::{Value, json};

async fn root(h: &House, method: &str, uri: &str, body: Value) -> Value {
    let a = call_json(&h.router, method, uri, &body, &[]).await;
    assert!(a.status.is_success(), "{method} {uri}: {}", a.text());
    a.json()
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// Made, changed, rotated, and told in the trail; without a word about tools there are none.
#[tokio::test(flavor = "multi_thread")]
async fn tools_are_a_scope_of_keys() {
    let h = House::new().await;
    let none = root(&h, "POST", "/api/keys", json!({"name": "none"})).await;
    assert_eq!(none["key"]["tools"], json!([]));
    let made = root(&h, "POST", "/api/keys", json!({"name": "ci", "tools": ["files/*"]})).await;
    let uri = format!("/api/keys/{}", id(&made["key"]));
    assert_eq!(get(&h.router, &uri).await.json()["tools"], json!(["files/*"]));
    let kept = root(&h, "PATCH", &uri, json!({"name": "cd"})).await;
    assert_eq!(kept["tools"], json!(["files/*"]), "what is not named stays");
    let changed = root(&h, "PATCH", &uri, json!({"tools": ["files/read"]})).await;
    assert_eq!(changed["tools"], json!(["files/read"]));
    let rotated = root(&h, "POST", &format!("{uri}/rotate"), json!({})).await;
    assert_eq!(rotated["new"]["key"]["tools"], json!(["files/read"]));
    for bad in [json!([""]), json!(["a\u{7}"]), json!("files/*"), json!(vec!["t"; 201])] {
        let a = call_json(&h.router, "PATCH", &uri, &json!({"tools": bad}), &[]).await;
        assert_eq!(a.problem(), (422, "bad_value".into()), "{bad}");
    }
    let filter = AuditFilter { action: Some("key.update".into()), ..AuditFilter::default() };
    let told = &h.store.audit_trail(&filter, None, 1).await.unwrap()[0];
    let tools = |shown: &Option<Value>| shown.as_ref().unwrap()["tools"].clone();
    assert_eq!((tools(&told.before), tools(&told.after)), (json!(["files/*"]), json!(["files/read"])));
    let rows = h.store.load().await.unwrap().keys;
    assert_eq!(rows.iter().filter(|k| k.tools == ["files/read"]).count(), 2, "the gateways read them");
}

/// Nobody gives what he has not: neither with a key nor with a team's list.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_tools_that_he_has_not() {
    let h = House::new().await;
    let desk = json!({"name": "desk", "grants": [
        {"scope": "all", "permissions": ["keys.*", "teams.*"]}, {"tools": ["files/*"]},
        {"surfaces": ["chat"], "models": ["*"]}]});
    root(&h, "POST", "/api/roles", desk).await;
    h.person("ada@example.com", "desk").await;
    let mut ada = h.signed_in("ada@example.com").await;
    let mut post = async |uri: &str, body: Value| {
        let a = ada.send("POST", uri, Some(body)).await;
        (a.status, a)
    };
    for (tools, status) in [
        (json!(["files/read", "files/*"]), StatusCode::CREATED),
        (json!(["*"]), StatusCode::FORBIDDEN),
        (json!(["search/web"]), StatusCode::FORBIDDEN),
    ] {
        let key = json!({"name": "k", "tools": tools, "surfaces": ["chat"], "models": ["gpt-5"]});
        assert_eq!(post("/api/keys", key).await.0, status, "{tools}");
        let name = uuid::Uuid::now_v7().to_string();
        assert_eq!(post("/api/teams", json!({"name": name, "tools": tools})).await.0, status, "{tools}");
    }
    let wide = root(&h, "POST", "/api/keys", json!({"name": "wide", "tools": ["*"]})).await;
    let uri = format!("/api/keys/{}", id(&wide["key"]));
    assert_eq!(post(&format!("{uri}/rotate"), json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ada.send("PATCH", &uri, Some(json!({"name": "x"}))).await.status, 403);
    assert_eq!(ada.send("PATCH", &uri, Some(json!({"tools": ["files/read"]}))).await.status, 200);
}

/// The issue: "what can this user or key do, and why".
#[tokio::test(flavor = "multi_thread")]
async fn a_key_says_what_it_may_call_and_why() {
    let h = House::new().await;
    let files = json!({"name": "files", "grants": [
        {"tools": ["files/*"]}, {"effect": "deny", "tools": ["*/delete"]}, {"surfaces": ["chat"], "models": ["gpt-*"]}]});
    root(&h, "POST", "/api/roles", files).await;
    let ada = h.person("ada@example.com", "files").await.id;
    let red = json!({"name": "red", "surfaces": ["*"], "models": ["*"], "tools": ["files/*", "*/delete"]});
    let red = root(&h, "POST", "/api/teams", red).await;
    let key = json!({"name": "k", "user": ada, "team": id(&red), "surfaces": ["chat"], "models": ["gpt-5"],
        "tools": ["files/read", "files/delete", "search/web"]});
    let key = root(&h, "POST", "/api/keys", key).await;
    let uri = format!("/api/keys/{}", id(&key["key"]));
    let ask = async |query: &str| {
        let a = get(&h.router, &format!("{uri}/effective?{query}")).await;
        assert_eq!(a.status, 200, "{}", a.text());
        a.json()
    };
    let yes = |because: Value| json!({"allowed": true, "because": because});
    let no = |because: Value| json!({"allowed": false, "because": because});
    let tool = ask("tool=files/read").await["tool"].clone();
    assert_eq!(
        tool,
        json!({"allowed": true, "key": yes(json!(["files/read"])), "team": yes(json!(["files/*"])),
            "owner": yes(json!(["files"]))})
    );
    let tool = ask("tool=files/delete").await["tool"].clone();
    assert_eq!((&tool["allowed"], &tool["owner"]), (&json!(false), &no(json!(["files"]))));
    assert_eq!(tool["team"], yes(json!(["*/delete", "files/*"])));
    let tool = ask("tool=files/write").await["tool"].clone();
    assert_eq!(
        (&tool["allowed"], &tool["key"], &tool["owner"]),
        (&json!(false), &no(json!([])), &yes(json!(["files"])))
    );
    let tool = ask("tool=search/web").await["tool"].clone();
    assert_eq!((&tool["team"], &tool["owner"]), (&no(json!([])), &no(json!([]))));
    let call = ask("surface=chat&model=gpt-5").await;
    assert_eq!((&call["tool"], &call["call"]["allowed"]), (&Value::Null, &json!(true)));
    assert_eq!(call["call"]["key"], yes(json!(["chat", "gpt-5"])));
    assert_eq!(ask("surface=chat&model=gpt-4").await["call"]["key"], no(json!(["chat"])));
    assert_eq!(ask("surface=passthrough").await["call"]["team"], no(json!([])), "no `*` opens it");
    for bad in ["model=gpt-5", "colour=red", "tool="] {
        assert_eq!(get(&h.router, &format!("{uri}/effective?{bad}")).await.status, 400, "{bad}");
    }
    // the same of the person, whom no key narrows
    let user =
        async |query: &str| get(&h.router, &format!("/api/users/{ada}/effective?{query}")).await.json();
    assert_eq!(user("tool=files/write").await["tool"], yes(json!(["files"])));
    assert_eq!(user("tool=files/delete").await["tool"], no(json!(["files"])));

    root(&h, "PATCH", &format!("/api/users/{ada}"), json!({"active": false})).await;
    root(&h, "POST", &format!("{uri}/disable"), json!({})).await;
    let gone = ask("tool=files/read").await;
    assert_eq!((&gone["active"], &gone["tool"]["allowed"]), (&json!(false), &json!(false)));
    assert_eq!(gone["inactive_because"], json!(["it is disabled", "its owner is inactive or deleted"]));
    let stranger = get(&h.router, &format!("/api/keys/{ada}/effective")).await;
    assert_eq!(stranger.status, 404);
}
