//! `item_reference`: items of kept responses by their id, as Vercel's AI SDK sends them.

use super::kept_responses::{PATH, config, post, upstream};
use super::support::gateway::{Gateway, Setup};
use super::support::setups::error_type;
use super::support::speech::{Format, Said, say};
use super::support::stub::Stub;
use serde_json::{Value, json as object};

fn reference(id: &Value) -> Value {
    object!({"type": "item_reference", "id": id})
}

#[tokio::test]
async fn items_of_kept_responses_are_found_by_their_id() {
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
    let database = gateway.database.clone().unwrap();
    let other = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    other.until_status(&gateway.key, |status| status == 200).await;
    let base = object!({"model": "claude", "reasoning": {"effort": "low"},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]});
    let ask = async |at: &Gateway, more: Value| {
        let body = super::support::setups::with(base.clone(), more);
        let made = post(at, &gateway.key, &body).await.expect(200).json();
        (made, stub.received().pop().unwrap().json())
    };
    let question = object!({"role": "user", "content": "Weather?"});
    let (first, _) = ask(&gateway, object!({"input": [question]})).await;
    let ids: Vec<Value> = first["output"].as_array().unwrap().iter().map(|i| reference(&i["id"])).collect();
    assert_eq!(ids.len(), 2, "{first}");
    let result = object!({"type": "function_call_output", "call_id": "call_1", "output": "rain"});
    let input = object!([question, ids[0], ids[1], result]);
    let mut second = Value::Null;
    for at in [&gateway, &other] {
        let (made, sent) = ask(at, object!({"input": input})).await;
        let turn = &sent["messages"][1]["content"];
        assert_eq!(
            (&turn[0]["type"], &turn[0]["signature"]),
            (&object!("thinking"), &object!("EqQBCkYI+/==")),
            "{sent}"
        );
        assert_eq!(turn[1]["type"], "tool_use", "{sent}");
        assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], turn[1]["id"], "{sent}");
        second = made;
    }
    // What refers to others stands by itself: a next turn may go on with it, also when they are gone.
    let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
    super::kept_responses::call(&gateway, &gateway.key, "DELETE", &path).await.expect(200);
    let (_, sent) = ask(&gateway, object!({"input": "And?", "previous_response_id": second["id"]})).await;
    assert_eq!(sent["messages"].as_array().unwrap().len(), 5, "{sent}");
    assert_eq!(sent["messages"][1]["content"][0]["signature"], "EqQBCkYI+/==", "{sent}");
    // Both ways at once.
    let answer = reference(&second["output"][0]["id"]);
    let more = object!({"input": [answer, {"role": "user", "content": "And?"}], "previous_response_id": second["id"]});
    let (_, sent) = ask(&gateway, more).await;
    assert!(sent["messages"].to_string().matches("It rains.").count() == 2, "{sent}");
}

#[tokio::test]
async fn what_is_not_there_or_anothers_is_not_found() {
    let stub = upstream().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let stranger = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    let made =
        post(&gateway, &gateway.key, &object!({"model": "claude", "input": "x"})).await.expect(200).json();
    let unkept = object!({"model": "claude", "input": "x", "store": false});
    let unkept = post(&gateway, &gateway.key, &unkept).await.expect(200).json();
    let before = stub.received().len();
    let id = &made["output"][0]["id"];
    let never = id.as_str().unwrap().replace("msg_sp", "msg_sp0").get(..40).unwrap().to_owned();
    for (key, id) in [
        (&stranger, id.clone()),
        (&gateway.key, object!(never)),
        (&gateway.key, object!(format!("{}9", id.as_str().unwrap()))),
        (&gateway.key, unkept["output"][0]["id"].clone()),
        (&gateway.key, object!("msg_68a1b2c3d4e5f6")),
        (&gateway.key, object!("")),
    ] {
        let body = object!({"model": "claude", "input": [reference(&id), {"role": "user", "content": "x"}]});
        let answer = post(&gateway, key, &body).await;
        let error = answer.expect(404).json();
        error_type(PATH, &error);
        let message = format!("Item with id '{}' not found.", id.as_str().unwrap());
        assert_eq!(
            (&error["error"]["message"], &error["error"]["param"]),
            (&object!(message), &object!("input"))
        );
    }
    for wrong in [object!({"type": "item_reference"}), object!({"type": "item_reference", "id": 7})] {
        let body = object!({"model": "claude", "input": [wrong]});
        error_type(PATH, &post(&gateway, &gateway.key, &body).await.expect(400).json());
    }
    assert_eq!(stub.received().len(), before);
    // OpenAI looks its own up.
    let body = object!({"model": "gpt", "input": [reference(id)]});
    post(&gateway, &gateway.key, &body).await.expect(200);
    assert_eq!(stub.received().pop().unwrap().json()["input"], body["input"]);
}
