//! Sign-in with an identity provider: who gets in and as what, and who may say so.

use super::oidc_fake::{CLIENT, ISSUER, SECRET};
use super::oidc_kit::{House, by, location, person, person_with, roles};
use sallyport_admin::password;
use sallyport_schema::audit::Actor;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::{NewPerson, Person, PersonChange};
use serde_json::{Value, json};

async fn local(house: &House, email: &str, role: &str) -> Person {
    let roles = vec![HeldRole { role: role.into(), team: None }];
    let password = Some((password::hash("mauve-otter-93-kayak").unwrap(), None));
    let new = NewPerson { email: email.into(), name: "Local".into(), source: "local", password, roles };
    house.store.create_person(&new, false, &Actor::cli()).await.unwrap()
}

#[tokio::test]
async fn who_is_not_welcome() {
    let house = House::new().await;
    let id = house.provider(json!({"allowed_domains": ["example.com"]})).await;
    for (claims, word) in [
        (json!({"email_verified": false}), "verified"),
        (json!({"email_verified": Value::Null}), "verified"),
        (json!({"email": "eve@evil.example"}), "domain"),
        (json!({"email": "eve@sub.example.com"}), "domain"),
        (json!({"email": "eve@example.com.evil.example"}), "domain"),
        (json!({"email": "eve@notexample.com"}), "domain"),
        // Kelvin's sign becomes a k in lower case
        (json!({"email": "eve@example.com\u{212a}"}), "ASCII"),
        (json!({"email": "a@evil.example@example.com"}), "usable"),
    ] {
        house.refused(person_with("eve", claims), "sign_in_refused", word).await;
    }
    // userinfo says what the token does not, but not about somebody else
    let bare = json!({"sub": "bob"});
    house.fake.userinfo(json!({"sub": "eve", "email": "bob@example.com", "email_verified": true}));
    let a = house.sign_in(&mut house.browser(), bare.clone()).await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
    // nor on the address in the token
    house.fake.userinfo(json!({"sub": "bob", "email_verified": true, "name": "Bob"}));
    house.refused(json!({"sub": "bob", "email": "bob@example.com"}), "sign_in_refused", "verified").await;
    house
        .fake
        .userinfo(json!({"sub": "bob", "email": "bob@example.com", "email_verified": true, "name": "Bob"}));
    assert_eq!(house.signed_in(bare).await.me().await["user"]["name"], "Bob");
    // nobody is made
    house.change(&id, json!({"jit": false})).await;
    house.refused(person("ada"), "sign_in_refused", "no user").await;
    let mut bob = house.signed_in(person("bob")).await;
    // deactivated, deleted
    let user = bob.me().await["user"]["id"].as_str().unwrap().parse().unwrap();
    let off = PersonChange { active: Some(false), ..PersonChange::default() };
    house.store.change_person(user, None, &off, &Actor::cli()).await.unwrap();
    assert_eq!(bob.get("/api/me").await.status, 401);
    house.refused(person("bob"), "sign_in_refused", "deactivated").await;
    house.store.delete_person(user, None, &Actor::cli()).await.unwrap();
    house.refused(person("bob"), "sign_in_refused", "deactivated").await;
    // switched off
    let a = house.root("POST", &format!("/api/oidc_providers/{id}/disable"), json!({})).await;
    assert_eq!((a.status.as_u16(), &a.json()["state"]), (200, &json!("disabled")));
    assert_eq!(house.browser().get("/api/oidc/corp/login").await.problem().0, 404);
    assert_eq!(house.browser().get("/api/sign_in").await.json(), json!({"providers": []}));
}

#[tokio::test]
async fn nobody_takes_an_account_over_by_its_address() {
    let house = House::new().await;
    let root = local(&house, "root@example.com", "super_admin").await;
    let id = house.provider(json!({})).await;
    house.refused(person("root"), "sign_in_refused", "already").await;
    house
        .refused(person_with("eve", json!({"email": "ROOT@Example.COM"})), "sign_in_refused", "already")
        .await;
    // linking needs domains …
    let uri = format!("/api/oidc_providers/{id}");
    let a = house.root("PATCH", &uri, json!({"link_by_email": true})).await;
    assert_eq!(a.problem(), (422, "bad_value".into()));
    // … and the claim that `email_verified` speaks of
    let claims = json!({"email": "preferred_username", "name": "name", "groups": null});
    let body = json!({"link_by_email": true, "allowed_domains": ["example.com"], "claims": claims});
    assert_eq!(house.root("PATCH", &uri, body).await.problem().0, 422);
    house.change(&id, json!({"link_by_email": true, "allowed_domains": ["example.com"], "require_email_verified": false})).await;
    house
        .refused(
            person_with("eve", json!({"email": "root@example.com", "email_verified": false})),
            "sign_in_refused",
            "already",
        )
        .await;
    house
        .refused(person_with("eve", json!({"email": "root@evil.example"})), "sign_in_refused", "domain")
        .await;
    let mut linked = house.signed_in(person("root")).await;
    assert_eq!(linked.me().await["user"]["id"], root.id.to_string());
    assert_eq!(roles(&linked.me().await), ["super_admin"]);
    // another account of the same verified address, later
    house
        .refused(person_with("eve", json!({"email": "root@example.com"})), "sign_in_refused", "already")
        .await;
    // a claim of the user's own choice is never verified
    house
        .change(&id, json!({"link_by_email": false, "require_email_verified": true, "claims": claims}))
        .await;
    let chosen = json!({"preferred_username": "ceo@example.com", "email_verified": true});
    house.refused(person_with("eve", chosen), "sign_in_refused", "verified").await;
    // another issuer: its subjects are other people
    house.change(&id, json!({"claims": {"email": "email", "name": "name", "groups": "groups"}})).await;
    house.sql("UPDATE oidc_identities SET issuer = 'https://before.example'").await;
    house.refused(person("root"), "sign_in_refused", "already").await;
}

#[tokio::test]
async fn groups_are_mapped_anew_at_each_sign_in() {
    let house = House::new().await;
    local(&house, "root@example.com", "super_admin").await;
    let team = |name: &'static str| {
        let house = &house;
        async move {
            let a = house.root("POST", "/api/teams", json!({"name": name})).await;
            assert_eq!(a.status, 201, "{}", a.text());
            a.json()["id"].as_str().unwrap().to_owned()
        }
    };
    let (red, blue, own) = (team("red").await, team("blue").await, team("own").await);
    let id = house
        .provider(json!({
            "claims": {"email": "email", "name": "name", "groups": "realm_access.roles"},
            "default_roles": [{"role": "developer"}],
            "group_rules": [
                {"group": "reds", "team": red},
                {"group": "red-leads", "team": red, "manager": true},
                {"group": "blues", "team": blue, "role": {"role": "viewer", "team": blue}},
                {"group": "admins", "role": {"role": "admin"}},
                {"group": "roots", "role": {"role": "super_admin"}},
            ],
        }))
        .await;
    let with = |groups: Value| person_with("ada", json!({"realm_access": {"roles": groups}}));
    let mut first = house.signed_in(with(json!(["reds", "blues", "admins", "unknown"]))).await;
    let me = first.me().await;
    assert_eq!(roles(&me), ["admin".to_owned(), "developer".into(), format!("viewer@{blue}")]);
    let teams = |me: &Value| -> Vec<(String, bool)> {
        let all = me["teams"].as_array().unwrap().iter();
        all.map(|t| (t["name"].as_str().unwrap().to_owned(), t["manager"].as_bool().unwrap())).collect()
    };
    assert_eq!(teams(&me), [("blue".to_owned(), false), ("red".into(), false)]);
    // what somebody here gives stays; saying again what the provider gave does not make it his
    let user = me["user"]["id"].as_str().unwrap().to_owned();
    let roles_now = json!([{"role": "admin"}, {"role": "developer"}, {"role": "viewer", "team": blue}, {"role": "viewer"}]);
    let a = house.root("PATCH", &format!("/api/users/{user}"), json!({"roles": roles_now})).await;
    assert_eq!(a.status, 200, "{}", a.text());
    let a = house.root("PUT", &format!("/api/teams/{own}/members/{user}"), json!({"role": "manager"})).await;
    assert!(a.status.is_success(), "{}", a.text());
    let mut second = house.signed_in(with(json!(["red-leads"]))).await;
    let me = second.me().await;
    let mut wanted = vec![
        "developer".to_owned(),
        format!("team_manager@{own}"),
        format!("team_manager@{red}"),
        "viewer".into(),
    ];
    wanted.sort();
    assert_eq!(roles(&me), wanted);
    assert_eq!(teams(&me), [("own".to_owned(), true), ("red".into(), true)]);
    assert_eq!(first.get("/api/me").await.status, 401, "rights changed: older sessions are over");
    assert_eq!(house.trail("user.update").await.len(), 2);
    // none at all: userinfo knows of none either
    house.fake.userinfo(json!({"sub": "ada"}));
    let mut third = house.signed_in(with(Value::Null)).await;
    assert_eq!(teams(&third.me().await), [("own".to_owned(), true)]);
    // a rule whose team is gone gives nothing
    let a = house.root("DELETE", &format!("/api/teams/{red}"), json!({})).await;
    assert_eq!(a.status, 204, "{}", a.text());
    assert_eq!(teams(&house.signed_in(with(json!(["reds"]))).await.me().await), [("own".to_owned(), true)]);
    // Entra: too many groups to send
    house.change(&id, json!({"claims": {"email": "email", "name": "name", "groups": "groups"}})).await;
    let overage = json!({"groups": null, "_claim_names": {"groups": "src1"}});
    house.refused(person_with("ada", overage), "sign_in_refused", "overage").await;
    // Zitadel: an object of roles
    let mut fourth = house.signed_in(person_with("ada", json!({"groups": {"admins": {"1": "org"}}}))).await;
    assert!(roles(&fourth.me().await).contains(&"admin".to_owned()));
    // deleted: what it gave is taken back, its sessions end
    let a = house.root("DELETE", &format!("/api/oidc_providers/{id}"), json!({})).await;
    assert_eq!(a.status, 204, "{}", a.text());
    assert_eq!(fourth.get("/api/me").await.status, 401);
    let left = house.root("GET", &format!("/api/users/{user}"), json!({})).await.json();
    assert_eq!(roles(&left), ["viewer"]);
}

#[tokio::test]
async fn the_last_super_admin_is_not_taken_away_by_a_group() {
    let house = House::new().await;
    let rules = json!([{"group": "roots", "role": {"role": "super_admin"}}]);
    let id = house.provider(json!({"group_rules": rules})).await;
    let mut ada = house.signed_in(person_with("ada", json!({"groups": ["roots"]}))).await;
    let mut browser = house.browser();
    let a = house.sign_in(&mut browser, person("ada")).await;
    assert_eq!(a.problem(), (409, "conflict".into()));
    assert_eq!(roles(&ada.me().await), ["super_admin"]);
    let a = house.root("DELETE", &format!("/api/oidc_providers/{id}"), json!({})).await;
    assert_eq!(a.problem(), (409, "conflict".into()));
}

#[tokio::test]
async fn draft_test_activate() {
    let house = House::new().await;
    local(&house, "root@example.com", "super_admin").await;
    let id =
        house.draft(json!({"default_roles": [{"role": "viewer"}], "allowed_domains": ["example.com"]})).await;
    let uri = format!("/api/oidc_providers/{id}");
    let state = |a: &super::kit::Answer| a.json()["state"].as_str().unwrap().to_owned();
    assert_eq!(house.browser().get("/api/oidc/corp/login").await.problem().0, 404, "a draft signs nobody in");
    assert_eq!(
        house.root("POST", &format!("{uri}/activate"), json!({})).await.problem(),
        (409, "conflict".into())
    );
    assert_eq!(house.root("GET", &format!("{uri}/test"), json!({})).await.problem().0, 404);
    // one that fails
    let a = house.test(&id, person_with("ada", json!({"email": "ada@evil.example"}))).await;
    assert_eq!((a.status.as_u16(), &a.json()["passed"]), (200, &json!(false)));
    let seen = house.root("GET", &format!("{uri}/test"), json!({})).await.json();
    assert_eq!(seen["claims"]["email"], "ada@evil.example");
    assert!(seen["error"].as_str().unwrap().contains("domain"), "{seen}");
    assert_eq!(house.root("POST", &format!("{uri}/activate"), json!({})).await.problem().0, 409);
    // one whose user could not sign in
    house.test(&id, person("root")).await;
    let seen = house.root("GET", &format!("{uri}/test"), json!({})).await.json();
    assert!(
        !seen["passed"].as_bool().unwrap() && seen["error"].as_str().unwrap().contains("already"),
        "{seen}"
    );
    // one that passes
    let a = house.test(&id, person_with("ada", json!({"odd": "nul\u{0}", "deep": [[[[[[[[1]]]]]]]]}))).await;
    assert_eq!(a.json(), json!({"passed": true, "see": format!("{uri}/test")}));
    let seen = house.root("GET", &format!("{uri}/test"), json!({})).await.json();
    assert_eq!(
        (&seen["passed"], &seen["current"], &seen["error"]),
        (&json!(true), &json!(true), &Value::Null)
    );
    assert_eq!(seen["started_by"], "bootstrap token");
    assert_eq!(
        seen["maps_to"],
        json!({"subject": "ada", "email": "ada@example.com", "name": "ada", "user": null, "teams": [],
               "roles": [{"role": "viewer", "team": null}]})
    );
    let people = house.root("GET", "/api/users", json!({})).await.json();
    assert_eq!(people["items"].as_array().unwrap().len(), 1, "a test makes nobody");
    let a = house.root("GET", &uri, json!({})).await;
    assert_eq!(state(&a), "tested");
    let a = house.root("POST", &format!("{uri}/activate"), json!({})).await;
    assert_eq!((a.status.as_u16(), state(&a).as_str()), (200, "active"), "{}", a.text());
    house.signed_in(person("ada")).await;
    // its name is no matter; everything else is tested again
    let a = house.root("PATCH", &uri, json!({"name": "The Corp"})).await;
    assert_eq!(state(&a), "active");
    // a flow that is under way meanwhile ends
    let mut late = house.browser();
    let page = location(&late.get("/api/oidc/corp/login").await);
    let a = house.root("PATCH", &uri, json!({"jit": false})).await;
    assert_eq!(state(&a), "draft");
    let query = house.fake.sign_in(&page, person("ada"));
    assert_eq!(late.get(&format!("/api/oidc/corp/callback?{query}")).await.problem().0, 400);
    assert_eq!(house.root("POST", &format!("{uri}/activate"), json!({})).await.problem().0, 409);
    let seen = house.root("GET", &format!("{uri}/test"), json!({})).await.json();
    assert_eq!((&seen["passed"], &seen["current"]), (&json!(true), &json!(false)));
    // versions
    let stale = [("if-match", "\"1\"")];
    let a = super::kit::call_json(&house.router, "PATCH", &uri, &json!({"jit": true}), &stale).await;
    assert_eq!(a.problem().0, 412);
    // the secret is nowhere to be seen
    for uri in [uri.as_str(), "/api/oidc_providers", "/api/audit"] {
        let text = house.root("GET", uri, json!({})).await.text();
        assert!(!text.contains(SECRET) && !text.contains("client_secret\":\"p"), "{uri}: {text}");
    }
    let presets = house.root("GET", "/api/oidc_presets", json!({})).await.json();
    assert_eq!(presets["items"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn nobody_lets_a_provider_give_what_he_does_not_hold() {
    let house = House::new().await;
    let grants = json!([{"effect": "allow", "scope": "all", "permissions": ["sign_in.*", "roles.read"]}]);
    let a = house.root("POST", "/api/roles", json!({"name": "door", "grants": grants})).await;
    assert_eq!(a.status, 201, "{}", a.text());
    let team = house.root("POST", "/api/teams", json!({"name": "red"})).await.json()["id"].clone();
    local(&house, "door@example.com", "door").await;
    let body = json!({"email": "door@example.com", "password": "mauve-otter-93-kayak"});
    let a = house.root("POST", "/api/session", body).await;
    assert_eq!(a.status, 200, "{}", a.text());
    let cookie = a.headers["set-cookie"].to_str().unwrap().to_owned();
    let token = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let new = |more: Value| {
        let mut body =
            json!({"slug": "mine", "name": "M", "preset": "generic", "issuer": ISSUER, "client_id": CLIENT});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for more in [
        json!({"default_roles": [{"role": "viewer"}]}),
        json!({"group_rules": [{"group": "g", "role": {"role": "super_admin"}}]}),
        json!({"group_rules": [{"group": "g", "team": team}]}),
        json!({"link_by_email": true, "allowed_domains": ["example.com"]}),
    ] {
        let a = by(&house.router, &token, "POST", "/api/oidc_providers", new(more.clone())).await;
        assert_eq!(a.problem().0, 403, "{more}");
    }
    let a = by(
        &house.router,
        &token,
        "POST",
        "/api/oidc_providers",
        new(json!({"default_roles": [{"role": "door"}]})),
    )
    .await;
    assert_eq!(a.status, 201, "{}", a.text());
    // nor touches what gives more
    let id = house.provider(json!({"default_roles": [{"role": "admin"}]})).await;
    let uri = format!("/api/oidc_providers/{id}");
    for (method, uri, body) in [
        ("PATCH", uri.clone(), json!({"issuer": "https://evil.example"})),
        ("DELETE", uri.clone(), json!({})),
        ("POST", format!("{uri}/activate"), json!({})),
        ("POST", format!("{uri}/disable"), json!({})),
    ] {
        assert_eq!(by(&house.router, &token, method, &uri, body).await.problem().0, 403, "{method} {uri}");
    }
    assert_eq!(by(&house.router, &token, "GET", &uri, json!({})).await.status, 200);
}

#[tokio::test]
async fn values_that_cannot_be() {
    let house = House::new().await;
    let base = json!({"slug": "corp", "name": "C", "preset": "generic", "issuer": ISSUER, "client_id": "c"});
    for (name, value) in [
        ("slug", json!("../x")),
        ("slug", json!("")),
        ("slug", json!("-a")),
        ("name", json!("")),
        ("preset", json!("myspace")),
        ("issuer", json!("http://id.example")),
        ("issuer", json!("https://id.example/?a=b")),
        ("issuer", json!("https://user:pw@id.example")),
        ("issuer", json!("not a url")),
        ("client_id", json!("")),
        ("client_secret", json!("")),
        ("scopes", json!(["a b"])),
        ("claims", json!({"email": "", "name": "name"})),
        ("group_rules", json!([{"group": "g"}])),
        ("group_rules", json!([{"group": "g", "role": {"role": "viewer"}, "manager": true}])),
        ("group_rules", json!([{"group": "g", "team": "019a0000-0000-7000-8000-000000000000"}])),
        ("default_roles", json!([{"role": "no-such-role"}])),
        ("default_roles", json!(vec![json!({"role": "viewer"}); 51])),
        ("allowed_domains", json!(["@example.com"])),
        ("allowed_domains", json!(["Example.com"])),
        ("jit", json!("yes")),
        ("surprise", json!(1)),
    ] {
        let mut body = base.clone();
        body[name] = value.clone();
        let a = house.root("POST", "/api/oidc_providers", body).await;
        assert_eq!(a.problem().0, 422, "{name}: {value}: {}", a.text());
    }
    assert_eq!(house.root("POST", "/api/oidc_providers", base.clone()).await.status, 201);
    assert_eq!(house.root("POST", "/api/oidc_providers", base).await.problem(), (409, "exists".into()));
    let bare = House::at(None).await;
    let id = bare.provider(json!({})).await;
    assert_eq!(bare.browser().get("/api/oidc/corp/login").await.problem(), (409, "no_public_url".into()));
    let a = bare.root("POST", &format!("/api/oidc_providers/{id}/test"), json!({})).await;
    assert_eq!(a.problem(), (409, "no_public_url".into()));
}
