//! Managers and the lists of teams.

use super::members::{self, MemberBody};
use super::*;
use crate::testing::{World, body, grants};
use serde_json::json;

fn code<T>(answer: Result<T, Problem>) -> u16 {
    answer.map_or_else(|p| p.status().as_u16(), |_| 200)
}

async fn put(w: &World, by: Uuid, team: Uuid, user: Uuid, role: &str) -> u16 {
    let by = Extension(w.caller(by).await);
    let role = body::<MemberBody>(json!({"role": role}));
    code(members::put(State(w.state.clone()), by, Named((team, user)), role).await)
}

#[tokio::test]
async fn a_manager_manages_the_members_of_his_team_only() {
    let w = World::new().await;
    let boss = w.person("boss", &[("developer", None)]).await;
    let mate = w.person("mate", &[("developer", None)]).await;
    let new = w.person("new", &[("developer", None)]).await;
    let root = w.person("root", &[("super_admin", None)]).await;
    let red = w.team("red", &[boss], &[mate]).await;
    let blue = w.team("blue", &[], &[boss]).await;

    assert_eq!(put(&w, boss, red, new, "member").await, 200);
    assert_eq!(put(&w, boss, red, new, "manager").await, 200, "he gives what he holds");
    assert_eq!(put(&w, boss, blue, new, "member").await, 403, "he is in it, but does not manage it");
    assert_eq!(put(&w, boss, red, root, "member").await, 404, "he would get a hold on who is above him");
    assert_eq!(put(&w, mate, red, mate, "manager").await, 403);
    assert_eq!(put(&w, root, blue, new, "member").await, 200);
    assert_eq!(put(&w, boss, Uuid::now_v7(), new, "member").await, 404);

    // what the team may call is none of his business
    let by = w.caller(boss).await;
    let wide: TeamPatch = serde_json::from_value(json!({"models": ["*"], "surfaces": ["*"]})).unwrap();
    let wider =
        super::change(State(w.state.clone()), Extension(by), Named(red), IfMatch(None), Body(wide)).await;
    assert_eq!(code(wider), 403);
}

#[tokio::test]
async fn who_begins_or_ceases_to_manage_signs_in_again() {
    let w = World::new().await;
    let one = w.person("one", &[]).await;
    let red = w.team("red", &[], &[one]).await;
    let root = w.person("root", &[("super_admin", None)]).await;
    let epoch = async || w.store.person(one).await.unwrap().unwrap().epoch;
    assert_eq!(epoch().await, 0, "a member's rights are as they were");
    assert_eq!(put(&w, root, red, one, "manager").await, 200);
    assert_eq!(epoch().await, 1);
    assert_eq!(put(&w, root, red, one, "manager").await, 200);
    assert_eq!(epoch().await, 1, "nothing changed");
    let by = Extension(w.caller(root).await);
    assert_eq!(code(members::remove(State(w.state.clone()), by, Named((red, one))).await), 200);
    assert_eq!(epoch().await, 2);
}

/// LESSONS: lists that widen themselves.
#[tokio::test]
async fn a_team_is_opened_only_to_what_the_opener_may_call() {
    let w = World::new().await;
    let desk =
        json!([{"scope": "all", "permissions": ["teams.*"]}, {"surfaces": ["chat"], "models": ["gpt-*"]}]);
    w.role("desk", grants(desk)).await;
    let desk = w.person("desk", &[("desk", None)]).await;
    let make = async |by: Caller, name: &str, surfaces: &[&str], models: &[&str]| {
        let new = body(json!({"name": name, "surfaces": surfaces, "models": models}));
        super::create(State(w.state.clone()), Extension(by), new).await
    };
    let by = w.caller(desk).await;
    assert_eq!(code(make(by.clone(), "a", &["chat"], &["gpt-5"]).await), 200);
    assert_eq!(code(make(by.clone(), "b", &["chat"], &["*"]).await), 403);
    assert_eq!(code(make(by.clone(), "b", &["messages"], &["gpt-5"]).await), 403);
    assert_eq!(code(make(World::bootstrap(), "b", &["*"], &["*"]).await), 200);
    let all = super::list(State(w.state.clone()), Extension(by.clone()), Params(TeamQuery::default()))
        .await
        .unwrap();
    let wide = all.0.items.iter().find(|t| t.name == "b").unwrap().id;
    let change = async |patch: serde_json::Value| {
        let patch = body::<TeamPatch>(patch);
        code(
            super::change(State(w.state.clone()), Extension(by.clone()), Named(wide), IfMatch(None), patch)
                .await,
        )
    };
    assert_eq!(change(json!({"description": "wide"})).await, 200);
    assert_eq!(change(json!({"models": []})).await, 200, "narrowing is free");
    assert_eq!(change(json!({"models": ["*"]})).await, 403, "the way back is not");
    assert_eq!(change(json!({"models": ["gpt 5"]})).await, 422);
}
