//! TOTP and recovery codes, with a real Postgres and another program's codes.

use super::house::{ADA, Browser, House, OTHER, PASSWORD, now, oathtool, service};
use super::kit::Answer;
use sallyport_config::model::Admin;
use sallyport_schema::audit::AuditFilter;
use sallyport_schema::envelope::USER_TOTP;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};

const WRONG: (u16, &str) = (401, "wrong_code");

fn told(a: &Answer) -> (u16, &'static str) {
    let (status, code) = a.problem();
    let known =
        ["wrong_code", "second_factor_required", "wrong_sign_in", "too_many_failures", "wrong_password"];
    (status, known.into_iter().find(|k| *k == code).unwrap_or("another"))
}

/// A code that is certainly wrong: of none of the steps around now.
fn wrong(secret: &str) -> String {
    let near: Vec<String> = (-2..=2).map(|n| oathtool(secret, now() + 30 * n)).collect();
    (0..).map(|n| format!("{n:06}")).find(|c| !near.contains(c)).unwrap()
}

async fn codes_are_new_again(house: &House) {
    house.sql("UPDATE users SET totp_step = 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totp_is_turned_on_and_each_code_opens_once() {
    let house = House::new().await;
    let ada = house.person(ADA, "developer").await;
    let (mut browser, mut other) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let (mut old, mut old_token) = (browser.clone(), browser.program());
    let begin = |password: &str| Some(json!({"password": password}));
    assert_eq!(told(&browser.send("POST", "/api/me/totp", begin(OTHER)).await), (422, "wrong_password"));
    let confirm = |code: &str| Some(json!({"code": code}));
    let none = browser.send("POST", "/api/me/totp/confirm", confirm("000000")).await;
    assert_eq!(none.problem(), (409, "no_totp_begun".into()));

    let begun = browser.send("POST", "/api/me/totp", begin(PASSWORD)).await.json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 32, "20 bytes");
    assert_eq!(
        begun["uri"],
        format!(
            "otpauth://totp/Sallyport:ada%40example.com?secret={secret}&issuer=Sallyport&algorithm=SHA1&digits=6&period=30"
        )
    );
    let bad = browser.send("POST", "/api/me/totp/confirm", confirm(&wrong(&secret))).await;
    assert_eq!(told(&bad), (422, "wrong_code"));
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200, "it is not on yet");

    let first = oathtool(&secret, now());
    let on = browser.send("POST", "/api/me/totp/confirm", confirm(&first)).await;
    assert_eq!(on.status, 200, "{}", on.text());
    assert_eq!(on.json()["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(
        (browser.open().await, other.open().await, old.open().await, old_token.open().await),
        (200, 401, 401, 401),
        "what a password alone began is over"
    );
    assert_eq!(old.refresh().await.status, 401);
    assert_eq!(browser.get("/api/me").await.json()["user"]["has_totp"], true);

    let mut anew = house.browser();
    let missing = anew.sign_in(ADA, PASSWORD).await;
    assert_eq!(told(&missing), (401, "second_factor_required"));
    assert_eq!(missing.json()["methods"], json!(["totp", "recovery_code"]));
    assert!(missing.headers.get("set-cookie").is_none(), "no half-open session");
    let a = anew
        .send("POST", "/api/session", Some(json!({"email": ADA, "password": OTHER, "code": first})))
        .await;
    assert_eq!(told(&a), (401, "wrong_sign_in"), "a code alone shows nothing");
    assert_eq!(told(&anew.sign_in_with(ADA, ("code", &first)).await), WRONG, "it turned TOTP on");
    assert_eq!(told(&anew.sign_in_with(ADA, ("code", &wrong(&secret))).await), WRONG);
    assert_eq!(told(&anew.sign_in_with(ADA, ("code", &oathtool(&secret, now() + 300))).await), WRONG);

    // the phone's clock is one step ahead
    let next = oathtool(&secret, now() + 30);
    assert_eq!(anew.sign_in_with(ADA, ("code", &next)).await.status, 200);
    assert_eq!(anew.get("/api/sessions").await.json()["sessions"][0]["method"], "password+totp");
    assert_eq!(told(&house.browser().sign_in_with(ADA, ("code", &next)).await), WRONG, "a used one");
    let both = json!({"email": ADA, "password": PASSWORD, "code": "1", "recovery_code": "2"});
    assert_eq!(anew.send("POST", "/api/session", Some(both)).await.problem(), (422, "bad_value".into()));

    let trail = house.trail("session.sign_in").await;
    let why: Vec<_> = trail.iter().filter_map(|t| t.1.as_deref()).collect();
    for reason in
        ["wrong code", "the code was used before", "the password is right, the second factor was not sent"]
    {
        assert!(why.contains(&reason), "{reason}: {why:?}");
    }
    assert_eq!(house.trail("user.totp_on").await[0].0, "done");
    assert!(house.store.person(ada.id).await.unwrap().unwrap().has_totp);
    assert!(format!("{:?}", house.store.audit_verify().await.unwrap()).contains("Whole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_opens_once_however_many_try_on_however_many_instances() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let (secret, recovery) = house.signed_in(ADA).await.turn_totp_on().await;
    let second = service(&house.store, &house.ring, &Admin::default());
    let code = oathtool(&secret, now() + 30);
    for more in [("code", code.as_str()), ("recovery_code", recovery[3].as_str())] {
        let mut tries: Vec<Browser> = (0..4).map(|_| house.browser()).collect();
        for b in &mut tries[2..] {
            b.router = second.clone();
        }
        let [a, b, c, d] = tries.get_disjoint_mut([0, 1, 2, 3]).unwrap();
        let (a, b, c, d) = tokio::join!(
            a.sign_in_with(ADA, more),
            b.sign_in_with(ADA, more),
            c.sign_in_with(ADA, more),
            d.sign_in_with(ADA, more)
        );
        let all = [&a, &b, &c, &d];
        assert_eq!(all.iter().filter(|a| a.status == 200).count(), 1, "{more:?}");
        assert!(all.iter().filter(|a| a.status != 200).all(|a| told(a) == WRONG), "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_open_once_each_and_new_ones_void_the_old() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    house.person("eve@example.com", "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let none = browser.send("POST", "/api/me/recovery_codes", Some(json!({"password": PASSWORD}))).await;
    assert_eq!(none.problem(), (409, "conflict".into()), "nothing to recover");
    let (secret, codes) = browser.turn_totp_on().await;
    let (_, eves) = house.signed_in("eve@example.com").await.turn_totp_on().await;
    assert!(codes.iter().all(|c| c.len() == 23), "100 bits");

    let mut lost = house.browser();
    assert_eq!(told(&lost.sign_in_with(ADA, ("recovery_code", &eves[0])).await), WRONG, "somebody else's");
    assert_eq!(lost.sign_in_with(ADA, ("recovery_code", &codes[0])).await.status, 200);
    assert_eq!(lost.get("/api/sessions").await.json()["sessions"][0]["method"], "password+recovery_code");
    assert_eq!(lost.get("/api/me/recovery_codes").await.json(), json!({"left": 9}));
    assert_eq!(told(&lost.sign_in_with(ADA, ("recovery_code", &codes[0])).await), WRONG, "used");
    let typed = codes[1].replace('-', " ").to_uppercase();
    assert_eq!(house.browser().sign_in_with(ADA, ("recovery_code", &typed)).await.status, 200);
    assert_eq!(house.trail("user.recovery_code_use").await.len(), 2);

    let without = browser.send("POST", "/api/me/recovery_codes", Some(json!({"password": PASSWORD}))).await;
    assert_eq!(told(&without), (422, "second_factor_required"));
    let with = json!({"password": PASSWORD, "code": oathtool(&secret, now() + 30)});
    let a = browser.send("POST", "/api/me/recovery_codes", Some(with.clone())).await;
    let new: Vec<String> = serde_json::from_value(a.json()["recovery_codes"].clone()).unwrap();
    assert_eq!(told(&browser.send("POST", "/api/me/recovery_codes", Some(with)).await), (422, "wrong_code"));
    assert_eq!(told(&house.browser().sign_in_with(ADA, ("recovery_code", &codes[2])).await), WRONG, "void");
    assert_eq!(house.browser().sign_in_with(ADA, ("recovery_code", &new[9])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_codes_have_to_wait_and_a_right_password_buys_no_more() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut inside = house.signed_in(ADA).await;
    let (secret, codes) = inside.turn_totp_on().await;
    let bad = wrong(&secret);
    let mut tried = 0;
    loop {
        let mut thief = house.browser();
        let more = if tried % 2 == 0 {
            ("code", bad.as_str())
        } else {
            ("recovery_code", "abcde-abcde-abcde-abcde")
        };
        match told(&thief.sign_in_with(ADA, more).await) {
            WRONG => tried += 1,
            (429, _) => break,
            other => panic!("{other:?}"),
        }
        assert!(tried < 15, "no end of guesses");
        // what a right password alone gets must not wipe the count
        let half = told(&thief.sign_in(ADA, PASSWORD).await);
        assert!([(401, "second_factor_required"), (429, "too_many_failures")].contains(&half), "{half:?}");
        let same = inside.change_password(PASSWORD, PASSWORD).await.problem().1;
        assert!(["same_password", "too_many_failures"].contains(&same.as_str()), "{same}");
    }
    assert!(tried >= 5, "{tried}");
    house.sql("UPDATE sign_in_failures SET blocked_until = now() + interval '1 hour'").await;
    let right = oathtool(&secret, now() + 30);
    for more in [("code", right.as_str()), ("recovery_code", codes[0].as_str())] {
        assert_eq!(told(&house.browser().sign_in_with(ADA, more).await), (429, "too_many_failures"));
    }
    let off = json!({"password": PASSWORD, "code": right});
    assert_eq!(told(&inside.send("DELETE", "/api/me/totp", Some(off)).await), (429, "too_many_failures"));
    house.sql("UPDATE sign_in_failures SET blocked_until = now()").await;
    assert_eq!(house.browser().sign_in_with(ADA, ("code", &right)).await.status, 200, "nothing was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn totp_is_replaced_and_turned_off_by_whoever_holds_it() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let off = |code: Value| Some(json!({"password": PASSWORD, "code": code}));
    assert_eq!(browser.send("DELETE", "/api/me/totp", off(json!("000000"))).await.problem().0, 404);
    let (first, codes) = browser.turn_totp_on().await;

    // another phone: the old one holds until the new one is confirmed
    let again = |more: Value| Some(more);
    let a = browser.send("POST", "/api/me/totp", again(json!({"password": PASSWORD}))).await;
    assert_eq!(told(&a), (422, "second_factor_required"));
    let a = browser
        .send("POST", "/api/me/totp", again(json!({"password": PASSWORD, "recovery_code": codes[0]})))
        .await;
    let second = a.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(house.browser().sign_in_with(ADA, ("code", &oathtool(&first, now() + 30))).await.status, 200);
    let confirm = json!({"code": oathtool(&second, now())});
    assert_eq!(browser.send("POST", "/api/me/totp/confirm", Some(confirm)).await.status, 200);
    codes_are_new_again(&house).await;
    assert_eq!(told(&house.browser().sign_in_with(ADA, ("code", &oathtool(&first, now()))).await), WRONG);
    assert_eq!(told(&house.browser().sign_in_with(ADA, ("recovery_code", &codes[1])).await), WRONG);

    assert_eq!(
        told(&browser.send("DELETE", "/api/me/totp", off(Value::Null)).await),
        (422, "second_factor_required")
    );
    let bad = off(json!(wrong(&second)));
    assert_eq!(told(&browser.send("DELETE", "/api/me/totp", bad).await), (422, "wrong_code"));
    let a = browser.send("DELETE", "/api/me/totp", off(json!(oathtool(&second, now())))).await;
    assert_eq!(a.status, 204, "{}", a.text());
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200);
    house.sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT 1 FROM recovery_codes); END $$").await;
    assert_eq!(house.trail("user.totp_off").await.iter().filter(|t| t.0 == "done").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_factor_is_taken_away_by_somebody_who_is_not_below() {
    let house = House::new().await;
    let root = house.person("root@example.com", "super_admin").await;
    let boss = house.person("boss@example.com", "admin").await;
    let ada = house.person(ADA, "developer").await;
    let path = |id: uuid::Uuid| format!("/api/users/{id}/second_factor");
    house.signed_in("root@example.com").await.turn_totp_on().await;
    let mut browser = house.signed_in(ADA).await;
    let (_, codes) = browser.turn_totp_on().await;
    let mut chief = house.signed_in("boss@example.com").await;
    assert_eq!(chief.send("DELETE", &path(root.id), None).await.problem(), (403, "forbidden".into()));
    assert_eq!(chief.send("DELETE", &path(boss.id), None).await.problem(), (409, "own_second_factor".into()));
    assert_eq!(chief.send("DELETE", &path(uuid::Uuid::now_v7()), None).await.problem().0, 404);
    assert_eq!(browser.send("DELETE", &path(ada.id), None).await.problem().0, 403, "not even one's own");
    assert_eq!(chief.get(&format!("/api/users/{}", ada.id)).await.json()["has_totp"], true);

    assert_eq!(chief.send("DELETE", &path(ada.id), None).await.status, 204);
    assert_eq!(browser.open().await, 401, "sessions end");
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200);
    assert_eq!(chief.send("DELETE", &path(ada.id), None).await.status, 204, "again: nothing to do");
    let mut again = house.signed_in(ADA).await;
    assert_eq!(again.get("/api/me/recovery_codes").await.json(), json!({"left": 0}));
    let (secret, _) = again.turn_totp_on().await;
    assert_eq!(told(&house.browser().sign_in_with(ADA, ("recovery_code", &codes[0])).await), WRONG);
    assert_eq!(house.browser().sign_in_with(ADA, ("code", &oathtool(&secret, now() + 30))).await.status, 200);
    assert_eq!(house.trail("user.second_factor_reset").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_dump_or_the_trail() {
    let house = House::new().await;
    let ada = house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    browser.extra.insert("idempotency-key", "one".parse().unwrap());
    let begun = browser.send("POST", "/api/me/totp", Some(json!({"password": PASSWORD}))).await.json();
    let pending = begun["secret"].as_str().unwrap().to_owned();
    let mut shown = vec![pending, PASSWORD.to_owned()];
    browser.extra.clear();
    let (secret, codes) = browser.turn_totp_on().await;
    let code = oathtool(&secret, now() + 30);
    assert_eq!(house.browser().sign_in_with(ADA, ("code", &code)).await.status, 200);
    assert_eq!(house.browser().sign_in_with(ADA, ("recovery_code", &codes[0])).await.status, 200);
    let sealed = TestPg::value(&house.url, "SELECT encode(totp_secret, 'hex') FROM users").await;
    let sealed: Vec<u8> =
        (0..sealed.len()).step_by(2).map(|i| u8::from_str_radix(&sealed[i..i + 2], 16).unwrap()).collect();
    let raw = house.ring.open(&USER_TOTP.place(ada.id), &sealed).unwrap();
    assert_eq!(raw.len(), 20);
    shown.push(raw.iter().map(|b| format!("{b:02x}")).collect());
    shown.extend([secret, codes.concat()]);
    shown.extend(codes.iter().cloned());
    shown.extend(codes.iter().map(|c| c.replace('-', "")));

    let mut dump = String::new();
    for table in
        ["users", "recovery_codes", "audit_log", "sessions", "sign_in_failures", "idempotent_answers"]
    {
        let sql = format!("SELECT coalesce(string_agg(row_to_json(t)::text, ' '), '') FROM {table} t");
        dump += &TestPg::value(&house.url, &sql).await;
    }
    assert!(dump.contains(ADA) && dump.contains("user.totp_on"));
    for secret in shown {
        assert!(!dump.contains(&secret), "{secret}");
    }
    let rows = house.store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    assert!(!format!("{rows:?}").contains(&codes[0]));
}
