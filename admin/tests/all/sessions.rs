//! Sessions: how they go on, and how they end, with a real Postgres.

use super::house::{ADA, Browser, FIREFOX, House, OTHER, PASSWORD, service};
use super::kit::answer;
use axum::body::Body;
use http::Request;
use sallyport_config::model::{Admin, BindAddress, SessionRules};
use sallyport_schema::audit::Actor;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::PersonChange;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_secret_works_once_and_a_stolen_one_ends_the_session() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut tab = browser.clone();
    let first = browser.cookies["__Host-sallyport-refresh"].clone();
    // the access token has gone: the refresh cookie alone renews it
    browser.cookies.remove("__Host-sallyport");
    assert_eq!(browser.open().await, 401);
    assert_eq!(browser.refresh().await.status, 200);
    assert_ne!(browser.cookies["__Host-sallyport-refresh"], first);
    assert_eq!(browser.open().await, 200);

    // a second tab, at the same time: it goes on, with the first one's secret in the shared jar
    assert_eq!(tab.refresh().await.status, 200);
    assert_eq!(tab.cookies["__Host-sallyport-refresh"], first, "the secret is not handed out again");
    assert_eq!(tab.open().await, 200);

    house.sql("UPDATE sessions SET used_until = now() - interval '1 second'").await;
    let a = tab.refresh().await;
    assert_eq!(a.problem(), (401, "session_over".into()));
    assert!(tab.cookies.is_empty(), "cookies are taken away");
    assert_eq!(browser.open().await, 401, "whoever of the two was the thief");
    assert_eq!(browser.refresh().await.problem(), (401, "session_over".into()));
    assert_eq!(house.trail("session.refresh").await.len(), 1);

    for cookie in ["", "x", &format!("{}.x", uuid::Uuid::now_v7())] {
        let mut stranger = house.browser();
        stranger.cookies.insert("__Host-sallyport-refresh".into(), cookie.into());
        assert_eq!(stranger.refresh().await.problem(), (401, "session_over".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_it_on_the_server() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut copy = browser.clone();
    assert_eq!(browser.send("DELETE", "/api/session", None).await.status, 204);
    assert!(browser.cookies.is_empty());
    assert_eq!(copy.program().get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(copy.get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(copy.refresh().await.status, 401);
    // a stale cookie is in nobody's way
    assert_eq!(copy.get("/api/health").await.status, 200);
    assert_eq!(copy.sign_in(ADA, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_old_or_idle() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    for end in ["expires_at = now()", "seen_at = now() - interval '61 minutes'"] {
        let mut browser = house.signed_in(ADA).await;
        house.sql(&format!("UPDATE sessions SET {end} WHERE ended_at IS NULL")).await;
        assert_eq!(browser.open().await, 401, "{end}");
        assert_eq!(browser.refresh().await.status, 401, "{end}");
    }
    let mut other = house.signed_in(ADA).await;
    assert_eq!(other.get("/api/sessions").await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_sessions_can_be_seen_and_ended() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    house.person("eve@example.com", "super_admin").await;
    let mut here = house.signed_in(ADA).await;
    let (mut there, mut third) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let mut eve = house.signed_in("eve@example.com").await;

    let sessions = here.get("/api/sessions").await.json();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|s| s["current"] == true).count(), 1);
    assert_eq!((&sessions[2]["address"], &sessions[2]["agent"]), (&json!("192.0.2.7"), &json!(FIREFOX)));
    let second = format!("/api/sessions/{}", sessions[1]["id"].as_str().unwrap());
    assert_eq!(eve.send("DELETE", &second, None).await.problem().0, 404, "not hers");
    assert_eq!(there.open().await, 200);
    assert_eq!(here.send("DELETE", &second, None).await.status, 204);
    assert_eq!((there.open().await, third.open().await), (401, 200));
    assert_eq!(here.send("DELETE", &second, None).await.problem().0, 404);
    assert_eq!(here.send("DELETE", "/api/sessions/no-uuid", None).await.problem().0, 404);
    assert_eq!(here.send("DELETE", "/api/sessions", None).await.json(), json!({"ended": 1}));
    assert_eq!((here.open().await, third.open().await, eve.open().await), (200, 401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_sessions() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut other = house.signed_in(ADA).await;
    assert_eq!(browser.change_password(OTHER, OTHER).await.problem(), (422, "wrong_password".into()));
    assert_eq!(
        browser.change_password(PASSWORD, "Password1234!").await.problem(),
        (422, "weak_password".into())
    );
    assert_eq!(browser.change_password(PASSWORD, PASSWORD).await.problem(), (422, "same_password".into()));
    let bad = browser
        .send("PUT", "/api/me/password", Some(json!({"current": PASSWORD, "new": OTHER, "x": 1})))
        .await;
    assert_eq!(bad.problem(), (422, "bad_value".into()));
    assert_eq!(other.open().await, 200);
    let mut old = browser.program();

    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!((browser.open().await, other.open().await, old.open().await), (200, 401, 401));
    assert_eq!(other.refresh().await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, OTHER).await.status, 200);
    let trail = house.trail("user.password_change").await;
    assert_eq!(trail.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["done", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_roles_and_deactivation_end_sessions_at_once() {
    let house = House::new().await;
    let ada = house.person(ADA, "viewer").await;
    let (cli, role) = (Actor::cli(), |r: &str| Some(vec![HeldRole { role: r.into(), team: None }]));
    for change in [
        PersonChange { roles: role("developer"), ..PersonChange::default() },
        PersonChange { active: Some(false), ..PersonChange::default() },
    ] {
        let mut browser = house.signed_in(ADA).await;
        let mut program = browser.program();
        house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
        assert_eq!(
            (browser.open().await, program.open().await, browser.refresh().await.status.as_u16()),
            (401, 401, 401)
        );
    }
    let change = PersonChange { active: Some(true), ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
    let mut browser = house.signed_in(ADA).await;
    let change = PersonChange { name: Some("Countess".into()), ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
    assert_eq!(browser.open().await, 200, "a name is nobody's right");
    house.store.delete_person(ada.id, None, &cli).await.unwrap();
    assert_eq!(browser.open().await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_can_do_nothing() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let browser = house.signed_in(ADA).await;
    let mut eve = house.signed_in(ADA).await;
    for csrf in [None, Some(String::new()), Some("x".into()), eve.csrf.clone()] {
        let mut page = browser.clone();
        page.csrf = csrf;
        let a = page.send("DELETE", "/api/sessions", None).await;
        assert_eq!(a.problem(), (403, "csrf_token".into()));
        assert_eq!(page.open().await, 200, "reading needs none");
    }
    assert_eq!(eve.open().await, 200);
    assert_eq!(
        browser.program().send("DELETE", "/api/session", None).await.status,
        204,
        "no cookie, no forgery"
    );

    for site in ["cross-site", "same-site"] {
        let mut page = house.signed_in(ADA).await;
        page.extra.insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(page.refresh().await.problem(), (403, "cross_site".into()));
        assert_eq!(page.sign_in(ADA, PASSWORD).await.problem(), (403, "cross_site".into()));
    }
    // what a form can send is not taken
    let request =
        Request::post("/api/session").header("host", "localhost").header("content-type", "text/plain");
    let body = json!({"email": ADA, "password": PASSWORD}).to_string();
    let a = answer(&house.router, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(a.problem(), (415, "not_json".into()));
}

fn bound(bind_address: BindAddress) -> Admin {
    Admin { session: SessionRules { bind_address, ..SessionRules::default() }, ..Admin::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_where_it_began() {
    for (bind, near, far) in
        [(BindAddress::Prefix, 200, 401), (BindAddress::Exact, 401, 401), (BindAddress::Off, 200, 200)]
    {
        let house = House::with(bound(bind)).await;
        house.person(ADA, "viewer").await;
        let mut browser = house.signed_in(ADA).await;
        for (address, expected) in [("192.0.2.99:1", near), ("203.0.113.1:1", far)] {
            let mut moved = browser.clone();
            moved.from = address.parse().unwrap();
            assert_eq!(moved.open().await, expected, "{bind:?} {address}");
            assert_eq!(moved.program().open().await, expected, "{bind:?} {address}");
        }
        let mut curl = browser.clone();
        curl.agent = "curl/8.5.0".into();
        assert_eq!(curl.get("/api/me").await.problem(), (401, "session_moved".into()));
        assert_eq!(curl.refresh().await.problem(), (401, "session_moved".into()));
        browser.agent = FIREFOX.replace("127", "128");
        assert_eq!(browser.open().await, 200, "an update of the browser");
        let trail = house.trail("session.use").await;
        // curl: one of /api/me, two of the refresh, which shows both cookies
        let denied = 3 + 2 * usize::from(near == 401) + 2 * usize::from(far == 401);
        assert_eq!(
            trail.iter().filter(|(outcome, ..)| outcome == "denied").count(),
            denied,
            "{bind:?} {trail:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_keys_open_nothing_and_those_of_the_previous_key_do() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let new = MasterKey::generate().unwrap();
    let other = service(&house.store, &KeyRing::new(new.clone()), &Admin::default());
    let mut moved = Browser { router: other, ..browser.clone() };
    assert_eq!(moved.get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(moved.program().get("/api/me").await.problem(), (401, "invalid_token".into()));

    let rotated = KeyRing { current: new, previous: vec![house.ring.current.clone()] };
    browser.router = service(&house.store, &rotated, &Admin::default());
    assert_eq!(browser.open().await, 200);
    assert_eq!(browser.refresh().await.status, 200);
    assert_eq!(browser.send("DELETE", "/api/session", None).await.status, 204);
}
