//! Signing out of a session that came from an identity provider: here, there, and when the provider says so.

use super::kit::{Answer, answer};
use super::oidc_fake::{CLIENT, ISSUER, SECRET, SigningKey, hs256, unsigned};
use super::oidc_kit::{House, person, person_with};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use std::collections::HashMap;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn logout(jti: &str, more: Value) -> Value {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let mut claims = json!({"iss": ISSUER, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": jti, "events": {EVENT: {}}});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn tell(house: &House, token: &str) -> Answer {
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    post(house, form).await
}

async fn post(house: &House, body: String) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri("/api/oidc/corp/backchannel_logout")
        .header("host", "gate.example");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    answer(&house.router, request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn signing_out_leads_to_the_provider() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let mut ada = house.signed_in(person("ada")).await;
    ada.me().await;
    let a = ada.send("DELETE", "/api/session").await;
    assert_eq!(a.status, 200, "{}", a.text());
    assert!(ada.cookies.is_empty(), "{:?}", ada.cookies);
    let url = url::Url::parse(a.json()["logout_url"].as_str().unwrap()).unwrap();
    assert!(url.as_str().starts_with(&format!("{ISSUER}/end?")));
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(
        (&*query["client_id"], &*query["post_logout_redirect_uri"]),
        (CLIENT, "https://gate.example/")
    );
    let hint: Vec<&str> = query["id_token_hint"].split('.').collect();
    assert_eq!(hint.len(), 3);
    // a provider without such a place
    house.fake.describe("end_session_endpoint", Value::Null);
    let mut second = house.signed_in(person("ada")).await;
    second.me().await;
    house.sql("UPDATE oidc_sessions SET end_session = NULL").await;
    assert_eq!(second.send("DELETE", "/api/session").await.status, 204);
}

#[tokio::test]
async fn the_provider_ends_sessions() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let mut one = house.signed_in(person_with("ada", json!({"sid": "s1"}))).await;
    let mut two = house.signed_in(person_with("ada", json!({"sid": "s2"}))).await;
    let mut bob = house.signed_in(person_with("bob", json!({"sid": "s3"}))).await;
    let key = house.fake.key();
    // one of the provider's sessions
    let token = key.token(&logout("j1", json!({"sid": "s1"})));
    assert_eq!(tell(&house, &token).await.status, 200);
    assert_eq!(one.get("/api/me").await.status, 401);
    two.me().await;
    // the subject and a session of somebody else are nobody
    assert_eq!(tell(&house, &key.token(&logout("j2", json!({"sub": "bob", "sid": "s2"})))).await.status, 200);
    two.me().await;
    bob.me().await;
    // all of a subject; `typ` as the specification has it
    let mut three = house.signed_in(person("ada")).await;
    let header = json!({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"});
    let token = key.token_with(&header, &logout("j3", json!({"sub": "ada"})));
    assert_eq!(tell(&house, &token).await.status, 200);
    assert_eq!(
        (two.get("/api/me").await.status.as_u16(), three.get("/api/me").await.status.as_u16()),
        (401, 401)
    );
    bob.me().await;
    // again
    let mut four = house.signed_in(person("ada")).await;
    let a = tell(&house, &token).await;
    assert_eq!(a.problem(), (400, "bad_logout_token".into()));
    assert!(a.text().contains("jti"), "{}", a.text());
    four.me().await;
    let ended = house.trail("session.end").await;
    assert_eq!(ended.len(), 2, "{ended:?}");
}

#[tokio::test]
async fn logout_tokens_that_are_none() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let mut ada = house.signed_in(person("ada")).await;
    let fetched = house.fake.asked("/jwks");
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let key = house.fake.key();
    let of = |more: Value| {
        let mut claims = logout("j", json!({"sub": "ada"}));
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let stranger = SigningKey::rsa("k1");
    let cases = [
        ("nonce", key.token(&of(json!({"nonce": "n"})))),
        ("events", key.token(&of(json!({"events": {}})))),
        ("events", key.token(&of(json!({"events": {EVENT: true}})))),
        ("events", key.token(&of(json!({"events": {"http://schemas.openid.net/event/other": {}}})))),
        ("say", key.token(&of(json!({"events": [EVENT]})))),
        ("say", key.token(&of(json!({"jti": null})))),
        ("jti", key.token(&of(json!({"jti": ""})))),
        ("neither", key.token(&of(json!({"sub": null})))),
        ("audience", key.token(&of(json!({"aud": "other"})))),
        ("issuer", key.token(&of(json!({"iss": "https://evil.example"})))),
        ("expired", key.token(&of(json!({"exp": now - 1})))),
        ("old", key.token(&of(json!({"iat": now - 3600})))),
        ("future", key.token(&of(json!({"iat": now + 3600})))),
        ("say", key.token(&of(json!({"iat": null})))),
        ("algorithm", unsigned(&json!({"alg": "none"}), &of(json!({})))),
        ("algorithm", hs256(&key.public_pem(), "k1", &of(json!({})))),
        ("algorithm", hs256(SECRET.as_bytes(), "k1", &of(json!({})))),
        (
            "something else",
            key.token_with(&json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}), &of(json!({}))),
        ),
        (
            "something else",
            key.token_with(&json!({"alg": "RS256", "kid": "k1", "crit": ["b64"]}), &of(json!({}))),
        ),
        ("no signed JWT", "x.y".to_owned()),
        ("JWT", "a.b.c".to_owned()),
        ("too long", "x".repeat(20_000)),
    ];
    for (word, token) in cases {
        let a = tell(&house, &token).await;
        assert_eq!(a.problem(), (400, "bad_logout_token".into()), "{word}");
        assert!(a.text().contains(word), "{word}: {}", a.text());
    }
    assert_eq!(house.fake.asked("/jwks"), fetched, "no key is asked for because of them");
    for token in [
        stranger.token(&of(json!({}))),
        SigningKey::rsa("k9").token(&of(json!({}))),
        stranger.token(&of(json!({}))),
    ] {
        assert_eq!(tell(&house, &token).await.problem(), (400, "bad_logout_token".into()));
    }
    assert_eq!(house.fake.asked("/jwks"), fetched + 1, "once, and not again for the next");
    for body in ["", "logout_token=", "logout_token=a.b.c&logout_token=a.b.c", "token=x"] {
        assert_eq!(post(&house, body.into()).await.problem().0, 400, "{body}");
    }
    ada.me().await;
    assert_eq!(
        tell(&house, &key.token(&of(json!({})))).await.status,
        200,
        "none of them has used the jti up"
    );
    assert_eq!(ada.get("/api/me").await.status, 401);
}
