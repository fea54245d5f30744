//! What is done at one instance's admin API holds at every instance's gateway, within a second.

use super::support::answer::json;
use super::support::client::{Answer, Client};
use super::support::gateway::{ADMIN_TOKEN, Gateway, Setup};
use super::support::setups::openai;
use super::support::stub::Stub;
use super::support::wait::until;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";

async fn admin(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    Client::connect(gateway.admin_port).await.call(method, path, &headers, body.to_string().as_bytes()).await
}

async fn status(gateway: &Gateway, key: &str, model: &str) -> u16 {
    let body = object!({"model": model, "messages": []}).to_string();
    Client::connect(gateway.port)
        .await
        .call("POST", PATH, &[("x-api-key", key)], body.as_bytes())
        .await
        .status()
}

/// Does something at the first instance, and waits until both answer the key so; fails if it took more than a second.
async fn holds_everywhere(
    both: [&Gateway; 2],
    key: &str,
    wanted: u16,
    method: &str,
    path: &str,
    body: Value,
) {
    let done = admin(both[0], method, path, &body).await;
    assert!(done.status() < 300, "{method} {path}: {}", done.text());
    let since = Instant::now();
    for gateway in both {
        until(&format!("{wanted} after {method} {path}"), || async move {
            (status(gateway, key, "m").await == wanted).then_some(())
        })
        .await;
    }
    assert!(since.elapsed() <= Duration::from_secs(1), "{method} {path}: only after {:?}", since.elapsed());
}

/// LESSONS, Resilience: "Changes that reach only the replica that made them"; Enforcement: "A deactivated user's keys
/// and sessions keep working", "deny ignored".
#[tokio::test]
async fn a_change_at_one_instance_holds_at_the_other() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let one = Gateway::start(openai(&stub.url())).await;
    let two = Setup::new(openai(&stub.url())).on(one.database.as_ref().unwrap()).start().await;
    let both = [&one, &two];
    let account = object!({"name": "nightly", "roles": [{"role": "developer"}]});
    let account = admin(&one, "POST", "/api/service_accounts", &account).await;
    let account = account.expect(201).json()["id"].as_str().unwrap().to_owned();
    let key = object!({"name": "nightly", "service_account": account, "surfaces": ["chat", "models"], "models": ["*"]});
    let made = admin(&one, "POST", "/api/keys", &key).await.expect(201).json();
    let (secret, id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    for gateway in both {
        gateway.until_status(secret, |status| status == 200).await;
        assert_eq!(status(gateway, secret, "m").await, 200);
    }

    let at = |word: &str| format!("/api/keys/{id}/{word}");
    holds_everywhere(both, secret, 401, "POST", &at("disable"), object!({})).await;
    holds_everywhere(both, secret, 200, "POST", &at("enable"), object!({})).await;
    let this_key = format!("/api/keys/{id}");
    holds_everywhere(both, secret, 401, "PATCH", &this_key, object!({"networks": ["10.0.0.0/8"]})).await;
    holds_everywhere(both, secret, 200, "PATCH", &this_key, object!({"networks": ["127.0.0.0/8"]})).await;

    // a role that closes a model closes it, whatever the other roles open
    let role = object!({"name": "no-m", "grants": [{"effect": "deny", "surfaces": ["*"], "models": ["m"]}]});
    admin(&one, "POST", "/api/roles", &role).await.expect(201);
    let this_account = format!("/api/service_accounts/{account}");
    let roles =
        |names: &[&str]| object!({"roles": names.iter().map(|n| object!({"role": n})).collect::<Vec<_>>()});
    holds_everywhere(both, secret, 404, "PATCH", &this_account, roles(&["developer", "no-m"])).await;
    holds_everywhere(both, secret, 403, "PATCH", &this_account, roles(&["viewer"])).await;
    holds_everywhere(both, secret, 200, "PATCH", &this_account, roles(&["developer"])).await;

    holds_everywhere(both, secret, 401, "PATCH", &this_account, object!({"active": false})).await;
    holds_everywhere(both, secret, 200, "PATCH", &this_account, object!({"active": true})).await;
    holds_everywhere(both, secret, 401, "DELETE", &this_account, object!({})).await;
}

/// The issue: "SCIM 2.0 (users, groups, deactivate) for off-boarding". What the directory says at one instance ends keys at
/// both gateways and sessions at both admin APIs, within a second.
#[tokio::test]
async fn a_directory_that_deactivates_ends_keys_and_sessions_everywhere() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let one = Gateway::start(openai(&stub.url())).await;
    let two = Setup::new(openai(&stub.url())).on(one.database.as_ref().unwrap()).start().await;
    let client = object!({"name": "entra", "default_roles": [{"role": "developer"}]});
    let client = admin(&one, "POST", "/api/scim_clients", &client).await.expect(201).json();
    let token = format!("Bearer {}", client["token"].as_str().unwrap());
    let scim = async |method: &str, path: &str, body: Value| {
        let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
        Client::connect(one.admin_port).await.call(method, path, &headers, body.to_string().as_bytes()).await
    };
    let ada =
        object!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@example.com"});
    let ada = scim("POST", "/scim/v2/Users", ada).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let key = object!({"name": "k", "user": ada, "surfaces": ["chat", "models"], "models": ["*"]});
    let made = admin(&one, "POST", "/api/keys", &key).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    for gateway in [&one, &two] {
        gateway.until_status(secret, |status| status == 200).await;
        assert_eq!(status(gateway, secret, "m").await, 200);
    }
    // a password, as if she had come from here: SCIM's people sign in with OIDC
    let url = one.database.as_ref().unwrap().url().to_owned();
    let hash = sallyport_admin::password::hash("mauve-otter-93-kayak").unwrap();
    TestPg::execute(&url, &format!("UPDATE users SET password_hash = '{hash}' WHERE id = '{ada}'")).await;
    let body = object!({"email": "ada@example.com", "password": "mauve-otter-93-kayak"}).to_string();
    let headers = [("content-type", "application/json")];
    let signed_in =
        Client::connect(two.admin_port).await.call("POST", "/api/session", &headers, body.as_bytes()).await;
    signed_in.expect(200);
    let cookies = signed_in.head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let access = cookies.filter_map(|(_, c)| c.strip_prefix("__Host-sallyport=")).next().unwrap();
    let bearer = format!("Bearer {}", access.split(';').next().unwrap());
    let me = async |gateway: &Gateway| {
        let headers = [("authorization", bearer.as_str())];
        Client::connect(gateway.admin_port).await.call("GET", "/api/me", &headers, b"").await.status()
    };
    assert_eq!((me(&one).await, me(&two).await), (200, 200));

    let off = object!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let done = scim("PATCH", &format!("/scim/v2/Users/{ada}"), off).await.expect(200).json();
    assert_eq!(done["active"], false);
    let since = Instant::now();
    assert_eq!((me(&one).await, me(&two).await), (401, 401), "sessions end at once");
    for gateway in [&one, &two] {
        until("the key is refused", || async { (status(gateway, secret, "m").await == 401).then_some(()) })
            .await;
    }
    assert!(since.elapsed() <= Duration::from_secs(1), "only after {:?}", since.elapsed());
}

/// When a key was used last is known, without a write for each call; the log knows whose it was.
#[tokio::test]
async fn the_last_use_of_a_key_is_known() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let key = object!({"name": "k", "surfaces": ["*"], "models": ["*"]});
    let made = admin(&gateway, "POST", "/api/keys", &key).await.expect(201).json();
    assert!(made["key"]["last_used_at"].is_null());
    let secret = made["secret"].as_str().unwrap();
    gateway.until_status(secret, |status| status == 200).await;
    let path = format!("/api/keys/{}", made["key"]["id"].as_str().unwrap());
    let path = path.as_str();
    let used = until("the last use", || async {
        let key = gateway.admin(path).await.expect(200).json();
        key["last_used_at"].is_string().then_some(key)
    })
    .await;
    assert_eq!((&used["updated_at"], &used["state"]), (&made["key"]["updated_at"], &object!("active")));
}

/// A key's tags and metadata reach the log and the sums of cost, and a change of them the next call.
#[tokio::test]
async fn the_tags_of_a_key_are_in_the_log() {
    let stub =
        Stub::answering(|_| json(200, r#"{"usage":{"prompt_tokens":10,"completion_tokens":1}}"#)).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let key = object!({"name": "k", "surfaces": ["*"], "models": ["*"], "tags": ["blue"],
        "metadata": {"cost centre": "4711"}});
    let made = admin(&gateway, "POST", "/api/keys", &key).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    gateway.until_status(secret, |status| status == 200).await;
    let blue = until("the call", || async {
        gateway.admin("/api/calls?tag=blue&limit=1").await.expect(200).json()["calls"].get(0).cloned()
    })
    .await;
    assert_eq!((&blue["tags"], &blue["metadata"]), (&key["tags"], &key["metadata"]));
    let sums = gateway.admin("/api/costs?by=tag").await.expect(200).json();
    assert!(sums["sums"].as_array().unwrap().iter().any(|s| s["of"] == "blue"), "{sums}");

    let path = format!("/api/keys/{}", made["key"]["id"].as_str().unwrap());
    admin(&gateway, "PATCH", &path, &object!({"tags": ["red"]})).await.expect(200);
    let red = until("a call with the new tag", || async {
        status(&gateway, secret, "m").await;
        gateway.admin("/api/calls?tag=red").await.expect(200).json()["calls"].get(0).cloned()
    })
    .await;
    assert_eq!(red["tags"], object!(["red"]));
}
