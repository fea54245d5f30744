//! `sallyport models list`: a provider's own list, as a table and as an overlay.

use super::support::answer::json;
use super::support::gateway::{UPSTREAM_KEY, binary};
use super::support::setups::provider;
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};
use std::path::Path;
use std::process::{Command, Output};

async fn run(directory: &Path, words: &[&str], files: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(words).env_remove("SALLYPORT_CONFIG").env_remove("AWS_BEARER_TOKEN_BEDROCK");
    for file in files {
        command.arg("-c").arg(directory.join(file));
    }
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn write(directory: &Path, provider: Value) {
    let document = object!({
        "data_dir": directory.join("data"),
        "upstream": {"allow_networks": ["127.0.0.0/8"]},
        "providers": [provider],
    });
    std::fs::write(directory.join("t.yaml"), document.to_string()).unwrap();
}

fn out(o: &Output) -> String {
    assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
    String::from_utf8_lossy(&o.stdout).into_owned()
}

/// A list of each kind, in two pages where there are pages.
fn lists(r: &Received) -> Vec<u8> {
    let target = r.target().to_owned();
    let text = format!("{:?}", r.head);
    assert!(text.contains(UPSTREAM_KEY) || text.contains("AKIDEXAMPLE"), "no credentials: {text}");
    json(
        200,
        match target.as_str() {
            t if t.contains("after_id=c1") => {
                r#"{"data":[{"id":"claude-2","display_name":"Two"}],"has_more":false,"last_id":"claude-2"}"#
            }
            _ if r.head.has("anthropic-version") => {
                r#"{"data":[{"id":"claude-1","display_name":"One"}],"has_more":true,"last_id":"c1"}"#
            }
            t if t.contains("pageToken=n%2F1") => {
                r#"{"models":[{"name":"models/gemini-2","displayName":"Two"}]}"#
            }
            t if t.starts_with("/v1beta/models") => {
                r#"{"models":[{"name":"models/gemini-1","displayName":"One"}],"nextPageToken":"n/1"}"#
            }
            "/v1beta1/publishers/google/models?pageSize=100" => {
                r#"{"publisherModels":[{"name":"publishers/google/models/gemini-1"}]}"#
            }
            "/v1beta1/publishers/anthropic/models?pageSize=100" => {
                r#"{"publisherModels":[{"name":"publishers/anthropic/models/claude-1"}]}"#
            }
            "/foundation-models" => {
                r#"{"modelSummaries":[{"modelId":"amazon.x-v1:0","modelName":"X","inferenceTypesSupported":["ON_DEMAND"]}]}"#
            }
            "/inference-profiles?maxResults=1000" => {
                r#"{"inferenceProfileSummaries":[{"inferenceProfileId":"eu.y-v1:0","inferenceProfileName":"Y"}]}"#
            }
            "/v1/models" | "/openai/v1/models" => {
                r#"{"object":"list","data":[{"id":"b/ü","object":"model","owned_by":"o"},{"id":"a","object":"model"},{"id":"a"},{"id":"no good"}]}"#
            }
            t => panic!("{t}"),
        },
    )
}

#[tokio::test]
async fn every_kind_lists() {
    let stub = Stub::answering(lists).await;
    let (url, host) = (stub.url(), stub.url().replace("/v1", ""));
    let vertex = {
        let mut p = provider("p", "vertex", &url);
        p["vertex"] = object!({"project": "x", "location": "global"});
        p
    };
    let bedrock = |p: &mut Value| p["bedrock"] = object!({"region": "eu-west-1"});
    let mut by_key = provider("p", "bedrock", &host);
    bedrock(&mut by_key);
    let by_signature = object!({"name": "p", "kind": "bedrock", "base_url": host,
        "bedrock": {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s3cret"}});
    for (p, names) in [
        (provider("p", "openai", &url), ["a", "b/ü"]),
        (provider("p", "openai-compatible", &url), ["a", "b/ü"]),
        (provider("p", "azure-openai", &host), ["a", "b/ü"]),
        (provider("p", "anthropic", &url), ["claude-1", "claude-2"]),
        (provider("p", "gemini", &url.replace("/v1", "/v1beta")), ["gemini-1", "gemini-2"]),
        (vertex, ["claude-1", "gemini-1"]),
        (by_key, ["amazon.x-v1:0", "eu.y-v1:0"]),
        (by_signature, ["amazon.x-v1:0", "eu.y-v1:0"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), p.clone());
        let table = out(&run(directory.path(), &["models", "list", "--provider", "p"], &["t.yaml"]).await);
        let got: Vec<&str> = table.lines().skip(1).map(|l| l.split(' ').next().unwrap()).collect();
        assert_eq!(got, names, "{p}: {table}");
        let yaml =
            out(&run(directory.path(), &["models", "list", "--provider", "p", "--yaml"], &["t.yaml"]).await);
        std::fs::write(directory.path().join("models.yaml"), &yaml).unwrap();
        let checked = out(&run(directory.path(), &["check"], &["t.yaml", "models.yaml"]).await);
        for name in names {
            assert!(checked.contains(name), "{name}: {checked}");
        }
        assert!(!table.contains(UPSTREAM_KEY) && !yaml.contains(UPSTREAM_KEY));
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let refusing = Stub::answering(|_| {
        json(401, r#"{"error":{"message":"Incorrect API key provided: sk-upstream-secret","code":"invalid_api_key"}}"#)
    })
    .await;
    let nonsense = Stub::answering(|_| json(200, "<html>")).await;
    let endless = Stub::answering(|r| {
        let n: usize = r.target().rsplit('=').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        json(200, format!(r#"{{"data":[],"has_more":true,"last_id":"{}"}}"#, n + 1))
    })
    .await;
    for (p, says) in [
        (provider("p", "openai", &refusing.url()), "401 (invalid_api_key)"),
        (provider("p", "openai", &nonsense.url()), "cannot be read"),
        (provider("p", "anthropic", &endless.url()), "more than 200 pages"),
        (provider("p", "openai", "http://127.0.0.1:9/v1"), "cannot be asked"),
        (provider("q", "openai", &nonsense.url()), "no provider `p`; they have: q"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), p);
        let got = run(directory.path(), &["models", "list", "--provider", "p"], &["t.yaml"]).await;
        let err = String::from_utf8_lossy(&got.stderr);
        assert!(!got.status.success() && err.contains(says), "{says}: {err}");
        assert!(!err.contains("sk-upstream"), "{err}");
    }
    // The guard against private networks holds for the command, too.
    let directory = tempfile::tempdir().unwrap();
    let hidden = format!("http://localhost:{}/v1", nonsense.port);
    let document =
        object!({"data_dir": directory.path().join("data"), "providers": [provider("p", "openai", &hidden)]});
    std::fs::write(directory.path().join("t.yaml"), document.to_string()).unwrap();
    let got = run(directory.path(), &["models", "list", "--provider", "p"], &["t.yaml"]).await;
    assert!(
        !got.status.success() && nonsense.received().len() == 1,
        "{}",
        String::from_utf8_lossy(&got.stderr)
    );
}
