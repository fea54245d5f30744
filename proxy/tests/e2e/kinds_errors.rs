//! What goes wrong at each kind of upstream is told in the client's own dialect.

use super::support::client::request;
use super::support::gateway::UPSTREAM_KEY;
use super::support::kinds::front::Front;
use super::support::kinds::{AWS_SECRET, House, each};
use super::support::speech::Format;
use serde_json::{Value, json as object};

/// Status at the provider; word in OpenAI's, Anthropic's and Google's envelope.
const STATUSES: [(u16, [&str; 3]); 3] = [
    (400, ["invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"]),
    (429, ["rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"]),
    (500, ["server_error", "api_error", "INTERNAL"]),
];

#[tokio::test]
async fn refusals() {
    each(8, move |house, front, upstream| async move {
        for (status, words) in STATUSES {
            for stream in [false, true] {
                let model = format!("{};status={status};retry_after=77", upstream.model);
                let got = house.ask(front, &model, &front.text("Weather?", stream)).await;
                let what = format!("{front:?} {model} {stream} {:?} {}", got.head, got.text());
                assert_eq!(got.status(), status, "{what}");
                assert!(
                    got.head.get("content-type").is_some_and(|t| t.starts_with("application/json")),
                    "{what}"
                );
                assert_eq!(got.head.get("retry-after"), Some("77"), "{what}");
                assert!(got.head.has("x-request-id"), "{what}");
                // Azure's gateway has a shape of its own, and speaks the client's dialect.
                let azures = status == 429 && upstream.is_azure_itself(front);
                if azures {
                    assert_eq!(got.json()["error"]["code"], "rate_limit_exceeded", "{what}");
                }
                let word = if azures { "requests".to_owned() } else { front.error(&got.json()) };
                let want = words[match front {
                    Front::Of(Format::Messages) => 1,
                    Front::Of(_) => 0,
                    Front::Generate => 2,
                }];
                // OpenAI itself calls it by what ran out.
                let own = word == "requests" || word == "tokens";
                assert!(word == want || (status == 429 && own), "{word}: {what}");
                let call = house.gateway.logged(&got.id()).await;
                let source = if status == 400 { "client" } else { "upstream" };
                assert_eq!(
                    (&call["error_source"], &call["status"]),
                    (&object!(source), &object!(status)),
                    "{call}"
                );
                assert_eq!(call["provider"], upstream.name(), "{call}");
            }
        }
    })
    .await;
}

/// The gateway's own account is nothing that a client can mend; a page is nothing that it can read.
#[tokio::test]
async fn troubles_of_the_providers_own() {
    each(8, move |house, front, upstream| async move {
        for directive in ["status=401", "status=403", "status=502;html", "status=404;html", "drop"] {
            let model = format!("{};{directive}", upstream.model);
            let got = house.ask(front, &model, &front.text("Weather?", false)).await;
            let what = format!("{front:?} {model} {:?} {}", got.head, got.text());
            assert!(got.status() >= 400, "{what}");
            assert_eq!(got.status() >= 500, !directive.contains("404"), "{what}");
            front.error(&got.json());
            let text = got.text();
            assert!(
                !text.contains("<html") && !text.contains(UPSTREAM_KEY) && !text.contains(AWS_SECRET),
                "{what}"
            );
            let call = house.gateway.logged(&got.id()).await;
            assert_eq!(call["status"], got.status(), "{call}");
        }
    })
    .await;
}

/// Status, body of a stream that may be cut, and whether its framing ended in order.
async fn stream(house: &House, front: Front, model: &str) -> (String, String, bool) {
    let body = front.text("Weather?", true);
    let bearer = house.gateway.bearer();
    let mut client = house.gateway.client().await;
    let bytes = front.with_model(&body, model).to_string();
    let path = front.path(model, &body);
    client.send(request("POST", &path, &[("authorization", &bearer)], bytes.as_bytes())).await;
    let head = client.head().await;
    assert_eq!(head.status(), 200, "{front:?} {model} {head:?}");
    let mut text = Vec::new();
    loop {
        match client.chunk().await {
            Ok(chunk) if chunk.is_empty() => {
                break (head.id().to_owned(), String::from_utf8(text).unwrap(), true);
            }
            Ok(chunk) => text.extend(chunk),
            Err(_) => break (head.id().to_owned(), String::from_utf8_lossy(&text).into_owned(), false),
        }
    }
}

/// What came before arrives; then an error that the front's own clients know, and nothing that looks like an end.
#[tokio::test]
async fn troubles_in_mid_stream() {
    each(8, move |house, front, upstream| async move {
        for directive in ["error_event=7", "cut=7"] {
            let model = format!("{};tokens=50;{directive}", upstream.model);
            let (id, text, _) = stream(&house, front, &model).await;
            let what = format!("{front:?} {model} {text}");
            assert!(text.contains("old "), "what came before: {what}");
            assert!(!text.contains(front.end_mark()), "{what}");
            let events: Vec<&str> = text.split("\n\n").flat_map(|e| e.split("\r\n\r\n")).collect();
            let last = events.iter().rfind(|e| !e.trim().is_empty()).unwrap();
            let data =
                last.lines().find_map(|l| l.strip_prefix("data: ")).unwrap_or_else(|| panic!("{what}"));
            let data: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {what}"));
            match front {
                Front::Of(Format::Responses) => {
                    let failed = data["type"] == "response.failed" && data["response"]["error"].is_object();
                    assert!(failed || data["type"] == "error", "{what}");
                }
                front => {
                    front.error(&data);
                }
            }
            let call = house.gateway.logged(&id).await;
            assert_eq!(
                (&call["error_source"], &call["status"]),
                (&object!("upstream"), &object!(200)),
                "{what} {call}"
            );
        }
    })
    .await;
}
