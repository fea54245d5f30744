//! Whose account pays, by the real binary: tokens of Entra ID and Google, signatures of AWS that the simulator checks.

use super::support::answer::json;
use super::support::kinds::front::FRONTS;
use super::support::kinds::{ACCOUNT, Account, ENTRA_SECRET, House, UPSTREAMS, Upstream, token};
use super::support::stub::Received;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::sign::Verifier;
use serde_json::{Value, json as object};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The fields of a form.
fn form(request: &Received) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn field<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

/// Those that pay so.
fn paying(right: impl Fn(Account) -> bool) -> Vec<Upstream> {
    UPSTREAMS.into_iter().filter(|u| right(u.account)).collect()
}

fn by_token(account: Account) -> bool {
    matches!(account, Account::Entra | Account::GoogleKey)
}

/// Each identity asks once, in its service's own words, and then no more.
#[tokio::test]
async fn tokens_are_fetched_once() {
    let some = paying(by_token);
    let house = House::with(&some, token, object!({})).await;
    for _ in 0..2 {
        for upstream in &some {
            for front in FRONTS {
                house.ask(front, upstream.model, &front.text("Weather?", false)).await.expect(200);
            }
        }
    }
    let asked = house.tokens.received();
    assert_eq!(asked.len(), some.len(), "{asked:#?}");
    for request in asked {
        let form = form(&request);
        if request.target() == "/tenant-1/oauth2/v2.0/token" {
            assert_eq!(field(&form, "grant_type"), "client_credentials");
            assert_eq!(
                (field(&form, "client_id"), field(&form, "client_secret")),
                ("client-1", ENTRA_SECRET)
            );
            assert_eq!(field(&form, "scope"), "https://cognitiveservices.azure.com/.default");
            continue;
        }
        assert_eq!(request.target(), "/google/token");
        assert_eq!(field(&form, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let (signed, signature) = field(&form, "assertion").rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha256(), &ACCOUNT).unwrap();
        assert!(verifier.verify_oneshot(&signature, signed.as_bytes()).unwrap(), "{signed}");
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], "gateway@p-1.iam.gserviceaccount.com", "{claims}");
        assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform", "{claims}");
    }
}

/// A token that ends before its time costs one call, not all.
#[tokio::test]
async fn a_revoked_token_is_fetched_anew() {
    let given = AtomicUsize::new(0);
    let revoked = move |r: &Received| {
        if given.fetch_add(1, Relaxed) > 0 {
            return token(r);
        }
        json(200, r#"{"access_token": "revoked", "token_type": "Bearer", "expires_in": 3600}"#)
    };
    let [upstream, ..] = paying(|a| a == Account::Entra)[..] else { panic!("none") };
    let house = House::with(&[upstream], revoked, object!({})).await;
    let ask = async |front: super::support::kinds::front::Front| {
        house.ask(front, upstream.model, &front.text("Weather?", false)).await
    };
    ask(FRONTS[0]).await.expect(502);
    super::support::wait::until("a call with a fresh token", || async {
        (ask(FRONTS[0]).await.status() == 200).then_some(())
    })
    .await;
}

/// No token, no key, no account: the front's own error, and no secret anywhere.
#[tokio::test]
async fn refused_accounts() {
    let refuse = |_: &Received| {
        json(
            401,
            r#"{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}"#,
        )
    };
    let mut some = paying(|account| account != Account::Key);
    for upstream in &mut some {
        if let Account::AccessKey(secret) = &mut upstream.account {
            *secret = "wrong/SECRET";
        }
    }
    let house = House::with(&some, refuse, object!({})).await;
    for upstream in &some {
        for front in FRONTS {
            let got = house.ask(front, upstream.model, &front.text("Weather?", true)).await;
            let what = format!("{front:?} {upstream:?} {}", got.text());
            assert!(matches!(got.status(), 502 | 503), "{what}");
            front.error(&got.json());
            assert!(!got.text().contains("AADSTS") && !got.text().contains("signature"), "the log's: {what}");
            let call = house.gateway.logged(&got.id()).await;
            assert_eq!(call["error_source"], "upstream", "{what} {call}");
        }
    }
    let said = house.gateway.process.said();
    assert!(said.contains("AADSTS7000215"), "the operator is told: {said}");
    for secret in [ENTRA_SECRET, "wrong/SECRET", "BEGIN PRIVATE KEY"] {
        assert!(!said.contains(secret), "{secret} in the log: {said}");
    }
}
