use super::*;
use sallyport_config::model::Secret;
use sallyport_schema::envelope::MasterKey;

fn ring() -> KeyRing {
    KeyRing::new(MasterKey::generate().unwrap())
}

fn tokens(ring: &KeyRing) -> Tokens {
    Tokens::new(&SessionRules::default(), ring)
}

fn later() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::from_secs(3600)
}

fn issue(t: &Tokens) -> String {
    t.issue(Uuid::now_v7(), Uuid::now_v7(), 3, later()).unwrap()
}

fn part(json: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// Signed with the right key, whatever it says.
fn signed(t: &Tokens, header: &serde_json::Value, claims: &serde_json::Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let tag = mac(&*t.0[0].raw).unwrap().chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn claims(change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut claims = serde_json::json!({"sub": Uuid::nil(), "sid": Uuid::nil(), "epoch": 0, "iat": now, "exp": now + 60,
                                        "iss": ISSUER, "aud": AUDIENCE});
    change(&mut claims);
    claims
}

#[test]
fn a_token_says_who_and_lives_a_quarter_of_an_hour_or_less() {
    let t = tokens(&ring());
    let (user, session) = (Uuid::now_v7(), Uuid::now_v7());
    let said = t.verify(&t.issue(user, session, 7, later()).unwrap()).unwrap();
    assert_eq!((said.sub, said.sid, said.epoch, said.exp - said.iat), (user, session, 7, 900));
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(30);
    let said = t.verify(&t.issue(user, session, 7, soon).unwrap()).unwrap();
    assert!(said.exp - said.iat <= 30, "never longer than its session");
}

#[test]
fn only_our_signature_and_our_algorithm() {
    let t = tokens(&ring());
    let hs256 = serde_json::json!({"alg": "HS256", "typ": "JWT"});
    assert!(t.verify(&signed(&t, &hs256, &claims(|_| {}))).is_ok(), "the test makes good ones");
    assert_eq!(t.verify(&issue(&tokens(&ring()))), Err(Refused::Wrong), "another key");
    let none = serde_json::json!({"alg": "none"});
    assert_eq!(t.verify(&format!("{}.{}.", part(&none), part(&claims(|_| {})))), Err(Refused::Wrong));
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
        let token = signed(&t, &serde_json::json!({"alg": alg}), &claims(|_| {}));
        assert_eq!(t.verify(&token), Err(Refused::Wrong), "{alg}");
    }
    let good = issue(&t);
    for cut in [&good[..good.len() - 1], "", ".", "..", "a.b.c", &"x".repeat(5000)] {
        assert_eq!(t.verify(cut), Err(Refused::Wrong), "{cut}");
    }
    let (head, tag) = good.rsplit_once('.').unwrap();
    let other = part(&claims(|_| {}));
    let moved = format!("{}.{other}.{tag}", head.split_once('.').unwrap().0);
    assert_eq!(t.verify(&moved), Err(Refused::Wrong));
}

#[test]
fn claims_must_be_there_and_right() {
    let t = tokens(&ring());
    let with = |change: fn(&mut serde_json::Value)| {
        t.verify(&signed(&t, &serde_json::json!({"alg": "HS256"}), &claims(change))).err()
    };
    assert_eq!(with(|c| c["exp"] = (c["iat"].as_i64().unwrap() - 60).into()), Some(Refused::Expired));
    let wrong: [fn(&mut serde_json::Value); 7] = [
        |c| c["iss"] = "another".into(),
        |c| c["aud"] = "another".into(),
        |c| c["exp"] = "never".into(),
        |c| drop(c.as_object_mut().unwrap().remove("exp")),
        |c| drop(c.as_object_mut().unwrap().remove("aud")),
        |c| drop(c.as_object_mut().unwrap().remove("sid")),
        |c| c["sub"] = "ada".into(),
    ];
    for change in wrong {
        assert_eq!(with(change), Some(Refused::Wrong));
    }
}

#[test]
fn a_new_key_signs_and_the_previous_one_still_verifies() {
    let old = ring();
    let token = issue(&tokens(&old));
    let new = KeyRing { previous: vec![old.current.clone()], ..ring() };
    let t = tokens(&new);
    assert!(t.verify(&token).is_ok());
    assert_eq!(tokens(&old).verify(&issue(&t)), Err(Refused::Wrong));

    let with = |secrets: &[&str]| {
        let secrets = secrets.iter().map(|s| Secret::new(*s)).collect();
        Tokens::new(&SessionRules { secrets, ..SessionRules::default() }, &old)
    };
    let token = issue(&with(&["one"]));
    assert!(with(&["two", "one"]).verify(&token).is_ok());
    assert_eq!(with(&["two"]).verify(&token), Err(Refused::Wrong));
    assert_eq!(tokens(&old).verify(&token), Err(Refused::Wrong));
}

#[test]
fn the_csrf_value_is_the_sessions_own() {
    let old = ring();
    let t = tokens(&old);
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    let value = t.csrf(a);
    assert!(t.csrf_matches(a, value.as_bytes()) && !t.csrf_matches(b, value.as_bytes()));
    assert!(
        !t.csrf_matches(a, b"") && !t.csrf_matches(a, b"!!") && !t.csrf_matches(a, &value.as_bytes()[1..])
    );
    let new = tokens(&KeyRing { previous: vec![old.current.clone()], ..ring() });
    assert!(new.csrf_matches(a, value.as_bytes()));
}
