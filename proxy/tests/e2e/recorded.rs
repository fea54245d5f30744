//! Recorded traffic of real providers, replayed by a stub upstream, comes out byte-identical. The recordings are not
//! part of the project: where they are absent the test says so and ends; `verbatim` covers the same ground without.

use super::support::answer::{json, sse};
use super::support::gateway::Gateway;
use super::support::setups::provider;
use super::support::stub::Stub;
use serde_json::{Value, json as object};
use std::path::{Path, PathBuf};

struct Exchange {
    name: String,
    path: String,
    status: u16,
    request: String,
    answer: Vec<u8>,
    stream: bool,
}

#[tokio::test]
async fn chat() {
    replay("openai-chat", "openai", &["/v1/chat/completions"]).await;
}

#[tokio::test]
async fn responses() {
    replay("openai-responses", "openai", &["/v1/responses", "/v1/responses/compact"]).await;
}

#[tokio::test]
async fn messages() {
    replay("anthropic", "anthropic", &["/v1/messages", "/v1/messages/count_tokens"]).await;
}

async fn replay(folder: &str, kind: &str, paths: &[&str]) {
    let Some(root) = recordings() else {
        eprintln!("SKIPPED: no recorded traffic (set SALLYPORT_RECORDED to its directory)");
        return;
    };
    let all = load(&root.join(folder), paths);
    assert!(all.len() >= 20, "{folder}: only {} exchanges", all.len());
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(object!({
        "providers": [provider("first", kind, &stub.url())],
        "models": [{"name": "*", "routes": [{"provider": "first"}]}],
        // A client's answer is what is replayed here, errors included: no second attempt.
        "upstream": {"max_attempts": 1},
    }))
    .await;
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    let headers = [("authorization", bearer.as_str()), ("anthropic-version", "2023-06-01")];
    let headers = if kind == "anthropic" { &headers[..] } else { &headers[..1] };
    for exchange in all {
        let bytes = match exchange.stream {
            false => json(exchange.status, &exchange.answer),
            true => sse(exchange.answer.chunks(701)),
        };
        let ask = async { client.call("POST", &exchange.path, headers, exchange.request.as_bytes()).await };
        let serve = async {
            let mut call = stub.next().await;
            call.send(bytes).await;
            let got = call.request.clone();
            call.done();
            got
        };
        let (answer, got) = tokio::join!(ask, serve);
        answer.expect(exchange.status);
        let name = &exchange.name;
        assert!(answer.body == exchange.answer, "{folder}/{name}: answer differs:\n{}", answer.text());
        assert!(got.body == exchange.request.as_bytes(), "{folder}/{name}: request differs");
        assert_eq!(got.target(), exchange.path, "{folder}/{name}");
    }
}

fn recordings() -> Option<PathBuf> {
    let path = std::env::var_os("SALLYPORT_RECORDED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recorded"), PathBuf::from);
    path.is_dir().then_some(path)
}

fn load(folder: &Path, paths: &[&str]) -> Vec<Exchange> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let directory = entry.unwrap().path();
        let meta: Value =
            serde_json::from_slice(&std::fs::read(directory.join("meta.json")).unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap();
        if meta["method"] != "POST" || !paths.contains(&path) {
            continue;
        }
        let request = std::fs::read_to_string(directory.join("request.json")).unwrap();
        // Streams of chat get `include_usage` added where it is missing: that is another test's matter.
        let asked: Value = serde_json::from_str(&request).unwrap();
        let untouched = path != "/v1/chat/completions"
            || asked["stream"] != true
            || asked["stream_options"]["include_usage"] == true;
        // What names a conversation or a response that nobody made through this gateway is refused: whose it is cannot
        // be known (that is `stored_responses`' matter).
        if !asked["conversation"].is_null() || !asked["previous_response_id"].is_null() {
            continue;
        }
        let status = meta["status"].as_u64().unwrap() as u16;
        // 401, 402, 429, 5xx are not passed on by a gateway: they are about its own account.
        if !untouched || !(status == 200 || status == 400) || asked["model"].as_str().is_none() {
            continue;
        }
        let (file, stream) = match directory.join("response.sse") {
            path if path.exists() => (path, true),
            _ => (directory.join("response.json"), false),
        };
        let query = meta["query"].as_str().filter(|q| !q.is_empty());
        all.push(Exchange {
            name: directory.file_name().unwrap().to_string_lossy().into_owned(),
            path: query.map_or(path.to_owned(), |q| format!("{path}?{q}")),
            status,
            request,
            answer: std::fs::read(file).unwrap(),
            stream,
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
