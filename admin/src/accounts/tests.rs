//! What a team's manager may make.

use super::*;
use crate::testing::{World, body};
use serde_json::json;

#[tokio::test]
async fn a_manager_makes_accounts_in_his_team_with_roles_in_it() {
    let w = World::new().await;
    let boss = w.person("boss", &[("developer", None)]).await;
    let red = w.team("red", &[boss], &[]).await;
    let blue = w.team("blue", &[], &[boss]).await;
    let by = w.caller(boss).await;
    let make = async |name: &str, team: Option<Uuid>, roles: serde_json::Value| {
        let new = body(json!({"name": name, "team": team, "roles": roles}));
        let made = super::create(State(w.state.clone()), Extension(by.clone()), new).await;
        made.map(|v| v.2.id).map_err(|p| p.status().as_u16())
    };
    let dev_in = |team: Uuid| json!([{"role": "developer", "team": team}]);
    let robot = make("robot", Some(red), dev_in(red)).await.unwrap();
    assert_eq!(make("a", Some(blue), json!([])).await, Err(403), "a member only");
    assert_eq!(make("a", None, json!([])).await, Err(403));
    assert_eq!(make("a", Some(red), json!([{"role": "developer"}])).await, Err(403), "outside of the team");
    assert_eq!(make("a", Some(red), dev_in(blue)).await, Err(403));
    assert_eq!(make("a", Some(red), json!([{"role": "admin", "team": red}])).await, Err(403));
    assert_eq!(make("robot", Some(red), json!([])).await, Err(409));
    assert_eq!(make("", Some(red), json!([])).await, Err(422));

    let root = World::bootstrap();
    let made = body(json!({"name": "mighty", "team": red, "roles": [{"role": "super_admin"}]}));
    let mighty =
        super::create(State(w.state.clone()), Extension(root), made).await.map(|v| v.2.id).ok().unwrap();
    let change = async |id: Uuid| {
        let patch = body::<AccountPatch>(json!({"description": "x"}));
        let done =
            super::change(State(w.state.clone()), Extension(by.clone()), Named(id), IfMatch(None), patch)
                .await;
        done.map_or_else(|p| p.status().as_u16(), |v| v.0.as_u16())
    };
    assert_eq!(change(robot).await, 200);
    assert_eq!(change(mighty).await, 403, "in his team, but above him");
    let gone =
        super::delete(State(w.state.clone()), Extension(by.clone()), Named(mighty), IfMatch(None)).await;
    assert_eq!(gone.err().map(|p| p.status().as_u16()), Some(403));
    let gone =
        super::delete(State(w.state.clone()), Extension(by.clone()), Named(robot), IfMatch(None)).await;
    assert_eq!(gone.ok(), Some(StatusCode::NO_CONTENT));
    assert_eq!(change(robot).await, 404);
}
