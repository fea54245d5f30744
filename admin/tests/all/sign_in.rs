//! People sign in, with a real Postgres.

use super::house::{ADA, House, OTHER, PASSWORD};
use super::kit::TOKEN;
use sallyport_admin::password;
use sallyport_schema::audit::{Actor, AuditFilter};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::PersonChange;
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_opens_what_the_roles_open() {
    let house = House::new().await;
    let ada = house.person(ADA, "developer").await;
    let mut browser = house.browser();
    assert_eq!(browser.get("/api/me").await.problem(), (401, "missing_token".into()));
    let a = browser.sign_in(" Ada@Example.com ", PASSWORD).await;
    assert_eq!((a.status.as_u16(), a.json()["user"].clone()), (200, json!(ada.id)));
    assert!(!a.text().contains(&browser.cookies["__Host-sallyport"]), "scripts of a page see no token");

    let me = browser.get("/api/me").await.json();
    assert_eq!((&me["kind"], &me["user"]["email"]), (&json!("user"), &json!(ADA)));
    assert_eq!(me["roles"], json!([{"role": "developer", "team": null}]));
    let held: Vec<_> =
        me["permissions"].as_array().unwrap().iter().map(|p| p["permission"].as_str().unwrap()).collect();
    assert!(held.contains(&"keys.read") && !held.contains(&"settings.write"), "{held:?}");
    assert_eq!(browser.get("/api/openapi.json").await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.problem(), (403, "forbidden".into()));
    assert_eq!(browser.program().open().await, 200);
    assert_eq!(house.trail("session.sign_in").await, [("done".into(), None, Some(ADA.into()))]);
    assert!(house.store.person(ada.id).await.unwrap().unwrap().last_login_at.is_some());
    let verified = house.store.audit_verify().await.unwrap();
    assert!(format!("{verified:?}").contains("Whole"), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_accounts_there_are() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    house.person_with("sso@example.com", "viewer", None).await;
    let gone = house.person("gone@example.com", "viewer").await;
    let change = PersonChange { active: Some(false), ..PersonChange::default() };
    house.store.change_person(gone.id, None, &change, &Actor::cli()).await.unwrap();
    let past = OffsetDateTime::now_utc() - Duration::from_secs(1);
    let late = Some((password::hash(PASSWORD).unwrap(), Some(past)));
    house.person_with("late@example.com", "viewer", late).await;

    house.person("second@example.com", "viewer").await;
    house.sql("UPDATE users SET totp_secret = '\\x00' WHERE email = 'second@example.com'").await;

    let mut bodies = Vec::new();
    for (email, password) in [
        ("second@example.com", OTHER),
        (ADA, OTHER),
        (ADA, ""),
        ("sso@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("late@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
    ] {
        let a = house.browser().sign_in(email, password).await;
        assert_eq!(a.problem(), (401, "wrong_sign_in".into()), "{email}");
        assert!(a.headers.get("set-cookie").is_none());
        bodies.push(a.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let trail = house.trail("session.sign_in").await;
    assert_eq!(trail.len(), 7);
    assert!(trail.iter().all(|(outcome, ..)| outcome == "failed"));
    assert_eq!(trail[0].2, None, "what was typed may be a password");
    assert_eq!(trail[5].2.as_deref(), Some(ADA));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_have_to_wait_and_so_has_the_owner() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    for email in [ADA, "nobody@example.com"] {
        let mut wrong = 0;
        let wait = loop {
            let a = house.browser().sign_in(email, OTHER).await;
            match a.problem() {
                (401, _) => wrong += 1,
                (429, code) => {
                    break (code, a.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap());
                }
                other => panic!("{other:?}"),
            }
            assert!(wrong < 15, "no end of guesses: {email}");
        };
        assert!(wrong >= 5 && wait.0 == "too_many_failures" && wait.1 >= 1, "{email}: {wrong} {wait:?}");
    }
    house.sql("UPDATE sign_in_failures SET blocked_until = now() + interval '1 hour'").await;
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.problem().0, 429, "or a guess would show itself");
    house.sql("UPDATE sign_in_failures SET blocked_until = now()").await;
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200);
    let failures = "DO $$ BEGIN ASSERT (SELECT count(*) FROM sign_in_failures) = 2, 'account is forgotten, address and unknown are not'; END $$";
    house.sql(failures).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_many_accounts_has_to_wait() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    assert_eq!(house.browser().sign_in("nobody@example.com", OTHER).await.status, 401);
    house.sql("UPDATE sign_in_failures SET failures = 60").await;
    assert_eq!(house.browser().sign_in("noone@example.com", OTHER).await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.problem().0, 429);
    let mut elsewhere = house.browser();
    elsewhere.from = "198.51.100.1:1".parse().unwrap();
    assert_eq!(elsewhere.sign_in(ADA, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_password_opens_nothing_but_its_change() {
    let house = House::new().await;
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(3600);
    let temporary = Some((password::hash(PASSWORD).unwrap(), Some(soon)));
    house.person_with(ADA, "super_admin", temporary).await;
    let mut browser = house.browser();
    let a = browser.sign_in(ADA, PASSWORD).await;
    assert_eq!(a.json()["must_change_password"], true);
    assert_eq!(browser.get("/api/me").await.json()["must_change_password"], true);
    for uri in ["/api/calls", "/api/snapshot", "/api/sessions"] {
        assert_eq!(browser.get(uri).await.problem(), (403, "password_change_required".into()), "{uri}");
    }
    assert_eq!(browser.program().get("/api/snapshot").await.problem().1, "password_change_required");
    assert_eq!(browser.refresh().await.json()["must_change_password"], true);
    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    assert_eq!(browser.get("/api/me").await.json()["must_change_password"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_happens_once() {
    let house = House::new().await;
    let asked =
        |n: u32| json!({"email": format!("root{n}@example.com"), "name": "Root", "password": PASSWORD});
    let mut anyone = house.browser();
    let status = |needed: bool| json!({"needed": needed, "site_name": "Sallyport"});
    assert_eq!(anyone.get("/api/setup").await.json(), status(true));
    assert_eq!(anyone.send("POST", "/api/setup", Some(asked(0))).await.problem().0, 401);
    let mut holder = house.browser();
    holder.extra.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let weak = json!({"email": "root@example.com", "name": "Root", "password": "root-example-1"});
    assert_eq!(holder.send("POST", "/api/setup", Some(weak)).await.problem(), (422, "weak_password".into()));
    let no = json!({"email": "root", "name": "Root", "password": PASSWORD});
    assert_eq!(holder.send("POST", "/api/setup", Some(no)).await.problem(), (422, "bad_value".into()));

    let (mut one, mut two) = (holder.clone(), holder.clone());
    let (one, two) = tokio::join!(
        one.send("POST", "/api/setup", Some(asked(1))),
        two.send("POST", "/api/setup", Some(asked(2)))
    );
    let mut both = [one.status.as_u16(), two.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [201, 409]);
    let won = if one.status == 201 { &one } else { &two };
    assert_eq!(anyone.get("/api/setup").await.json(), status(false));
    assert_eq!(holder.send("POST", "/api/setup", Some(asked(3))).await.problem().0, 409);
    let mut root = house.signed_in(won.json()["email"].as_str().unwrap()).await;
    assert_eq!(root.get("/api/snapshot").await.status, 200);
    assert_eq!(
        root.send("POST", "/api/setup", Some(asked(4))).await.problem().0,
        403,
        "a person is not the token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_roles_and_managed_teams_count() {
    let house = House::new().await;
    house
        .sql(
            r#"INSERT INTO roles (name, grants) VALUES
               ('auditor', '[{"scope": "all", "permissions": ["audit.read", "snapshot.read"]}]')"#,
        )
        .await;
    let ada = house.person(ADA, "auditor").await;
    house
        .sql(&format!(
            "INSERT INTO teams (id, name) VALUES ('{0}', 'blue');
             INSERT INTO team_members (team_id, user_id, role) VALUES ('{0}', '{1}', 'manager')",
            uuid::Uuid::nil(),
            ada.id
        ))
        .await;
    let mut browser = house.signed_in(ADA).await;
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    let me = browser.get("/api/me").await.json();
    let permission = |name: &str| {
        me["permissions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["permission"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(permission("audit.read")["all"], true);
    assert_eq!(permission("keys.write")["teams"], json!([uuid::Uuid::nil()]));
    assert_eq!(me["teams"], json!([{"id": uuid::Uuid::nil(), "name": "blue", "manager": true}]));
    let held = [HeldRole { role: "auditor".into(), team: None }];
    assert_eq!(house.store.assignments(&held).await.unwrap()[0].role.grants.len(), 1);
    let none = [HeldRole { role: "no-such".into(), team: None }];
    assert!(house.store.assignments(&none).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_reset_by_somebody_who_is_not_below() {
    let house = House::new().await;
    house.person("root@example.com", "super_admin").await;
    house.person("boss@example.com", "admin").await;
    let ada = house.person_with(ADA, "developer", None).await;
    let mut boss = house.signed_in("boss@example.com").await;
    let root_id = house.store.person_by_email("root@example.com").await.unwrap().unwrap().id;
    let boss_id = house.store.person_by_email("boss@example.com").await.unwrap().unwrap().id;
    let path = |id: uuid::Uuid| format!("/api/users/{id}/password");
    assert_eq!(boss.send("POST", &path(root_id), None).await.problem(), (403, "forbidden".into()));
    assert_eq!(boss.send("POST", &path(boss_id), None).await.problem(), (409, "own_password".into()));
    assert_eq!(boss.send("POST", &path(uuid::Uuid::now_v7()), None).await.problem().0, 404);
    let mut root = house.signed_in("root@example.com").await;
    assert_eq!(root.open().await, 200, "his password is still good");

    let a = boss.send("POST", &path(ada.id), None).await;
    assert_eq!(a.status, 200, "{}", a.text());
    let first = a.json()["password"].as_str().unwrap().to_owned();
    let mut browser = house.browser();
    assert_eq!(browser.sign_in(ADA, &first).await.json()["must_change_password"], true);
    let again = boss.send("POST", &path(ada.id), None).await.json();
    assert_ne!(again["password"], json!(first));
    assert_eq!(browser.open().await, 401, "a reset ends sessions");
    assert_eq!(house.browser().sign_in(ADA, &first).await.status, 401);
    assert_eq!(browser.send("POST", &path(boss_id), None).await.problem().0, 401);
    let rows = house.store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    assert!(!format!("{rows:?}").contains(&first), "no secret in the trail");

    house.sql(&format!("UPDATE users SET source = 'scim' WHERE id = '{}'", ada.id)).await;
    assert_eq!(boss.send("POST", &path(ada.id), None).await.problem(), (409, "no_password".into()));
}

/// What a sign-in answers is nobody else's, and what it asks holds a password: neither is kept.
#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_have_no_idempotency_key() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut browser = house.browser();
        browser.extra.insert("idempotency-key", "one".parse().unwrap());
        let a = browser.sign_in(ADA, PASSWORD).await;
        assert!(a.status == 200 && a.headers.get("idempotent-replayed").is_none(), "{}", a.text());
        sessions.push(a.json()["session"].clone());
        assert_eq!(browser.open().await, 200);
    }
    assert_ne!(sessions[0], sessions[1]);
    house.sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT 1 FROM idempotent_answers); END $$").await;
}
