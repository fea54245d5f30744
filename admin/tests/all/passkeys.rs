//! Passkeys, with an authenticator in software.

use super::authenticator::Authenticator;
use super::house::{ADA, Browser, House, PASSWORD, now, oathtool, service};
use super::kit::Answer;
use sallyport_config::model::{Admin, SecondFactorRules};
use sallyport_schema::audit::Actor;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::store::people::PersonChange;
use serde_json::{Value, json};

const ORIGIN: &str = "https://sallyport.example";
const WRONG: (u16, &str) = (401, "wrong_passkey");

fn rules() -> Admin {
    Admin { public_url: Some(ORIGIN.into()), ..Admin::default() }
}

fn is_wrong(a: &Answer) -> bool {
    a.headers.get("set-cookie").is_none() && a.problem() == (WRONG.0, WRONG.1.into())
}

impl Browser {
    async fn begin_passkey(&mut self) -> Value {
        let a = self.send("POST", "/api/me/passkeys/begin", Some(json!({"password": PASSWORD}))).await;
        assert_eq!(a.status, 200, "{}", a.text());
        a.json()
    }

    async fn finish_passkey(&mut self, credential: &Value) -> Answer {
        let asked = json!({"name": "Phone", "credential": credential});
        self.send("POST", "/api/me/passkeys/finish", Some(asked)).await
    }

    /// Registers one.
    async fn add_passkey(&mut self) -> (Authenticator, Value) {
        let options = self.begin_passkey().await;
        let (key, credential) = Authenticator::create(&options, ORIGIN, true);
        let a = self.finish_passkey(&credential).await;
        assert_eq!(a.status, 200, "{}", a.text());
        (key, a.json())
    }

    async fn challenge(&mut self) -> Value {
        let a = self.send("POST", "/api/session/passkey/begin", None).await;
        assert_eq!(a.status, 200, "{}", a.text());
        a.json()
    }

    async fn answer(&mut self, credential: &Value) -> Answer {
        self.send("POST", "/api/session/passkey/finish", Some(json!({"credential": credential}))).await
    }

    /// Signs in with a passkey.
    async fn show(&mut self, key: &mut Authenticator) -> Answer {
        let options = self.challenge().await;
        let credential = key.get(&options);
        self.answer(&credential).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_alone() {
    let house = House::with(rules()).await;
    let ada = house.person(ADA, "developer").await;
    let (mut browser, mut other) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let bad = browser.send("POST", "/api/me/passkeys/begin", Some(json!({"password": "no"}))).await;
    assert_eq!(bad.problem(), (422, "wrong_password".into()));
    let (mut key, added) = browser.add_passkey().await;
    assert_eq!((&added["passkey"]["name"], &added["session"]["user"]), (&json!("Phone"), &json!(ada.id)));
    let codes: Vec<String> = serde_json::from_value(added["recovery_codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10, "the first factor brings them");
    assert_eq!((browser.open().await, other.open().await), (200, 401), "what a password alone began is over");

    for _ in 0..2 {
        let mut anew = house.browser();
        let a = anew.show(&mut key).await;
        assert_eq!((a.status.as_u16(), &a.json()["user"]), (200, &json!(ada.id)), "{}", a.text());
        assert!(!anew.cookies.contains_key("__Host-sallyport-passkey"));
        assert_eq!(anew.get("/api/sessions").await.json()["sessions"][0]["method"], "passkey");
    }
    let me = browser.get("/api/me").await.json();
    assert_eq!((&me["user"]["has_passkey"], &me["user"]["has_totp"]), (&json!(true), &json!(false)));

    // the master key changes between challenge and answer
    let mut anew = house.browser();
    let options = anew.challenge().await;
    let credential = key.get(&options);
    let new = MasterKey::generate().unwrap();
    anew.router = service(&house.store, &KeyRing::new(new.clone()), &rules());
    assert!(is_wrong(&anew.answer(&credential).await), "a stranger's ring");
    let rotated = KeyRing { current: new, previous: vec![house.ring.current.clone()] };
    anew.router = service(&house.store, &rotated, &rules());
    assert_eq!(anew.answer(&credential).await.status, 200);

    // the password alone does not open any more
    let a = house.browser().sign_in(ADA, PASSWORD).await;
    assert_eq!(a.problem(), (401, "second_factor_required".into()));
    assert_eq!(a.json()["methods"], json!(["recovery_code", "passkey"]));
    assert_eq!(house.browser().sign_in_with(ADA, ("recovery_code", &codes[0])).await.status, 200);
    assert_eq!(house.browser().sign_in_with(ADA, ("code", "123456")).await.problem().1, "wrong_code");

    // an authenticator that does not count
    let mut anew = house.browser();
    assert_eq!(anew.show(&mut key).await.status, 200);
    let (mut second, added) = anew.add_passkey().await;
    assert_eq!((&added["recovery_codes"], added.get("session")), (&json!([]), None));
    assert_eq!(anew.open().await, 200);
    second.counts = false;
    for _ in 0..2 {
        assert_eq!(house.browser().show(&mut second).await.status, 200);
    }
    assert_eq!(house.trail("user.passkey_add").await.iter().filter(|t| t.0 == "done").count(), 2);
    assert!(format!("{:?}", house.store.audit_verify().await.unwrap()).contains("Whole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_prove_itself_is_refused() {
    let house = House::with(rules()).await;
    let ada = house.person(ADA, "developer").await;
    let eve = house.person("eve@example.com", "developer").await;
    let (mut key, _) = house.signed_in(ADA).await.add_passkey().await;
    // with a counter that the store knows
    assert_eq!(house.browser().show(&mut key).await.status, 200);

    let mut not_verified = key.clone();
    not_verified.verified = false;
    assert!(is_wrong(&house.browser().show(&mut not_verified).await));
    let mut elsewhere = key.clone();
    elsewhere.origin = "https://sallyport.example.evil".into();
    assert!(is_wrong(&house.browser().show(&mut elsewhere).await));
    let mut eves = key.clone();
    eves.user = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, eve.id.as_bytes());
    assert!(is_wrong(&house.browser().show(&mut eves).await), "somebody else's account");
    let (mut foreign, _) = house.signed_in("eve@example.com").await.add_passkey().await;
    foreign.user = key.user.clone();
    assert!(is_wrong(&house.browser().show(&mut foreign).await), "somebody else's key");

    // a challenge is of its browser, and is answered once
    let (mut browser, mut thief) = (house.browser(), house.browser());
    let options = browser.challenge().await;
    let credential = key.get(&options);
    assert!(is_wrong(&thief.answer(&credential).await), "no cookie");
    thief.challenge().await;
    assert!(is_wrong(&thief.answer(&credential).await), "another challenge");
    let mut replay = browser.clone();
    replay.router = service(&house.store, &house.ring, &rules());
    let mut forged = browser.clone();
    let cookie = forged.cookies["__Host-sallyport-passkey"].clone();
    for bad in
        [cookie[1..].to_owned(), cookie.replace('.', ""), format!("{cookie}A"), "x.y".into(), ".".into()]
    {
        forged.cookies.insert("__Host-sallyport-passkey".into(), bad);
        assert!(is_wrong(&forged.answer(&credential).await));
    }
    assert_eq!(browser.answer(&credential).await.status, 200);
    assert!(is_wrong(&replay.answer(&credential).await), "on another instance too");
    let challenges = "DO $$ BEGIN ASSERT (SELECT count(*) FROM passkey_challenges_used) = 2, 'only what was right'; END $$";
    house.sql(challenges).await;

    // two that count apart are copies
    key.counter -= 1;
    assert!(is_wrong(&house.browser().show(&mut key).await));
    let why = house.trail("session.sign_in").await;
    assert!(why[0].1.as_deref().unwrap().starts_with("the counter of the passkey went back"), "{why:?}");
    assert_eq!(why[0].2.as_deref(), Some(ADA));
    key.counter += 10;
    assert_eq!(house.browser().show(&mut key).await.status, 200);

    for junk in [json!(null), json!({}), json!("x"), json!({"id": "x", "rawId": "%%", "type": "public-key"})]
    {
        let mut browser = house.browser();
        browser.challenge().await;
        assert!(is_wrong(&browser.answer(&junk).await), "{junk}");
    }
    let change = PersonChange { active: Some(false), ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &Actor::cli()).await.unwrap();
    assert!(is_wrong(&house.browser().show(&mut key).await), "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_answer_twice_at_once_opens_once() {
    let house = House::with(rules()).await;
    house.person(ADA, "developer").await;
    let (mut key, _) = house.signed_in(ADA).await.add_passkey().await;
    let mut one = house.browser();
    let options = one.challenge().await;
    let credential = key.get(&options);
    let mut two = one.clone();
    two.router = service(&house.store, &house.ring, &rules());
    let (a, b) = tokio::join!(one.answer(&credential), two.answer(&credential));
    let mut both = [a.status.as_u16(), b.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_of_its_session_and_once() {
    let house = House::with(rules()).await;
    house.person(ADA, "developer").await;
    let (mut browser, mut other) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let options = browser.begin_passkey().await;
    let (_, credential) = Authenticator::create(&options, ORIGIN, true);
    assert_eq!(other.finish_passkey(&credential).await.problem(), (409, "no_passkey_begun".into()));
    house.sql("UPDATE passkey_registrations SET expires_at = now()").await;
    assert_eq!(browser.finish_passkey(&credential).await.problem(), (409, "no_passkey_begun".into()));

    for (origin, verified) in [("https://evil.example", true), (ORIGIN, false)] {
        let options = browser.begin_passkey().await;
        let (_, credential) = Authenticator::create(&options, origin, verified);
        assert_eq!(browser.finish_passkey(&credential).await.problem(), (422, "wrong_passkey".into()));
    }
    browser.begin_passkey().await;
    assert_eq!(
        browser.finish_passkey(&credential).await.problem(),
        (422, "wrong_passkey".into()),
        "another challenge"
    );
    assert_eq!(
        browser.finish_passkey(&credential).await.problem(),
        (409, "no_passkey_begun".into()),
        "taken"
    );
    let (_, added) = browser.add_passkey().await;
    let id = added["passkey"]["id"].as_str().unwrap().to_owned();
    house.sql("UPDATE passkeys SET credential_id = decode(md5(random()::text), 'hex')").await;

    house.person("eve@example.com", "viewer").await;
    let mut eve = house.signed_in("eve@example.com").await;
    let path = format!("/api/me/passkeys/{id}");
    let name = |name: &str| Some(json!({"name": name}));
    assert_eq!(eve.send("PATCH", &path, name("Mine")).await.problem().0, 404);
    assert_eq!(eve.send("DELETE", &path, Some(json!({"password": PASSWORD}))).await.problem().0, 404);
    assert_eq!(browser.send("PATCH", &path, name("  ")).await.problem().0, 422);
    assert_eq!(browser.send("PATCH", &path, name("Laptop")).await.json()["name"], "Laptop");
    assert_eq!(browser.get("/api/me/passkeys").await.json()["passkeys"][0]["name"], "Laptop");
    assert_eq!(house.trail("user.passkey_rename").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_removed_by_whoever_holds_a_factor() {
    let house = House::with(rules()).await;
    house.person(ADA, "developer").await;
    let mut browser = house.signed_in(ADA).await;
    let (mut key, added) = browser.add_passkey().await;
    let code = added["recovery_codes"][0].clone();
    let path = format!("/api/me/passkeys/{}", added["passkey"]["id"].as_str().unwrap());
    let alone = Some(json!({"password": PASSWORD}));
    let a = browser.send("DELETE", &path, alone.clone()).await;
    assert_eq!(a.problem(), (422, "second_factor_required".into()));
    let totp = browser.send("POST", "/api/me/totp", alone.clone()).await;
    assert_eq!(totp.problem(), (422, "second_factor_required".into()), "no way around by another factor");
    let with = Some(json!({"password": PASSWORD, "recovery_code": code}));
    assert_eq!(browser.send("DELETE", &path, with).await.status, 204);
    assert!(is_wrong(&house.browser().show(&mut key).await));
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200);

    // a sign-in with the passkey itself is enough, for ten minutes
    let mut browser = house.signed_in(ADA).await;
    let (mut key, added) = browser.add_passkey().await;
    let path = format!("/api/me/passkeys/{}", added["passkey"]["id"].as_str().unwrap());
    let mut shown = house.browser();
    assert_eq!(shown.show(&mut key).await.status, 200);
    house
        .sql("UPDATE sessions SET created_at = now() - interval '11 minutes' WHERE method = 'passkey'")
        .await;
    assert_eq!(shown.send("DELETE", &path, alone.clone()).await.problem().1, "second_factor_required");
    assert_eq!(shown.show(&mut key).await.status, 200);
    assert_eq!(shown.send("DELETE", &path, alone).await.status, 204);
    house.sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT 1 FROM recovery_codes); END $$").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_the_factor_that_a_role_needs() {
    let second_factor = SecondFactorRules { required_roles: vec!["super_admin".into()] };
    let house = House::with(Admin { second_factor, ..rules() }).await;
    house.person(ADA, "super_admin").await;
    let mut browser = house.signed_in(ADA).await;
    assert_eq!(browser.get("/api/snapshot").await.problem().1, "second_factor_setup_required");
    let (mut key, added) = browser.add_passkey().await;
    assert_eq!(added["session"]["second_factor_setup_required"], false);
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    let mut anew = house.browser();
    assert_eq!(anew.show(&mut key).await.status, 200);
    assert_eq!(anew.get("/api/snapshot").await.status, 200);
    let path = format!("/api/me/passkeys/{}", added["passkey"]["id"].as_str().unwrap());
    let alone = json!({"password": PASSWORD});
    let kept = anew.send("DELETE", &path, Some(alone.clone())).await;
    assert_eq!(kept.problem(), (409, "last_second_factor".into()));
    // with TOTP beside it, it may go; then TOTP stays
    let (secret, _) = anew.turn_totp_on().await;
    assert_eq!(anew.send("DELETE", &path, Some(alone)).await.status, 204);
    let off = json!({"password": PASSWORD, "code": oathtool(&secret, now() + 30)});
    assert_eq!(
        anew.send("DELETE", "/api/me/totp", Some(off)).await.problem(),
        (409, "last_second_factor".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_there_are_none() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let off = (409, "passkeys_off".to_owned());
    let a = browser.send("POST", "/api/me/passkeys/begin", Some(json!({"password": PASSWORD}))).await;
    assert_eq!(a.problem(), off);
    assert_eq!(browser.send("POST", "/api/session/passkey/begin", None).await.problem(), off);
    let junk = Some(json!({"credential": {}}));
    assert_eq!(browser.send("POST", "/api/session/passkey/finish", junk).await.problem(), off);
    assert_eq!(browser.get("/api/me/passkeys").await.json(), json!({"passkeys": []}));
}
