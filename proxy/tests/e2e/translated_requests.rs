//! What reaches a provider of another dialect, and what must not.

use super::support::setups::error_type;
use super::support::speech::{Format, Said, ask, back, hear, translated};
use super::translated::House;
use serde_json::{Value, json};

/// Where the conversation stands in a request.
fn turns(format: Format) -> &'static str {
    if format == Format::Responses { "input" } else { "messages" }
}

/// LESSONS.md, Protocol: "Accept all; never forward them". A translated request is the gateway's own: what the client's
/// SDK says to its own provider stays here, and so does the query.
#[tokio::test]
async fn the_clients_own_headers_stay_here() {
    let house = House::new(json!({})).await;
    for (front, kind) in translated() {
        let mut body = ask::text(front, true);
        body["model"] = kind.into();
        let theirs = [
            ("x-api-key", house.gateway.key.as_str()),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "context-management-2025-06-27"),
            ("openai-organization", "org-of-the-client"),
            ("cookie", "session=secret"),
            ("x-stainless-lang", "python"),
            ("accept-encoding", "br, gzip"),
        ];
        let path = format!("{}?beta=true", front.path());
        let body = body.to_string();
        house.gateway.client().await.call("POST", &path, &theirs, body.as_bytes()).await.expect(200);
        let sent = house.stub.received().pop().unwrap();
        let all = format!("{:?}", sent.head);
        assert!(sent.target().ends_with(back(front, kind).path()), "{all}");
        for word in [house.gateway.key.as_str(), "org-of-the-client", "session=secret", "context-management"]
        {
            assert!(!all.contains(word), "{word} is the client's: {all}");
        }
        // The answer is read here: it must not come in a coding.
        assert!(sent.head.get("accept-encoding").is_none_or(|v| v == "identity"), "{all}");
    }
}

/// What is shown of OpenAI's sealed thoughts is a summary. A client of Messages has one text for thoughts of any kind;
/// it must not come to OpenAI as a raw thought, which its models never gave out.
#[tokio::test]
async fn a_summary_goes_back_as_a_summary() {
    let house = House::new(json!({})).await;
    let said = Said::text("").thinking("In short.", "SEALED+/==").call("call_1", "weather", "{}");
    house.says(&said);
    for stream in [false, true] {
        let mut first = ask::tools(Format::Messages, stream);
        first["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        first["model"] = "openai".into();
        let got = house.gateway.post(Format::Messages.path(), first.to_string()).await;
        let whole = hear::object(Format::Messages, &got);
        let second = ask::second(Format::Messages, &whole, &said);
        let (got, sent) = house.ask(Format::Messages, "openai", second).await;
        got.expect(200);
        assert_eq!(
            sent.json()["input"][1],
            json!({"type": "reasoning", "id": "rs_up", "encrypted_content": "SEALED+/==",
                "summary": [{"type": "summary_text", "text": "In short."}]}),
            "stream: {stream}"
        );
    }
}

/// LESSONS.md, Protocol: "An internal message of only role + content loses tool calls, tool_call_id".
#[tokio::test]
async fn every_result_finds_its_call() {
    let house = House::new(json!({})).await;
    let said = Said::text("")
        .call("call_1", "weather", r#"{"city":"Bern"}"#)
        .call("call_2", "weather", "{}")
        .call("call_3", "weather", r#"{"city":"Rom"}"#);
    house.says(&said);
    for (front, kind) in translated() {
        let (got, _) = house.ask(front, kind, ask::tools(front, false)).await;
        let body = ask::second(front, &got.json(), &said);
        let (got, sent) = house.ask(front, kind, body).await;
        got.expect(200);
        let sent = sent.json();
        let (called, answered) = match back(front, kind) {
            Format::Messages => {
                assert_eq!(sent["messages"].as_array().unwrap().len(), 3, "all results in one turn: {sent}");
                (
                    fields(&sent["messages"][1]["content"], "tool_use", "id"),
                    fields(&sent["messages"][2]["content"], "tool_result", "tool_use_id"),
                )
            }
            Format::Responses => (
                fields(&sent["input"], "function_call", "call_id"),
                fields(&sent["input"], "function_call_output", "call_id"),
            ),
            Format::Chat => {
                let of_tools = sent["messages"].as_array().unwrap().iter().filter(|m| m["role"] == "tool");
                (
                    fields(&sent["messages"][1]["tool_calls"], "function", "id"),
                    of_tools.map(|m| m["tool_call_id"].clone()).collect(),
                )
            }
        };
        let want = ["call_1", "call_2", "call_3"].map(Value::from).to_vec();
        assert_eq!((&called, &answered), (&want, &want), "{front:?} {kind}: {sent}");
        assert_eq!(sent.to_string().matches("sunny").count(), 3, "{front:?} {kind}: {sent}");
    }
}

/// A field of all members of a list that have a type.
fn fields(list: &Value, kind: &str, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().filter(|v| v["type"] == kind).map(|v| v[field].clone()).collect()
}

/// Addresses of pictures stay addresses.
#[tokio::test]
async fn pictures_by_address() {
    let house = House::new(json!({})).await;
    let url = "https://example.com/a.jpg?x=1&y=2";
    for (front, kind) in translated() {
        let mut body = ask::image(front, "");
        let content = &mut body[turns(front)][0]["content"][1];
        match front {
            Format::Chat => content["image_url"]["url"] = url.into(),
            Format::Responses => content["image_url"] = url.into(),
            Format::Messages => content["source"] = json!({"type": "url", "url": url}),
        }
        let (got, sent) = house.ask(front, kind, body).await;
        got.expect(200);
        let sent = sent.json();
        let part = &sent[turns(back(front, kind))][0]["content"][1];
        let there = match back(front, kind) {
            Format::Chat => &part["image_url"]["url"],
            Format::Responses => &part["image_url"],
            Format::Messages => &part["source"]["url"],
        };
        assert_eq!(*there, url, "{front:?} {kind}: {sent}");
    }
}

/// A body that is no request of the client's format never reaches a provider, and the field is named.
#[tokio::test]
async fn what_is_no_request() {
    let house = House::new(json!({})).await;
    for (front, kind) in translated() {
        let list = turns(front);
        for wrong in [json!(7), json!([{"role": "user"}, 7]), json!([{"role": "nobody", "content": "x"}])] {
            let mut body = ask::text(front, false);
            body["model"] = kind.into();
            body[list] = wrong;
            let got = house.gateway.post(front.path(), body.to_string()).await;
            let case = format!("{front:?} {kind}: {body} {}", got.text());
            assert_eq!(got.status(), 400, "{case}");
            assert_eq!(error_type(front.path(), &got.json()), "invalid_request_error", "{case}");
            assert!(got.json()["error"]["message"].as_str().unwrap().contains(list), "{case}");
        }
    }
    assert!(house.stub.received().is_empty());
}

/// Where the first candidate's format has no words for a field and the next one's has, the next one is asked.
#[tokio::test]
async fn the_candidate_that_has_words_for_it() {
    use super::support::setups::with;
    use super::support::speech::say;
    use super::support::stub::Stub;
    let stub =
        Stub::answering(|r| say::answer(super::translated::spoken(r), &Said::text("Hi."), &r.json())).await;
    let routes =
        json!([{"provider": "anthropic", "model": "m"}, {"provider": "openai", "model": "m", "weight": 0}]);
    let setup = with(
        super::translated::kinds(&stub.url(), json!({})),
        json!({"models": [{"name": "both", "routes": routes}]}),
    );
    let gateway = super::support::gateway::Gateway::start(setup).await;
    let mut body = ask::text(Format::Chat, false);
    body["model"] = "both".into();
    body["logit_bias"] = json!({"50256": -100});
    let got = gateway.post(Format::Chat.path(), body.to_string()).await;
    got.expect(200);
    let sent = stub.only();
    assert!(sent.target().starts_with("/openai/"), "{}", sent.target());
    assert_eq!(sent.json()["logit_bias"], body["logit_bias"], "verbatim");
    assert_eq!(gateway.logged(&got.id()).await["provider"], "openai");
}
