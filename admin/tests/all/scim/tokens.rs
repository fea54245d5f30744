//! Tokens of clients, and what is refused without one or with nonsense.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_once_rotated_and_refused() {
    let d = Directory::plain().await;
    let uri = format!("/api/scim_clients/{}", d.client);
    let shown = send(&d.router, "GET", &uri, Some(TOKEN)).await;
    assert!(
        !shown.text().contains(&d.token) && d.token.starts_with(shown.json()["prefix"].as_str().unwrap())
    );
    d.done("GET", USERS, None).await;
    assert!(send(&d.router, "GET", &uri, Some(TOKEN)).await.json()["last_used_at"].is_string());
    let same = json!({"name": "entra"});
    assert_eq!(
        call_json(&d.router, "POST", "/api/scim_clients", &same, &[]).await.problem(),
        (409, "exists".into())
    );

    let rotated = call_json(&d.router, "POST", &format!("{uri}/rotate"), &json!({}), &[]).await.json();
    let new = rotated["token"].as_str().unwrap().to_owned();
    let with = |token: &str| {
        let (router, token) = (d.router.clone(), token.to_owned());
        async move { send(&router, "GET", USERS, Some(&token)).await.status.as_u16() }
    };
    assert_eq!((with(&d.token).await, with(&new).await), (200, 200), "both, for the time of grace");
    call_json(&d.router, "POST", &format!("{uri}/rotate"), &json!({"grace_seconds": 0}), &[]).await;
    assert_eq!((with(&d.token).await, with(&new).await), (401, 401));
    let a = send(&d.router, "GET", USERS, Some(&new)).await;
    assert_eq!(failure(&a), (401, String::new()));
    let last = call_json(&d.router, "POST", &format!("{uri}/rotate"), &json!({}), &[]).await.json();
    let last = last["token"].as_str().unwrap().to_owned();
    assert_eq!(with(&last).await, 200);
    call_json(&d.router, "PATCH", &uri, &json!({"active": false}), &[]).await;
    assert_eq!(with(&last).await, 401);
    call_json(&d.router, "PATCH", &uri, &json!({"active": true, "default_roles": []}), &[]).await;
    assert_eq!(with(&last).await, 200);
    for (change, status) in [
        (json!({"default_roles": [{"role": "ghost"}]}), 422),
        (json!({"roles": [{"role": "developer", "team": Uuid::nil()}]}), 422),
        (json!({"roles": [{"role": "viewer"}], "default_roles": [{"role": "admin"}]}), 403),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), 422),
        (json!({"colour": "red"}), 422),
    ] {
        let a = call_json(&d.router, "PATCH", &uri, &change, &[]).await;
        assert_eq!(a.status, status, "{change}: {}", a.text());
    }
    let rows = d
        .store
        .audit_trail(&AuditFilter { target_kind: Some("scim_client".into()), ..Default::default() }, None, 50)
        .await
        .unwrap();
    assert!(rows.iter().all(|r| !format!("{r:?}").contains(&last)), "no token in the trail");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_clients_token_opens_scim_and_its_errors_are_scims() {
    let d = Directory::plain().await;
    let mut seen = 0;
    for rule in TABLE.iter().filter(|r| r.permission == Permission::Scim) {
        let uri = rule.path.replace("{id}", &Uuid::nil().to_string());
        assert_eq!(failure(&send(&d.router, rule.method, &uri, None).await).0, 401, "{uri}");
        assert_eq!(failure(&send(&d.router, rule.method, &uri, Some("spscim-wrong")).await).0, 401, "{uri}");
        assert_eq!(
            failure(&send(&d.router, rule.method, &uri, Some(TOKEN)).await).0,
            403,
            "{uri}: the bootstrap token"
        );
        // with the token and nonsense: refused, never a failure of the service
        let nonsense = d.ask(rule.method, &uri, Some(json!({"schemas": ["x"], "Operations": 5}))).await;
        assert!(nonsense.status.as_u16() < 500, "{} {uri}: {}", rule.method, nonsense.text());
        seen += 1;
    }
    assert!(seen >= 18);
    assert_eq!(failure(&d.ask("GET", "/scim/v2/Nothing", None).await).0, 404);
    assert_eq!(failure(&d.ask("DELETE", "/scim/v2/Schemas", None).await).0, 405);
    assert_eq!(failure(&d.ask("GET", &format!("{USERS}/no-uuid"), None).await).0, 404);
    for (body, word) in [
        (json!({"userName": "x"}), "invalidSyntax"),
        (json!({"schemas": [USER]}), "invalidValue"),
        (json!({"schemas": [USER], "userName": 5}), "invalidValue"),
        (json!({"schemas": [USER], "userName": "x", "emails": "x\u{0}"}), "invalidValue"),
        (json!([1]), "invalidSyntax"),
    ] {
        assert_eq!(failure(&d.ask("POST", USERS, Some(body.clone())).await), (400, word.into()), "{body}");
    }
    let config = d.done("GET", "/scim/v2/ServiceProviderConfig", None).await;
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    let user = d.done("GET", &format!("/scim/v2/Schemas/{USER}"), None).await;
    assert_eq!((&user["id"], &user["name"]), (&json!(USER), &json!("User")));
    assert_eq!(failure(&d.ask("GET", "/scim/v2/Schemas?filter=id%20pr", None).await).0, 403);
}
