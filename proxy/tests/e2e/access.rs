//! What a key may do: surfaces and models, checked the same way everywhere.

use super::support::answer::json;
use super::support::gateway::Gateway;
use super::support::setups::{error_type, provider};
use super::support::stub::Stub;
use super::verbatim::form;
use serde_json::json as object;

/// Every surface that takes a model: path, surface name, provider kind.
const SURFACES: [(&str, &str); 14] = [
    ("/v1/chat/completions", "chat"),
    ("/v1/completions", "completions"),
    ("/v1/embeddings", "embeddings"),
    ("/v1/responses", "responses"),
    ("/v1/responses/compact", "responses"),
    ("/v1/messages", "messages"),
    ("/v1/messages/count_tokens", "count_tokens"),
    ("/v1/moderations", "moderations"),
    ("/v1/images/generations", "images"),
    ("/v1/images/edits", "images"),
    ("/v1/images/variations", "images"),
    ("/v1/audio/speech", "audio"),
    ("/v1/audio/transcriptions", "audio"),
    ("/v1/audio/translations", "audio"),
];

async fn gateway() -> (Stub, Gateway) {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let openai = ["gpt-4", "gpt-4o", "gpt-4o-mini"];
    let mut models: Vec<_> =
        openai.iter().map(|m| object!({"name": m, "routes": [{"provider": "openai"}]})).collect();
    models.push(object!({"name": "claude", "routes": [{"provider": "anthropic"}]}));
    let gateway = Gateway::start(object!({
        "providers": [provider("openai", "openai", &stub.url()), provider("anthropic", "anthropic", &stub.url())],
        "models": models,
    }))
    .await;
    (stub, gateway)
}

fn takes_form(path: &str) -> bool {
    ["/v1/images/edits", "/v1/images/variations", "/v1/audio/transcriptions", "/v1/audio/translations"]
        .contains(&path)
}

fn anthropic(path: &str) -> bool {
    path.starts_with("/v1/messages")
}

/// Asks for `model` on `path` with `key`; the status, after a check of the error's shape.
async fn ask(gateway: &Gateway, key: &str, path: &str, model: &str) -> u16 {
    let (kind, body) = match takes_form(path) {
        true => form(model, b"file"),
        false => ("application/json".to_owned(), object!({"model": model}).to_string().into_bytes()),
    };
    let headers = [("x-api-key", key), ("content-type", &kind)];
    let answer = gateway.client().await.call("POST", path, &headers, &body).await;
    if answer.status() != 200 {
        let kind = error_type(path, &answer.json());
        if anthropic(path) && answer.status() == 403 {
            assert_eq!(kind, "permission_error");
        }
    }
    answer.status()
}

/// A model that a key may not use looks like one that does not exist; a surface that it may not use is forbidden.
fn denied(status: u16) -> bool {
    matches!(status, 403 | 404)
}

/// Lessons, Enforcement: "Allow-lists checked on one route only; prefix match (`gpt-4` opens `gpt-4o`)".
#[tokio::test]
async fn models_are_checked_on_every_surface_by_whole_names() {
    let (stub, gateway) = gateway().await;
    let key = gateway.new_key(&["--surfaces", "*", "--models", "gpt-4,claude"]).await;
    for (path, _) in SURFACES {
        let (allowed, forbidden): (_, &[_]) = if anthropic(path) {
            ("claude", &["gpt-4o"])
        } else {
            ("gpt-4", &["gpt-4o", "gpt-4o-mini", "GPT-4"])
        };
        let before = stub.received().len();
        for model in forbidden {
            let status = ask(&gateway, &key, path, model).await;
            assert!(denied(status), "{path} {model}: {status}");
        }
        assert_eq!(stub.received().len(), before, "{path}: a refused call reached the upstream");
        assert_eq!(ask(&gateway, &key, path, allowed).await, 200, "{path} {allowed}");
    }
}

/// Surfaces are checked one by one: a key for one opens no other.
#[tokio::test]
async fn surfaces_open_only_themselves() {
    let (_stub, gateway) = gateway().await;
    for surface in ["chat", "responses", "messages", "audio"] {
        let key = gateway.make_key(&["--surfaces", surface, "--models", "*"]).await;
        // The list of models is itself a surface, which this key has not: known means anything but 401.
        gateway.until_status(&key, |status| status != 401).await;
        for (path, name) in SURFACES {
            let model = if anthropic(path) { "claude" } else { "gpt-4" };
            let want = if name == surface { 200 } else { 403 };
            assert_eq!(ask(&gateway, &key, path, model).await, want, "key for {surface} on {path}");
        }
    }
}

/// Principle "Empty means nothing, never everything".
#[tokio::test]
async fn an_empty_list_denies() {
    let (stub, gateway) = gateway().await;
    for options in [&["--surfaces", "*"][..], &["--models", "*"], &[]] {
        let key = gateway.make_key(options).await;
        gateway.until_status(&key, |status| status != 401).await;
        for (path, _) in SURFACES {
            let model = if anthropic(path) { "claude" } else { "gpt-4" };
            let status = ask(&gateway, &key, path, model).await;
            assert!(denied(status), "{options:?} on {path}: {status}");
        }
    }
    assert!(stub.received().is_empty());
}

/// Lessons, Enforcement: "two disjoint lists intersect to empty = unrestricted". The team bounds each of its keys.
#[tokio::test]
async fn a_team_bounds_its_keys() {
    let (_stub, gateway) = gateway().await;
    let database = gateway.database.as_ref().unwrap();
    let path = "/v1/chat/completions";
    let team = database.team(&["chat", "embeddings"], &["gpt-4o*"]).await;
    let wide = gateway.new_key(&["--team", &team.id, "--surfaces", "*", "--models", "*"]).await;
    let cases = [("gpt-4o", true), ("gpt-4o-mini", true), ("gpt-4", false)];
    for (model, opens) in cases {
        let status = ask(&gateway, &wide, path, model).await;
        assert!(if opens { status == 200 } else { denied(status) }, "{model}: {status}");
    }
    assert_eq!(
        ask(&gateway, &wide, "/v1/moderations", "gpt-4o").await,
        403,
        "a surface that the team has not"
    );
    let disjoint = gateway.new_key(&["--team", &team.id, "--surfaces", "*", "--models", "gpt-4"]).await;
    for (model, _) in cases {
        assert!(denied(ask(&gateway, &disjoint, path, model).await), "disjoint lists leave nothing: {model}");
    }
    let empty = database.team(&[], &[]).await;
    let of_empty = gateway.new_key(&["--team", &empty.id, "--surfaces", "*", "--models", "*"]).await;
    assert_eq!(ask(&gateway, &of_empty, path, "gpt-4o").await, 403);
}

/// A model in the body that could be read in two ways must not be judged by one and served by the other.
#[tokio::test]
async fn ambiguous_bodies_are_refused() {
    let (stub, gateway) = gateway().await;
    let key = gateway.new_key(&["--surfaces", "*", "--models", "gpt-4"]).await;
    let headers = [("x-api-key", key.as_str())];
    let bodies: [&[u8]; 8] = [
        br#"{"model":"gpt-4","model":"gpt-4o"}"#,
        br#"{"model":"gpt-4","mod\u0065l":"gpt-4o"}"#,
        br#"{"model":["gpt-4"]}"#,
        br#"{"model":"gpt-4"} {"model":"gpt-4o"}"#,
        br#"{"messages":[]}"#,
        b"not json",
        b"",
        b"{\"model\":\"gpt-4\",\"x\":\"\xff\"}",
    ];
    for body in bodies {
        let answer = gateway.client().await.call("POST", "/v1/chat/completions", &headers, body).await;
        assert_eq!(answer.status(), 400, "{:?}: {}", String::from_utf8_lossy(body), answer.text());
        error_type("/v1/chat/completions", &answer.json());
    }
    let mut two = form("gpt-4", b"x").1;
    two.splice(0..0, b"--bound\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n".to_vec());
    let headers = [("x-api-key", key.as_str()), ("content-type", "multipart/form-data; boundary=bound")];
    let answer = gateway.client().await.call("POST", "/v1/audio/transcriptions", &headers, &two).await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert!(stub.received().is_empty());
}

/// A model that nobody serves is told apart from one that the key may not use, to those who may use everything.
#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let (_stub, gateway) = gateway().await;
    assert_eq!(ask(&gateway, &gateway.key, "/v1/chat/completions", "mystery-99").await, 404);
    assert_eq!(ask(&gateway, &gateway.key, "/v1/messages", "mystery-99").await, 404);
}

/// `routing.prefixes`: an entry in `models` is not needed, a right to the model is.
#[tokio::test]
async fn well_known_names_need_no_entry() {
    let (_stub, gateway) = gateway().await;
    assert_eq!(ask(&gateway, &gateway.key, "/v1/chat/completions", "gpt-99").await, 200);
    assert_eq!(ask(&gateway, &gateway.key, "/v1/messages", "claude-99").await, 200);
    assert_eq!(
        ask(&gateway, &gateway.key, "/v1/messages", "gpt-99").await,
        400,
        "translated: this body lacks `max_tokens`"
    );
    let narrow = gateway.new_key(&["--surfaces", "*", "--models", "gpt-4"]).await;
    assert_eq!(ask(&gateway, &narrow, "/v1/chat/completions", "gpt-99").await, 404);
}
