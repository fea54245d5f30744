//! Providers, models and settings that are made at one instance's admin API serve at every instance, and move to git.

use super::support::answer::json;
use super::support::client::{Answer, Client};
use super::support::gateway::{ADMIN_TOKEN, Gateway, MASTER_KEY, Setup};
use super::support::stub::{Received, Stub};
use super::support::wait::until;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};

const PLANTED: &str = "sk-planted-in-the-console";

async fn admin(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    Client::connect(gateway.admin_port).await.call(method, path, &headers, body.to_string().as_bytes()).await
}

async fn chat(gateway: &Gateway, key: &str, model: &str) -> Answer {
    let body = object!({"model": model, "messages": []}).to_string();
    let headers = [("x-api-key", key)];
    Client::connect(gateway.port).await.call("POST", "/v1/chat/completions", &headers, body.as_bytes()).await
}

/// Models for the right key, 1000 tokens in and 100 out, and a request that is too large for a small bound.
fn provider(request: &Received) -> Vec<u8> {
    let good = request.head.get("authorization").is_some_and(|a| a == format!("Bearer {PLANTED}"));
    match request.target() {
        _ if !good => {
            json(401, r#"{"error":{"message":"no","type":"invalid_request_error","code":"invalid_api_key"}}"#)
        }
        "/v1/models" => {
            json(200, r#"{"object":"list","data":[{"id":"real-1","object":"model","owned_by":"x"}]}"#)
        }
        _ => json(
            200,
            r#"{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#,
        ),
    }
}

async fn made(gateway: &Gateway, url: &str) {
    let new =
        object!({"name": "console", "kind": "openai-compatible", "base_url": url, "api_key": "sk-wrong"});
    let refused = admin(gateway, "POST", "/api/providers?test=true", &new).await;
    assert_eq!(refused.status(), 422, "{}", refused.text());
    assert!(refused.text().contains("401"), "{}", refused.text());
    let new = object!({"name": "console", "kind": "openai-compatible", "base_url": url, "api_key": PLANTED});
    admin(gateway, "POST", "/api/providers?test=true", &new).await.expect(201);
    let wanted = object!({"models": [{"name": "real-1", "alias": "house"}]});
    admin(gateway, "POST", "/api/providers/console/models", &wanted).await.expect(200);
}

#[tokio::test]
async fn what_is_made_at_one_instance_serves_at_the_other() {
    let stub = Stub::answering(provider).await;
    let one = Gateway::start(object!({})).await;
    let two = Setup::new(object!({})).on(one.database.as_ref().unwrap()).start().await;
    let url = stub.url();
    made(&one, &url).await;
    let key = two.key.clone();
    let served = async |model: &'static str, wanted: u16| {
        for gateway in [&one, &two] {
            let key = &key;
            until(&format!("{wanted} for {model}"), || async move {
                (chat(gateway, key, model).await.status() == wanted).then_some(())
            })
            .await;
        }
    };
    served("house", 200).await;

    // a price of its own, with factors: 1000 x $2/M x 1.5 + 100 x $10/M x 0.5
    let price =
        object!({"price": {"input": 2.0, "output": 10.0}, "input_multiplier": 1.5, "output_multiplier": 0.5});
    admin(&one, "PATCH", "/api/models/house", &price).await.expect(200);
    let (two_, key_) = (&two, &key);
    until("the price at the other instance", || async move {
        let answer = chat(two_, key_, "house").await;
        let call = two_.logged(&answer.id()).await;
        (call["cost"]["nanos"] == 1000 * 2000 * 3 / 2 + 100 * 10_000 / 2).then_some(())
    })
    .await;

    // a setting of the organisation, and back to the default
    admin(&one, "PUT", "/api/settings/server.max_body", &object!({"value": "16B"})).await.expect(200);
    served("house", 413).await;
    admin(&one, "DELETE", "/api/settings/server.max_body", &object!({})).await.expect(204);
    served("house", 200).await;

    admin(&one, "PATCH", "/api/providers/console", &object!({"enabled": false})).await.expect(200);
    served("house", 503).await;
    admin(&one, "PATCH", "/api/providers/console", &object!({"enabled": true})).await.expect(200);
    served("house", 200).await;
    admin(&one, "DELETE", "/api/models/house", &object!({})).await.expect(204);
    served("house", 404).await;
    admin(&one, "DELETE", "/api/providers/console", &object!({})).await.expect(204);
}

/// What was made in the console moves to git: the overlay runs, and the console then shows it read-only. Back into
/// the store it changes nothing.
#[tokio::test]
async fn export_and_import() {
    let stub = Stub::answering(provider).await;
    let one = Gateway::start(object!({})).await;
    made(&one, &stub.url()).await;
    admin(&one, "PUT", "/api/settings/upstream.max_attempts", &object!({"value": 4})).await.expect(200);

    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("secrets.env");
    let exported = one.cli_ok(&["export"], &["--secrets", secrets.to_str().unwrap()]).await;
    assert!(exported.contains("${SALLYPORT_CONSOLE_API_KEY}") && !exported.contains(PLANTED), "{exported}");
    let variables = std::fs::read_to_string(&secrets).unwrap();
    assert_eq!(variables, format!("SALLYPORT_CONSOLE_API_KEY='{PLANTED}'\n"));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let again = one.cli_told(&["export"], &["--secrets", secrets.to_str().unwrap()], "").await;
    assert!(!again.status.success(), "a file of secrets is not written over");

    // an instance of its own that runs by the overlay alone
    let overlay: Value = serde_yaml::from_str(&exported).unwrap();
    let git = Setup::new(overlay).env("SALLYPORT_CONSOLE_API_KEY", PLANTED).start().await;
    assert_eq!(chat(&git, &git.key, "house").await.status(), 200);
    let shown = git.admin("/api/providers/console").await.expect(200).json();
    assert_eq!(shown["managed"], true);
    let refused = admin(&git, "PATCH", "/api/providers/console", &object!({"enabled": false})).await;
    assert_eq!((refused.status(), &refused.json()["code"]), (409, &object!("managed")));
    let setting = git.admin("/api/settings/upstream.max_attempts").await.expect(200).json();
    assert_eq!((&setting["source"], &setting["value"]), (&object!("file"), &object!(4)));

    // and into the store of another one
    let file = directory.path().join("console.yaml");
    std::fs::write(&file, exported.replace("${SALLYPORT_CONSOLE_API_KEY}", PLANTED)).unwrap();
    let file = file.to_str().unwrap();
    let other = Gateway::start(object!({})).await;
    let dry = other.cli_ok(&["import"], &["--dry-run", file]).await;
    assert!(dry.contains("create  provider console") && dry.contains("3 would change"), "{dry}");
    other.cli_ok(&["import"], &[file]).await;
    let same = other.cli_ok(&["import"], &[file]).await;
    assert!(same.contains("same    setting  upstream.max_attempts") && same.contains("0 changed"), "{same}");
    let (gateway, key) = (&other, &other.key);
    until("the imported model", || async move {
        (chat(gateway, key, "house").await.status() == 200).then_some(())
    })
    .await;
    let rows = other.admin("/api/audit?action=provider.create").await;
    assert!(rows.text().contains("command line") && !rows.text().contains(PLANTED), "{}", rows.text());
    let bad = directory.path().join("bad.yaml");
    std::fs::write(&bad, "models: [{name: x, routes: [{provider: console, weight: 9999999}]}]").unwrap();
    let failed = other.cli_told(&["import"], &[bad.to_str().unwrap()], "").await;
    assert!(!failed.status.success());
}

/// "Key rotation under traffic": while calls go on, all that is sealed is sealed anew; afterwards the old key is not
/// needed any more, and nothing that was planted stands in the database in clear.
#[tokio::test]
async fn rekey_under_traffic() {
    const NEW: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
    let stub = Stub::answering(provider).await;
    let old = Gateway::start(object!({})).await;
    made(&old, &stub.url()).await;
    let database = old.database.clone().unwrap();
    let ring = object!({"encryption": {"master_key": NEW, "previous_keys": [MASTER_KEY]}});
    let both = Setup::new(ring).on(&database).start().await;
    let key = both.key.clone();
    until("the model", || async { (chat(&both, &key, "house").await.status() == 200).then_some(()) }).await;

    let stop = std::sync::atomic::AtomicBool::new(false);
    let traffic = async {
        let mut calls = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let answer = chat(&both, &key, "house").await;
            assert_eq!(answer.status(), 200, "call {calls}: {}", answer.text());
            calls += 1;
        }
        calls
    };
    let rekey = async {
        let told = both.cli_ok(&["rekey"], &[]).await;
        assert!(told.contains("providers.api_key: 1 sealed anew"), "{told}");
        let again = both.cli_ok(&["rekey"], &[]).await;
        assert!(again.contains("providers.api_key: 0 sealed anew"), "{again}");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(traffic, rekey);
    assert!(calls > 10, "only {calls} calls went on meanwhile");

    let alone = Setup::new(object!({"encryption": {"master_key": NEW}})).on(&database).start().await;
    assert_eq!(chat(&alone, &alone.key, "house").await.status(), 200);
    let dump = TestPg::dump(database.url()).await;
    let hex: String = PLANTED.bytes().map(|b| format!("{b:02x}")).collect();
    assert!(dump.contains("console") && !dump.contains(PLANTED) && !dump.contains(&hex), "a secret in clear");
}
