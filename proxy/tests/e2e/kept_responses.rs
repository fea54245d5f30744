//! Responses that the gateway keeps for providers without state: `store`, `previous_response_id`, `background`.

use super::support::answer::json;
use super::support::client::{Answer, Client};
use super::support::gateway::{Gateway, Setup};
use super::support::setups::{error_type, provider, with};
use super::support::speech::{Format, Said, error_body, say};
use super::support::stub::{Received, Stub};
use super::support::wait::until;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};

pub(super) const PATH: &str = "/v1/responses";

pub(super) fn config(url: &str, more: Value) -> Value {
    let base = url.strip_suffix("/v1").unwrap();
    let all = object!({
        "providers": [
            provider("anthropic", "anthropic", &format!("{base}/anthropic/v1")),
            provider("openai", "openai", &format!("{base}/openai/v1")),
        ],
        "models": [
            {"name": "claude", "routes": [{"provider": "anthropic", "model": "m"}]},
            {"name": "gpt", "routes": [{"provider": "openai", "model": "m"}]},
        ],
    });
    with(all, more)
}

fn spoken(r: &Received) -> Format {
    if r.target().contains("/anthropic/") { Format::Messages } else { Format::Responses }
}

/// Says "Hi." to everything.
pub(super) async fn upstream() -> Stub {
    Stub::answering(|r| say::answer(spoken(r), &Said::text("Hi."), &r.json())).await
}

async fn ask(gateway: &Gateway, body: Value) -> Value {
    let answer = gateway.post(PATH, body.to_string()).await;
    answer.expect(200);
    match body["stream"] == true {
        false => answer.json(),
        true => {
            let text = answer.text();
            let last = text.lines().rfind(|l| l.starts_with("data: ")).unwrap();
            serde_json::from_str::<Value>(&last[6..]).unwrap()["response"].clone()
        }
    }
}

pub(super) async fn call(gateway: &Gateway, key: &str, method: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    Client::connect(gateway.port).await.call(method, path, &[("authorization", &bearer)], b"").await
}

pub(super) async fn post(gateway: &Gateway, key: &str, body: &Value) -> Answer {
    let (bearer, body) = (format!("Bearer {key}"), body.to_string());
    Client::connect(gateway.port)
        .await
        .call("POST", PATH, &[("authorization", &bearer)], body.as_bytes())
        .await
}

async fn refused(gateway: &Gateway, body: Value) -> Value {
    let answer = gateway.post(PATH, body.to_string()).await;
    let status = answer.status();
    assert!((400..500).contains(&status), "{status}: {}", answer.text());
    error_type(PATH, &answer.json());
    answer.json()["error"].clone()
}

#[tokio::test]
async fn a_conversation_goes_on_by_its_last_response() {
    let stub = upstream().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let database = gateway.database.clone().unwrap();
    let other = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    for stream in [false, true] {
        let first = ask(
            &gateway,
            object!({"model": "claude", "input": "One.", "instructions": "Be brief.", "stream": stream}),
        )
        .await;
        let id = first["id"].as_str().unwrap();
        assert!(id.starts_with("resp_sp"), "{first}");
        assert_eq!((&first["store"], &first["previous_response_id"]), (&object!(true), &Value::Null));
        // At once, and also of an instance that did not make it; instructions do not carry over.
        for at in [&gateway, &other] {
            let body = object!({"model": "claude", "input": [{"role": "user", "content": "Two."}],
                "previous_response_id": id, "stream": stream});
            // The other instance may have to hear of the key first.
            until("the key to be known", || async {
                (post(at, &gateway.key, &object!({})).await.status() != 401).then_some(())
            })
            .await;
            post(at, &gateway.key, &body).await.expect(200);
            let sent = stub.received().pop().unwrap().json();
            assert!(sent.get("system").is_none(), "{sent}");
            let texts: Vec<_> = sent["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| format!("{}: {}", m["role"], m["content"]))
                .collect();
            assert_eq!(texts.len(), 3, "{sent}");
            assert!(
                texts[0].contains("One.") && texts[1].contains("Hi.") && texts[2].contains("Two."),
                "{sent}"
            );
        }
        // A third turn stands on the second, and can be given to another provider's model.
        let body = object!({"model": "claude", "input": "Two.", "previous_response_id": id});
        let second = ask(&gateway, body).await;
        assert_eq!(second["previous_response_id"], id);
        let body = object!({"model": "gpt", "input": "Three.", "previous_response_id": second["id"], "metadata": {"a": "1"}});
        ask(&gateway, body).await;
        let sent = stub.received().pop().unwrap();
        assert!(sent.target().starts_with("/openai/"), "{}", sent.target());
        let sent = sent.json();
        assert!(sent.get("previous_response_id").is_none() && sent["metadata"]["a"] == "1", "{sent}");
        assert_eq!(sent["input"].as_array().unwrap().len(), 5, "{sent}");
        let words = sent["input"].to_string();
        let at = ["One.", "Hi.", "Two.", "Hi.", "Three."].map(|w| words.find(w).unwrap());
        assert!(at[0] < at[1] && at[1] < at[2] && at[2] < at[4], "{words}");
    }
}

/// Thinking must come back with its proof, or the provider refuses the results of tools.
#[tokio::test]
async fn a_tool_loop_with_thoughts_goes_on() {
    let stub = Stub::answering(|r| {
        let said = match r.json()["messages"].as_array().unwrap().len() {
            1 => Said::text("").thinking("Let me look.", "EqQBCkYI+/==").call(
                "call_1",
                "weather",
                "{\"city\":\"X\"}",
            ),
            _ => Said::text("It rains."),
        };
        say::answer(Format::Messages, &said, &r.json())
    })
    .await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let tools = object!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    for stream in [false, true] {
        let first = ask(
            &gateway,
            object!({"model": "claude", "input": "Weather?", "tools": tools, "stream": stream, "reasoning": {"effort": "low"}}),
        )
        .await;
        let result = object!([{"type": "function_call_output", "call_id": "call_1", "output": "rain"}]);
        let second = ask(
            &gateway,
            object!({"model": "claude", "input": result, "tools": tools, "previous_response_id": first["id"], "reasoning": {"effort": "low"}}),
        )
        .await;
        assert!(second["output"].to_string().contains("It rains."), "{second}");
        let sent = stub.received().pop().unwrap().json();
        let turn = &sent["messages"][1]["content"];
        assert_eq!(turn[0]["type"], "thinking", "{sent}");
        assert_eq!(turn[0]["signature"], "EqQBCkYI+/==", "{sent}");
        assert_eq!(turn[1]["type"], "tool_use", "{sent}");
        assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], turn[1]["id"], "{sent}");
    }
}

#[tokio::test]
async fn a_response_is_its_makers_alone() {
    let stub = upstream().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let stranger = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    let secret = "the-planted-prompt";
    let made = ask(&gateway, object!({"model": "claude", "input": secret})).await;
    let id = made["id"].as_str().unwrap();
    let path = format!("{PATH}/{id}");
    let got = call(&gateway, &gateway.key, "GET", &path).await;
    assert_eq!(got.expect(200).json(), made);
    let items = call(&gateway, &gateway.key, "GET", &format!("{path}/input_items?order=asc&limit=1")).await;
    let items = items.expect(200).json();
    assert_eq!(items["data"][0]["content"][0]["text"], secret, "{items}");
    assert_eq!((&items["object"], &items["has_more"]), (&object!("list"), &object!(false)), "{items}");

    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("{path}/input_items")),
        ("POST", format!("{path}/cancel")),
        ("DELETE", path.clone()),
    ] {
        let answer = call(&gateway, &stranger, method, &path).await;
        answer.expect(404);
        error_type(PATH, &answer.json());
    }
    let body = object!({"model": "claude", "input": "x", "previous_response_id": id});
    let answer = post(&gateway, &stranger, &body).await;
    assert_eq!(answer.expect(400).json()["error"]["code"], "previous_response_not_found");
    call(&gateway, &gateway.key, "POST", &format!("{path}/cancel")).await.expect(400);
    for wrong in
        ["input_items?limit=0", "input_items?limit=x", "input_items?order=up", "input_items?after=no"]
    {
        call(&gateway, &gateway.key, "GET", &format!("{path}/{wrong}")).await.expect(400);
    }
    call(&gateway, &gateway.key, "GET", &format!("{path}?stream=true")).await.expect(400);

    // In the database it cannot be read, and is gone when it is deleted.
    let database = gateway.database.clone().unwrap();
    let rows = || async {
        let sql = "SELECT count(*)::text || '|' || coalesce(bool_or(encode(content, 'escape') LIKE '%planted%'), false) FROM responses";
        TestPg::value(database.url(), sql).await
    };
    until("the store to have it", || async { (rows().await == "1|false").then_some(()) }).await;
    let gone = call(&gateway, &gateway.key, "DELETE", &path).await;
    assert_eq!(gone.expect(200).json(), object!({"id": id, "object": "response", "deleted": true}));
    assert_eq!(rows().await, "0|false");
    call(&gateway, &gateway.key, "DELETE", &path).await.expect(404);
    call(&gateway, &gateway.key, "GET", &path).await.expect(404);
    let error =
        refused(&gateway, object!({"model": "claude", "input": "x", "previous_response_id": id})).await;
    assert_eq!(
        (&error["code"], &error["param"]),
        (&object!("previous_response_not_found"), &object!("previous_response_id"))
    );
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    let stub = upstream().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let made = ask(&gateway, object!({"model": "claude", "input": "x", "store": false})).await;
    assert_eq!(made["store"], false);
    call(&gateway, &gateway.key, "GET", &format!("{PATH}/{}", made["id"].as_str().unwrap()))
        .await
        .expect(404);

    let off = Gateway::start(config(&stub.url(), object!({"responses": {"keep": false}}))).await;
    let made = ask(&off, object!({"model": "claude", "input": "x"})).await;
    assert_eq!(made["store"], false);
    for (field, value) in [("store", object!(true)), ("background", object!(true))] {
        let error = refused(&off, object!({"model": "claude", "input": "x", field: value})).await;
        assert_eq!(error["param"], field, "{error}");
    }
    let none =
        Gateway::start(config(&stub.url(), object!({"responses": {"background": {"limit": 0}}}))).await;
    let error = refused(&none, object!({"model": "claude", "input": "x", "background": true})).await;
    assert_eq!(error["param"], "background", "{error}");
}

pub(super) async fn ended(gateway: &Gateway, id: &str) -> Value {
    until("the response to end", || async {
        let got = call(gateway, &gateway.key, "GET", &format!("{PATH}/{id}")).await;
        let got = got.expect(200).json();
        (!["queued", "in_progress"].contains(&got["status"].as_str().unwrap())).then_some(got)
    })
    .await
}

#[tokio::test]
async fn a_response_is_made_in_the_background() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let queued =
        ask(&gateway, object!({"model": "claude", "input": "Think long.", "background": true})).await;
    let id = queued["id"].as_str().unwrap().to_owned();
    assert_eq!((&queued["status"], &queued["background"]), (&object!("queued"), &object!(true)), "{queued}");
    let mut asked = stub.next().await;
    let body = object!({"model": "claude", "input": "And?", "previous_response_id": id});
    let error = refused(&gateway, body.clone()).await;
    assert_eq!(error["code"], "previous_response_not_complete", "{error}");
    asked.send(say::answer(Format::Messages, &Said::text("Done."), &asked.request.json())).await;
    asked.done();
    let made = ended(&gateway, &id).await;
    assert_eq!((&made["status"], &made["id"]), (&object!("completed"), &object!(id)), "{made}");
    assert!(made["output"].to_string().contains("Done."), "{made}");
    // The call that made it is in the log, with its tokens; the one that ordered it has none.
    let call = gateway.last_logged(|c| c["usage"]["input"] == 100).await;
    assert_eq!((&call["status"], &call["provider"]), (&object!(200), &object!("anthropic")), "{call}");
    let stub = stub.with_answers(|r| say::answer(Format::Messages, &Said::text("Hi."), &r.json()));
    ask(&gateway, body).await;
    assert_eq!(stub.received().pop().unwrap().json()["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_response_in_the_background_can_be_cancelled_from_any_instance() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let database = gateway.database.clone().unwrap();
    let other = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    for (at, path) in [(&gateway, "/cancel"), (&other, "/cancel"), (&other, "")] {
        let queued = ask(&gateway, object!({"model": "claude", "input": "x", "background": true})).await;
        let id = queued["id"].as_str().unwrap();
        let mut asked = stub.next().await;
        let method = if path.is_empty() { "DELETE" } else { "POST" };
        let answer = call(at, &gateway.key, method, &format!("{PATH}/{id}{path}")).await.expect(200).json();
        if path.is_empty() {
            assert_eq!(answer["deleted"], true);
        } else {
            assert_eq!(answer["status"], "cancelled", "{answer}");
            assert_eq!(ended(&gateway, id).await["status"], "cancelled");
        }
        asked.closed().await;
    }
}

#[tokio::test]
async fn a_response_in_the_background_that_fails_says_why() {
    let stub =
        Stub::answering(|_| json(400, error_body(Format::Messages, "invalid_request_error", "Too hot.")))
            .await;
    let gateway = Gateway::start(config(&stub.url(), object!({"upstream": {"max_attempts": 1}}))).await;
    let order = object!({"model": "claude", "input": "x", "background": true});
    let id = ask(&gateway, order.clone()).await["id"].as_str().unwrap().to_owned();
    let made = ended(&gateway, &id).await;
    assert_eq!(made["status"], "failed", "{made}");
    assert_eq!(made["error"]["message"], "Too hot.", "{made}");
    let mut impossible = order.clone();
    impossible["top_logprobs"] = object!(3);
    impossible["include"] = object!(["message.output_text.logprobs"]);
    refused(&gateway, impossible).await;
    let mut wrong = order.clone();
    wrong["store"] = object!(false);
    assert_eq!(refused(&gateway, wrong).await["param"], "store");
}

/// A provider with state of its own would keep it under an id that the client was never told.
#[tokio::test]
async fn the_background_stays_with_providers_whose_answers_are_kept() {
    let stub = Stub::answering(|r| match spoken(r) {
        Format::Messages => json(500, error_body(Format::Messages, "api_error", "Broken.")),
        other => say::answer(other, &Said::text("Hi."), &r.json()),
    })
    .await;
    let both = object!({"models": [{"name": "both", "routes": [
        {"provider": "anthropic", "model": "m", "weight": 1}, {"provider": "openai", "model": "m", "weight": 0}]}]});
    let gateway = Gateway::start(config(&stub.url(), both)).await;
    let id = ask(&gateway, object!({"model": "both", "input": "x", "background": true})).await["id"].clone();
    assert_eq!(ended(&gateway, id.as_str().unwrap()).await["status"], "failed");
    assert!(stub.received().iter().all(|r| spoken(r) == Format::Messages));
    // One that is waited for may go to either.
    ask(&gateway, object!({"model": "both", "input": "x"})).await;
}

/// What an instance was making when it died is told as failed, not as going on for ever.
#[tokio::test]
async fn a_response_whose_instance_died_has_failed() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let key = gateway.key.clone();
    let queued = ask(&gateway, object!({"model": "claude", "input": "x", "background": true})).await;
    let _asked = stub.next().await;
    let (_, database) = gateway.crash();
    let database = database.unwrap();
    TestPg::execute(database.url(), "UPDATE responses SET alive_until = now() - interval '1 s'").await;
    let mut next = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    next.key = key;
    let made = ended(&next, queued["id"].as_str().unwrap()).await;
    assert_eq!(
        (&made["status"], &made["error"]["code"]),
        (&object!("failed"), &object!("server_error")),
        "{made}"
    );
}

#[tokio::test]
async fn the_background_has_a_bound() {
    let mut stub = Stub::manual().await;
    let gateway =
        Gateway::start(config(&stub.url(), object!({"responses": {"background": {"limit": 1}}}))).await;
    let order = object!({"model": "claude", "input": "x", "background": true});
    let id = ask(&gateway, order.clone()).await["id"].as_str().unwrap().to_owned();
    let mut asked = stub.next().await;
    let answer = gateway.post(PATH, order.to_string()).await;
    assert!(answer.expect(429).head.has("retry-after"));
    asked.send(say::answer(Format::Messages, &Said::text("Done."), &asked.request.json())).await;
    asked.done();
    ended(&gateway, &id).await;
}
