//! Nobody writes himself more than he has.

use super::*;
use crate::testing::{World, body, grants};
use serde_json::json;

#[tokio::test]
async fn a_writer_of_roles_writes_only_what_he_holds() {
    let w = World::new().await;
    let scribe = json!([{"scope": "all", "permissions": ["roles.*", "keys.*", "users.read"]},
                        {"surfaces": ["chat"], "models": ["gpt-*"]}]);
    w.role("scribe", grants(scribe.clone())).await;
    w.role("mighty", grants(json!([{"scope": "all", "permissions": ["*"]}]))).await;
    w.role("bound", grants(json!([{"effect": "deny", "scope": "all", "permissions": ["users.*"]}]))).await;
    let user = w.person("scribe", &[("scribe", None)]).await;
    w.person("bound", &[("admin", None), ("bound", None)]).await;
    let by = w.caller(user).await;
    let make = async |name: &str, lines: serde_json::Value| {
        let new = body(json!({"name": name, "grants": lines}));
        let made = super::create(State(w.state.clone()), Extension(by.clone()), new).await;
        made.map_or_else(|p| p.status().as_u16(), |v| v.0.as_u16())
    };
    assert_eq!(make("a", json!([{"scope": "team", "permissions": ["keys.read"]}])).await, 201);
    assert_eq!(make("b", json!([{"scope": "all", "permissions": ["*"]}])).await, 403);
    assert_eq!(make("b", json!([{"scope": "all", "permissions": ["users.*"]}])).await, 403);
    assert_eq!(make("b", json!([{"surfaces": ["chat"], "models": ["*"]}])).await, 403);
    assert_eq!(make("b", json!([{"permissions": ["users.fly"]}])).await, 422);
    assert_eq!(make("b", json!([{}])).await, 422);
    assert_eq!(make("B", json!([])).await, 422);
    assert_eq!(make("admin", json!([])).await, 409);
    assert_eq!(make("a", json!([])).await, 409);

    let put = async |by: &Caller, name: &str, lines: serde_json::Value| {
        let new = body(json!({"grants": lines}));
        let name = Named(name.to_owned());
        let done =
            super::replace(State(w.state.clone()), Extension(by.clone()), name, IfMatch(None), new).await;
        done.map_or_else(|p| p.status().as_u16(), |v| v.0.as_u16())
    };
    let mut more = scribe.as_array().unwrap().clone();
    more.push(json!({"scope": "all", "permissions": ["users.write"]}));
    assert_eq!(put(&by, "scribe", json!(more)).await, 403, "his own role");
    assert_eq!(put(&by, "mighty", json!([])).await, 403, "a role above him");
    assert_eq!(put(&by, "viewer", json!([])).await, 409);
    assert_eq!(put(&by, "nothing", json!([])).await, 404);
    assert_eq!(put(&by, "bound", json!([])).await, 403, "the admin whom it bounds would get free");
    assert_eq!(put(&World::bootstrap(), "bound", json!([])).await, 200);
    assert_eq!(put(&by, "a", json!([])).await, 200);
}

/// What a role gives is asked at each request: its change needs no new sign-in.
#[tokio::test]
async fn a_change_holds_at_once() {
    let w = World::new().await;
    w.role("desk", vec![]).await;
    let user = w.person("desk", &[("desk", None)]).await;
    assert!(!w.caller(user).await.may(crate::permission::Permission::KeysRead));
    let new = body(json!({"grants": [{"scope": "all", "permissions": ["keys.*"]}]}));
    let by = Extension(World::bootstrap());
    let name = Named("desk".to_owned());
    super::replace(State(w.state.clone()), by, name, IfMatch(Some(1)), new).await.map(drop).unwrap();
    assert!(w.caller(user).await.may(crate::permission::Permission::KeysRead));
    let new = body(json!({"grants": []}));
    let name = Named("desk".to_owned());
    let by = Extension(World::bootstrap());
    let old = super::replace(State(w.state.clone()), by, name, IfMatch(Some(1)), new).await;
    assert_eq!(old.err().map(|p| p.status().as_u16()), Some(412));
}
