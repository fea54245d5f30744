//! Who calls: five places for a key, and every way in which it may be wrong.

use super::support::answer::json;
use super::support::client::Client;
use super::support::gateway::Gateway;
use super::support::setups::{DIALECTS, error_type, openai};
use super::support::stub::Stub;

const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;

/// Lessons, Protocol: "Accepting only `Authorization: Bearer`".
#[tokio::test]
async fn five_places_for_a_key() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let path = "/v1/chat/completions";
    let key = gateway.key.as_str();
    let (bearer, lower, query) =
        (format!("Bearer {key}"), format!("bearer {key}"), format!("{path}?key={key}"));
    let places: [(&str, Vec<(&str, &str)>); 7] = [
        (path, vec![("Authorization", &bearer)]),
        (path, vec![("authorization", &lower)]),
        (path, vec![("X-Api-Key", key)]),
        (path, vec![("api-key", key)]),
        (path, vec![("x-goog-api-key", key)]),
        (&query, vec![]),
        // The same key twice is one key.
        (path, vec![("authorization", &bearer), ("x-api-key", key)]),
    ];
    for (path, headers) in places {
        let answer = Client::connect(gateway.port).await.call("POST", path, &headers, BODY).await;
        assert_eq!(answer.status(), 200, "{path} {headers:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn two_different_keys_are_refused() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let other = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    let bearer = gateway.bearer();
    for dialect in DIALECTS {
        let headers = [("authorization", bearer.as_str()), ("x-api-key", other.as_str())];
        let answer = gateway.client().await.call("POST", dialect.path, &headers, BODY).await;
        answer.expect(400);
        error_type(dialect.path, &answer.json());
    }
    assert!(stub.received().is_empty());
}

/// Lessons, Protocol: "Empty bodies on 401/403; OpenAI-shaped errors on Anthropic routes".
#[tokio::test]
async fn wrong_keys_are_told_in_the_dialect() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let mut typo = gateway.key.clone().into_bytes();
    let last = typo.len() - 1;
    typo[last] = if typo[last] == b'a' { b'b' } else { b'a' };
    let typo = String::from_utf8(typo).unwrap();
    let mut texts = std::collections::BTreeSet::new();
    for dialect in DIALECTS {
        let (cut, long) = (&gateway.key[..gateway.key.len() - 1], format!("{}x", gateway.key));
        for key in
            [None, Some(""), Some("sp-"), Some("sk-ant-api03-x"), Some(&*typo), Some(cut), Some(&*long)]
        {
            let headers: Vec<_> = key.map(|k| ("x-api-key", k)).into_iter().collect();
            let answer = gateway.client().await.call("POST", dialect.path, &headers, BODY).await;
            answer.expect(401);
            assert!(
                answer.head.get("content-type").unwrap().starts_with("application/json"),
                "{:?}",
                answer.head
            );
            let kind = error_type(dialect.path, &answer.json());
            let want =
                if dialect.path == "/v1/messages" { "authentication_error" } else { "invalid_request_error" };
            assert_eq!(kind, want, "{}", answer.text());
            assert!(
                !answer.text().contains(&gateway.key[3..11]),
                "the answer repeats the key: {}",
                answer.text()
            );
            texts.insert(answer.json()["error"]["message"].to_string());
        }
    }
    assert!(texts.len() >= 2, "no key and a wrong key should be told apart: {texts:?}");
    assert!(stub.received().is_empty());
}

/// Lessons, Enforcement: "A deactivated user's keys keep working". Expired and revoked ones neither, and the answers
/// do not tell an outsider which of these a key is.
#[tokio::test]
async fn keys_that_were_valid_once() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let revoked = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    let list = gateway.cli_ok(&["keys", "list"], &["--json"]).await;
    assert!(!list.contains(&revoked), "a list must not show secrets");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let row =
        list.as_array().unwrap().iter().find(|k| revoked.starts_with(k["prefix"].as_str().unwrap())).unwrap();
    gateway.cli_ok(&["keys", "revoke"], &[row["id"].as_str().unwrap()]).await;
    gateway.until_status(&revoked, |status| status == 401).await;

    let expired = gateway.new_key(&["--surfaces", "*", "--models", "*", "--expires", "3s"]).await;
    gateway.until_status(&expired, |status| status == 401).await;

    let texts: std::collections::BTreeSet<_> = {
        let mut texts = Vec::new();
        for key in [&revoked, &expired] {
            let answer =
                gateway.client().await.call("POST", "/v1/messages", &[("x-api-key", key)], BODY).await;
            error_type("/v1/messages", &answer.expect(401).json());
            texts.push(answer.json()["error"]["message"].to_string());
        }
        texts.into_iter().collect()
    };
    assert_eq!(texts.len(), 1, "the reason leaks: {texts:?}");
    assert!(stub.received().is_empty());
}

/// Lessons, Enforcement: "A deactivated user's keys keep working": of a user or team that was switched off or deleted.
#[tokio::test]
async fn keys_of_owners_that_are_gone() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let owners = gateway.database.as_ref().unwrap().owners().await;
    for owner in owners {
        let key = gateway.new_key(&[owner.option, &owner.id, "--surfaces", "*", "--models", "*"]).await;
        let call = || async {
            let mut client = gateway.client().await;
            client.call("POST", "/v1/chat/completions", &[("api-key", &key)], BODY).await
        };
        call().await.expect(200);
        owner.put_away().await;
        gateway.until_status(&key, |status| status == 401).await;
        error_type("/v1/chat/completions", &call().await.expect(401).json());
    }
}

/// A path that does not exist, a method that is not allowed: told in JSON, also without a key.
#[tokio::test]
async fn unknown_paths_and_methods() {
    let gateway = Gateway::start(openai("http://127.0.0.1:9/v1")).await;
    let bearer = gateway.bearer();
    let auth = [("authorization", bearer.as_str())];
    let answer = gateway.client().await.call("POST", "/v1/nonsense", &auth, b"{}").await;
    error_type("/v1/nonsense", &answer.expect(404).json());
    let answer = gateway.client().await.call("PUT", "/v1/chat/completions", &auth, b"{}").await;
    assert_eq!(answer.expect(405).head.get("allow"), Some("POST"));
    error_type("/v1/chat/completions", &answer.json());
    let anthropic = [("authorization", bearer.as_str()), ("anthropic-version", "2023-06-01")];
    let answer = gateway.client().await.call("POST", "/v1/nonsense", &anthropic, b"{}").await;
    error_type("/v1/messages", &answer.expect(404).json());
}
