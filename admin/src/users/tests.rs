//! Who may do what to whom.

use super::*;
use crate::testing::{World, body, grants};
use serde_json::json;

/// Status of a change of this user by that caller.
async fn patch(w: &World, by: &Caller, id: Uuid, change: serde_json::Value) -> (u16, &'static str) {
    let call =
        super::change(State(w.state.clone()), Extension(by.clone()), Named(id), IfMatch(None), body(change));
    call.await.map_or_else(|p| (p.status().as_u16(), p.code()), |v| (v.0.as_u16(), ""))
}

async fn held(w: &World, id: Uuid) -> Vec<String> {
    w.store.person(id).await.unwrap().unwrap().roles.into_iter().map(|r| r.role).collect()
}

/// LESSONS: "an admin who can mint a `*` role and take it; a team manager who resets a super-admin's password".
#[tokio::test]
async fn nobody_gives_what_he_has_not_or_touches_who_is_above_him() {
    let w = World::new().await;
    let root = w.person("root", &[("super_admin", None)]).await;
    let admin = w.person("admin", &[("admin", None)]).await;
    let dev = w.person("dev", &[("developer", None)]).await;
    let by = w.caller(admin).await;

    assert_eq!(
        patch(&w, &by, dev, json!({"roles": [{"role": "admin"}]})).await.0,
        200,
        "his own he may give"
    );
    assert_eq!(patch(&w, &by, dev, json!({"roles": [{"role": "super_admin"}]})).await, (403, "forbidden"));
    assert_eq!(patch(&w, &by, admin, json!({"roles": [{"role": "super_admin"}]})).await, (403, "forbidden"));
    for change in [json!({"active": false}), json!({"roles": []}), json!({"email": "x@example.com"})] {
        assert_eq!(patch(&w, &by, root, change.clone()).await, (403, "forbidden"), "{change}");
    }
    let gone = super::delete(State(w.state.clone()), Extension(by.clone()), Named(root), IfMatch(None)).await;
    assert_eq!(gone.unwrap_err().status(), 403);
    let ended = super::end_sessions(State(w.state.clone()), Extension(by.clone()), Named(root)).await;
    assert_eq!(ended.unwrap_err().status(), 403);
    let made = |role: &str| {
        let new = json!({"email": format!("{role}@example.com"), "name": "New", "roles": [{"role": role}]});
        super::create(State(w.state.clone()), Extension(by.clone()), body(new))
    };
    assert_eq!(made("super_admin").await.err().map(|p| p.status().as_u16()), Some(403));
    assert_eq!(made("no_such").await.err().map(|p| p.status().as_u16()), Some(422));
    assert!(made("viewer").await.is_ok());
    assert_eq!(
        (held(&w, root).await, held(&w, admin).await),
        (vec!["super_admin".into()], vec!["admin".into()])
    );
}

#[tokio::test]
async fn the_last_super_admin_stays() {
    let w = World::new().await;
    let one = w.person("one", &[("super_admin", None)]).await;
    let by = w.caller(one).await;
    for change in [json!({"active": false}), json!({"roles": [{"role": "admin"}]})] {
        assert_eq!(patch(&w, &by, one, change).await, (409, "conflict"));
    }
    let delete = async |id| {
        let gone =
            super::delete(State(w.state.clone()), Extension(by.clone()), Named(id), IfMatch(None)).await;
        gone.map_or_else(|p| p.status().as_u16(), |s| s.as_u16())
    };
    assert_eq!(delete(one).await, 409);
    let two = w.person("two", &[("super_admin", None)]).await;
    // both at once: one of them stays
    let (a, b) = tokio::join!(delete(one), delete(two));
    assert!((a, b) == (204, 409) || (a, b) == (409, 204), "{a} {b}");
}

#[tokio::test]
async fn one_sees_and_changes_only_whom_one_may() {
    let w = World::new().await;
    let dev = w.person("dev", &[("developer", None)]).await;
    let boss = w.person("boss", &[("developer", None)]).await;
    let mate = w.person("mate", &[("developer", None)]).await;
    let viewer = w.person("viewer", &[("viewer", None)]).await;
    w.team("red", &[boss], &[mate]).await;
    let seen = async |by: Uuid| -> Vec<String> {
        let by = w.caller(by).await;
        let page =
            super::list(State(w.state.clone()), Extension(by), Params(UserQuery::default())).await.unwrap();
        page.0
            .items
            .iter()
            .map(|u| serde_json::to_value(u).unwrap()["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(seen(dev).await, ["dev"]);
    assert_eq!(seen(boss).await, ["boss", "mate"]);
    assert_eq!(seen(viewer).await, ["dev", "boss", "mate", "viewer"]);
    // 404 for whom he cannot see, 403 for whom he sees but may not change
    let boss = w.caller(boss).await;
    assert_eq!(patch(&w, &boss, dev, json!({"name": "x"})).await, (404, "not_found"));
    assert_eq!(patch(&w, &boss, Uuid::now_v7(), json!({"name": "x"})).await, (404, "not_found"));
    assert_eq!(patch(&w, &boss, mate, json!({"name": "x"})).await, (403, "forbidden"));
    assert_eq!(patch(&w, &w.caller(viewer).await, dev, json!({"name": "x"})).await, (403, "forbidden"));
}

/// Who may give roles but not change users gives roles and changes nothing else; a deny hides single users from a list.
#[tokio::test]
async fn custom_roles_open_just_what_they_say() {
    let w = World::new().await;
    let all = json!([
        {"scope": "all", "permissions": ["users.read", "roles.assign", "keys.*", "calls.read", "teams.read",
                                         "models.read", "api.read"]},
        {"surfaces": ["*", "passthrough"], "models": ["*"], "tools": ["*"]},
    ]);
    w.role("herald", grants(all)).await;
    let herald = w.person("herald", &[("herald", None)]).await;
    let dev = w.person("dev", &[]).await;
    let by = w.caller(herald).await;
    assert_eq!(patch(&w, &by, dev, json!({"roles": [{"role": "developer"}]})).await, (200, ""));
    assert_eq!(patch(&w, &by, dev, json!({"roles": [], "active": false})).await, (403, "forbidden"));
    assert_eq!(patch(&w, &by, dev, json!({})).await, (403, "forbidden"));

    let red = w.team("red", &[], &[dev]).await;
    w.role("blind", grants(json!([{"effect": "deny", "scope": "all", "permissions": ["users.*"]}]))).await;
    let half = w.person("half", &[("viewer", None), ("blind", Some(red))]).await;
    let half = w.caller(half).await;
    let page =
        super::list(State(w.state.clone()), Extension(half.clone()), Params(UserQuery::default())).await;
    assert_eq!(page.unwrap().0.items.len(), 2, "the one in the team is hidden");
    let hidden = super::get(State(w.state.clone()), Extension(half), Named(dev)).await;
    assert_eq!(hidden.err().map(|p| p.status().as_u16()), Some(404));
}
