//! Sign-in with an identity provider: the flow, and the tokens.

use super::oidc_fake::{CLIENT, Forge, ISSUER, SECRET, SigningKey, hs256, unsigned};
use super::oidc_kit::{Browser, House, location, person, person_with, roles};
use serde_json::{Value, json};

#[tokio::test]
async fn a_user_is_made_at_the_first_sign_in_and_known_at_the_next() {
    let house = House::new().await;
    house.provider(json!({"default_roles": [{"role": "developer"}]})).await;
    let mut browser = house.browser();
    assert_eq!(
        browser.get("/api/sign_in").await.json(),
        json!({"providers": [{"slug": "corp", "name": "Corp"}]})
    );
    let a = house.sign_in(&mut browser, person("ada")).await;
    assert_eq!((a.status.as_u16(), location(&a).as_str()), (303, "/keys"));
    let me = browser.me().await;
    assert_eq!(
        (&me["user"]["email"], &me["user"]["has_password"]),
        (&json!("ada@example.com"), &json!(false))
    );
    assert_eq!(roles(&me), ["developer"]);
    let sessions = browser.get("/api/sessions").await.json();
    assert_eq!(sessions["sessions"][0]["method"], "oidc:corp");
    // the address is another one at the provider meanwhile: it is the subject that counts
    let mut again = house.signed_in(person_with("ada", json!({"email": "countess@example.com"}))).await;
    assert_eq!(again.me().await["user"]["id"], me["user"]["id"]);
    assert_eq!(again.me().await["user"]["email"], "ada@example.com");
    // nobody's rights changed: the first session goes on
    browser.me().await;
    assert_eq!(house.trail("session.sign_in").await.len(), 2);
    assert_eq!(house.trail("user.create").await.len(), 1);
    assert_eq!(house.trail("user.update").await.len(), 0);
}

#[tokio::test]
async fn a_flow_is_its_browsers_own_and_works_once() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let mut ada = house.browser();
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let back = format!("/api/oidc/corp/callback?{}", house.fake.sign_in(&page, person("ada")));
    // a link that somebody was sent, in a browser that began nothing, or another flow
    let mut victim = house.browser();
    assert_eq!(victim.get(&back).await.problem(), (400, "stray_sign_in".into()));
    victim.get("/api/oidc/corp/login").await;
    assert_eq!(victim.get(&back).await.problem(), (400, "stray_sign_in".into()));
    for other in ["/api/oidc/corp/callback?code=x", "/api/oidc/corp/callback?code=x&state=y"] {
        assert_eq!(victim.get(other).await.problem(), (400, "stray_sign_in".into()));
    }
    assert_eq!(victim.cookies.len(), 1, "a stray answer takes no flow away");
    assert_eq!(house.fake.asked("/token"), 0);
    // a changed cookie is none
    let mut bent = ada.clone();
    for value in bent.cookies.values_mut() {
        value.push('A');
    }
    assert_eq!(bent.get(&back).await.problem().0, 400);
    let copy = ada.clone();
    assert_eq!(ada.get(&back).await.status, 303);
    assert!(!ada.cookies.contains_key("__Host-sallyport-oidc"), "{:?}", ada.cookies);
    // again, with the cookie: here and at another instance
    for router in [house.router.clone(), house.second()] {
        let mut again = Browser { router, ..copy.clone() };
        assert_eq!(again.get(&back).await.problem(), (400, "stray_sign_in".into()));
    }
    assert_eq!(house.fake.asked("/token"), 1);
    // a used code in a flow of one's own: the provider says no
    let mut eve = house.browser();
    let page = location(&eve.get("/api/oidc/corp/login").await);
    let state = page.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let a = eve.get(&format!("/api/oidc/corp/callback?code=code-1&state={state}")).await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
    assert_eq!(house.trail("session.sign_in").await.len(), 1, "anybody can do that: it fills no trail");
}

#[tokio::test]
async fn a_code_that_was_stolen_before_it_was_used_opens_nothing_in_another_browser() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let (mut ada, mut eve) = (house.browser(), house.browser());
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let stolen = house.fake.sign_in(&page, person("ada"));
    let page = location(&eve.get("/api/oidc/corp/login").await);
    let state = page.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let code = stolen.split('&').next().unwrap();
    // PKCE: the verifier is in Ada's cookie
    let a = eve.get(&format!("/api/oidc/corp/callback?{code}&state={state}")).await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
}

#[tokio::test]
async fn answers_of_the_provider_and_of_others() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let mut ada = house.browser();
    let state = |page: &str| page.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let a = ada
        .get(&format!(
            "/api/oidc/corp/callback?error=access_denied&error_description=no%0Aentry&state={}",
            state(&page)
        ))
        .await;
    assert_eq!(a.problem(), (400, "provider_denied".into()));
    assert!(a.text().contains("access_denied: noentry"), "{}", a.text());
    // RFC 9207
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let query = house.fake.sign_in(&page, person("ada"));
    let a = ada.get(&format!("/api/oidc/corp/callback?{query}&iss=https://evil.example")).await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
    assert_eq!(house.fake.asked("/token"), 0);
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let query = house.fake.sign_in(&page, person("ada"));
    let iss: String = url::form_urlencoded::byte_serialize(ISSUER.as_bytes()).collect();
    assert_eq!(ada.get(&format!("/api/oidc/corp/callback?{query}&iss={iss}")).await.status, 303);
    // the flow of one provider does not end at another one's door
    house.draft(json!({"slug": "other"})).await;
    house.sql("UPDATE oidc_providers SET state = 'active'").await;
    let page = location(&ada.get("/api/oidc/corp/login").await);
    let query = house.fake.sign_in(&page, person("ada"));
    assert_eq!(ada.get(&format!("/api/oidc/other/callback?{query}")).await.problem().0, 404);
}

#[tokio::test]
async fn tokens_that_are_not_to_be_trusted() {
    let house = House::new().await;
    house.provider(json!({})).await;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let with = |name: &'static str, value: Value| -> Forge {
        Box::new(move |key, mut claims| {
            claims[name] = value.clone();
            key.token(&claims)
        })
    };
    let stranger = SigningKey::rsa("k1");
    let cases: Vec<(&str, Forge)> = vec![
        ("nonce", with("nonce", json!("another"))),
        ("nonce", with("nonce", Value::Null)),
        ("audience", with("aud", json!("another-client"))),
        ("azp", with("aud", json!([CLIENT, "another-client"]))),
        ("azp", with("azp", json!("another-client"))),
        ("issuer", with("iss", json!("https://evil.example"))),
        ("issuer", with("iss", json!(format!("{ISSUER}/")))),
        ("xpired", with("exp", json!(now - 1))),
        ("future", with("iat", json!(now + 3600))),
        ("subject", with("sub", json!("a\u{0}b"))),
        ("subject", with("sub", json!("x".repeat(256)))),
        ("ignature", Box::new(|key, claims| unsigned(&json!({"alg": "none", "kid": key.kid}), &claims))),
        ("ignature", Box::new(|_, claims| unsigned(&json!({"alg": "none"}), &claims))),
        ("ignature", Box::new(|key, claims| hs256(&key.public_pem(), &key.kid, &claims))),
        ("ignature", Box::new(|key, claims| hs256(SECRET.as_bytes(), &key.kid, &claims))),
        ("ignature", Box::new(|key, claims| key.token_with(&json!({"alg": "ES256", "kid": "k1"}), &claims))),
        ("ignature", Box::new(move |_, claims| stranger.token(&claims))),
        (
            "crit",
            Box::new(|key, claims| {
                key.token_with(&json!({"alg": "RS256", "kid": "k1", "crit": ["x"]}), &claims)
            }),
        ),
        (
            "ignature",
            Box::new(|key, claims| {
                let good = key.token(&claims);
                let mut other = claims;
                other["sub"] = json!("root");
                let bent = key.token(&other);
                let body = bent.split('.').nth(1).unwrap();
                let mut parts: Vec<&str> = good.split('.').collect();
                parts[1] = body;
                parts.join(".")
            }),
        ),
    ];
    for (word, forge) in cases {
        house.fake.forge(Some(forge));
        house.refused(person("ada"), "bad_token", word).await;
    }
    for good in [json!([CLIENT]), json!([CLIENT, "project"])] {
        house.fake.forge(Some(Box::new(move |key, mut claims| {
            claims["aud"] = good.clone();
            claims["azp"] = json!(CLIENT);
            key.token(&claims)
        })));
        house.signed_in(person("ada")).await;
    }
}

#[tokio::test]
async fn keys_change_and_nobody_makes_us_ask_for_them_in_a_loop() {
    let house = House::new().await;
    house.provider(json!({})).await;
    house.signed_in(person("ada")).await;
    house.signed_in(person("ada")).await;
    assert_eq!((house.fake.asked("/jwks"), house.fake.asked("openid-configuration")), (1, 1));
    // another key, and of another kind
    house.fake.rotate(SigningKey::ec("k2"), true);
    house.signed_in(person("ada")).await;
    assert_eq!(house.fake.asked("/jwks"), 2);
    house.signed_in(person("ada")).await;
    assert_eq!(house.fake.asked("/jwks"), 2);
    // keys that are nobody's
    house.fake.rotate(SigningKey::rsa("k3"), false);
    for _ in 0..4 {
        house.refused(person("ada"), "bad_token", "ignature").await;
    }
    assert_eq!(house.fake.asked("/jwks"), 2, "they were fetched less than 10 seconds ago");
}

#[tokio::test]
async fn a_provider_that_is_away_or_somebody_else() {
    let house = House::new().await;
    house.provider(json!({})).await;
    house.fake.away(true);
    let mut ada = house.browser();
    for _ in 0..3 {
        assert_eq!(ada.get("/api/oidc/corp/login").await.problem(), (502, "provider_unreachable".into()));
    }
    assert_eq!(house.fake.asked("openid-configuration"), 1, "not asked again at once");
    house.fake.away(false);
    house.fake.describe("issuer", json!("https://evil.example"));
    let a = Browser { router: house.second(), ..house.browser() }.get("/api/oidc/corp/login").await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
    house.fake.describe("issuer", json!(ISSUER));
    house.fake.describe("token_endpoint", json!("http://id.example/token"));
    let a = Browser { router: house.second(), ..house.browser() }.get("/api/oidc/corp/login").await;
    assert_eq!(a.problem(), (502, "provider_answer".into()));
}

#[tokio::test]
async fn browsers_are_sent_to_paths_of_this_service_alone() {
    let house = House::new().await;
    house.provider(json!({})).await;
    for bad in [
        "//evil.example",
        "/%5cevil.example",
        "https://evil.example",
        "/%09/evil.example",
        "/%0d%0aset-cookie:x",
    ] {
        let a = house.browser().get(&format!("/api/oidc/corp/login?return_to={bad}")).await;
        assert_eq!(a.problem(), (400, "bad_parameter".into()), "{bad}");
    }
}
