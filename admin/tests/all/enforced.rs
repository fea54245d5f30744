//! Roles that need a second factor.

use super::house::{ADA, House, OTHER, PASSWORD, now, oathtool};
use sallyport_config::model::{Admin, SecondFactorRules};
use sallyport_schema::access::{Permission, TABLE};
use sallyport_schema::audit::Actor;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::PersonChange;
use serde_json::json;

const MISSING: (u16, &str) = (403, "second_factor_setup_required");

async fn strict(roles: &[&str]) -> House {
    let required_roles = roles.iter().map(|r| (*r).to_owned()).collect();
    House::with(Admin { second_factor: SecondFactorRules { required_roles }, ..Admin::default() }).await
}

/// What may be done before there is one.
const OPEN: [(&str, &str); 8] = [
    ("GET", "/api/me"),
    ("PUT", "/api/me/password"),
    ("DELETE", "/api/session"),
    ("POST", "/api/me/totp"),
    ("POST", "/api/me/totp/confirm"),
    ("GET", "/api/me/passkeys"),
    ("POST", "/api/me/passkeys/begin"),
    ("POST", "/api/me/passkeys/finish"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_opens_before_the_factor_is_there() {
    let house = strict(&["super_admin"]).await;
    house.person(ADA, "super_admin").await;
    let mut browser = house.browser();
    let a = browser.sign_in(ADA, PASSWORD).await;
    assert_eq!((a.status.as_u16(), &a.json()["second_factor_setup_required"]), (200, &json!(true)));
    let me = browser.get("/api/me").await.json();
    assert_eq!(
        (&me["second_factor_required"], &me["second_factor_setup_required"]),
        (&json!(true), &json!(true))
    );

    let mut refreshed = browser.clone();
    assert_eq!(refreshed.refresh().await.json()["second_factor_setup_required"], true);
    let mut shut = 0;
    for rule in TABLE.iter().filter(|r| r.permission != Permission::Public) {
        // nobody's but a SCIM client's, whatever he has
        if rule.permission == Permission::Scim {
            let refused = browser.clone().send(rule.method, rule.path, None).await;
            assert_eq!(refused.status, 403, "{} {}", rule.method, rule.path);
            continue;
        }
        if OPEN.contains(&(rule.method, rule.path)) {
            continue;
        }
        let id = uuid::Uuid::now_v7().to_string();
        let path = rule.path.replace("{id}", &id).replace("{user_id}", &id).replace("{name}", "admin");
        for mut asks in [browser.clone(), browser.program(), refreshed.clone()] {
            let body = (rule.method != "GET").then(|| json!({}));
            let (status, code) = asks.send(rule.method, &path, body).await.problem();
            assert_eq!((status, code.as_str()), MISSING, "{} {path}", rule.method);
        }
        shut += 1;
    }
    assert!(shut > 40, "{shut}");
    let health = browser.get("/api/health").await.json();
    assert_eq!(
        (&health["instance"], &health["dependencies"]),
        (&json!(null), &json!(null)),
        "as anybody sees it"
    );

    // another password is no factor
    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.problem().1, MISSING.1);
    assert_eq!(browser.change_password(PASSWORD, OTHER).await.problem(), (422, "wrong_password".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sets_it_up_may_go_on_and_nobody_who_knows_the_password_beside_him() {
    let house = strict(&["super_admin", "auditor"]).await;
    house.person(ADA, "super_admin").await;
    let (mut browser, mut thief) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let (secret, codes) = browser.turn_totp_on().await;
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    assert_eq!(browser.get("/api/me").await.json()["second_factor_setup_required"], false);
    assert_eq!(browser.get("/api/health").await.json()["instance"], "gate-1");
    assert_eq!(thief.open().await, 401);
    assert_eq!(thief.refresh().await.status, 401);
    assert_eq!(thief.sign_in(ADA, PASSWORD).await.problem(), (401, "second_factor_required".into()));

    let off = json!({"password": PASSWORD, "recovery_code": codes[0]});
    let kept = browser.send("DELETE", "/api/me/totp", Some(off)).await;
    assert_eq!(kept.problem(), (409, "last_second_factor".into()));
    assert_eq!(browser.get("/api/me/recovery_codes").await.json(), json!({"left": 10}), "nothing was used");
    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.status, 200, "a new password forgets no factor");
    let code = oathtool(&secret, now() + 30);
    let a = json!({"email": ADA, "password": OTHER, "code": code});
    assert_eq!(thief.send("POST", "/api/session", Some(a)).await.status, 200);
    assert_eq!(thief.get("/api/snapshot").await.status, 200);

    // the factor is taken away: it must be set up again
    let ada = house.store.person_by_email(ADA).await.unwrap().unwrap();
    assert!(house.store.remove_factors(ada.id, &Actor::cli()).await.unwrap());
    assert_eq!((browser.open().await, thief.open().await), (401, 401));
    let a = browser.sign_in(ADA, OTHER).await;
    assert_eq!(a.json()["second_factor_setup_required"], true);
    assert_eq!(browser.get("/api/snapshot").await.problem().1, MISSING.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_counts_wherever_it_holds_and_from_when_it_is_given() {
    let house = strict(&["admin", "team_manager", "auditor"]).await;
    let team = uuid::Uuid::nil();
    house
        .sql(&format!(
            r#"INSERT INTO roles (name, grants) VALUES ('auditor', '[{{"scope": "all", "permissions": ["audit.read"]}}]');
               INSERT INTO teams (id, name) VALUES ('{team}', 'blue')"#
        ))
        .await;
    let ada = house.person(ADA, "developer").await;
    let must = async |house: &House| {
        house.browser().sign_in(ADA, PASSWORD).await.json()["second_factor_setup_required"].clone()
    };
    assert_eq!(must(&house).await, false);
    let mut browser = house.signed_in(ADA).await;
    assert_eq!(browser.get("/api/keys").await.status, 200);
    for held in [
        HeldRole { role: "admin".into(), team: None },
        HeldRole { role: "admin".into(), team: Some(team) },
        HeldRole { role: "auditor".into(), team: None },
    ] {
        let roles = Some(vec![HeldRole { role: "developer".into(), team: None }, held]);
        let change = PersonChange { roles, ..PersonChange::default() };
        house.store.change_person(ada.id, None, &change, &Actor::cli()).await.unwrap();
        assert_eq!(browser.open().await, 401);
        assert_eq!(must(&house).await, true);
    }
    let roles = Some(vec![HeldRole { role: "developer".into(), team: None }]);
    let change = PersonChange { roles, ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &Actor::cli()).await.unwrap();
    let mut browser = house.signed_in(ADA).await;
    assert_eq!(browser.get("/api/keys").await.status, 200);
    let member = format!(
        "INSERT INTO team_members (team_id, user_id, role) VALUES ('{team}', '{}', 'manager')",
        ada.id
    );
    house.sql(&member).await;
    assert_eq!(browser.get("/api/keys").await.problem().1, MISSING.1, "who manages a team is its manager");
}
