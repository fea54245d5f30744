//! Bodies that no SDK would send, in the words of the provider that refuses them.

use super::loops::refused;
use super::{bedrock, gemini};
use crate::{chat, post, start};
use sallyport_benches::sim::SimOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn members_that_do_not_exist() {
    let addr = start(SimOptions::default()).await;
    let mut body = chat("m", false);
    body["messages"][0]["cache_control"] = json!({"type": "ephemeral"});
    refused(
        post(addr, "/v1/chat/completions", body.clone()).await,
        "Unknown parameter: 'messages[0].cache_control'.",
    );
    body["model"] = json!("m;strict=0");
    assert_eq!(post(addr, "/v1/chat/completions", body).await.0, 200);
    let mut body = chat("m", false);
    body["max_tokens"] = json!(9);
    body["frequency_penalty"] = json!(0.5);
    refused(post(addr, "/v1/messages", body).await, "frequency_penalty: Extra inputs are not permitted");
    let body = json!({"model": "m", "input": "x", "messages": []});
    refused(post(addr, "/v1/responses", body).await, "Unknown parameter: 'messages'.");
    let body = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"n": 2}});
    let why = r#"Unknown name \"n\" at 'generationConfig': Cannot find field."#;
    let (status, answer) = gemini::call(addr, "g", "generateContent", &body).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains(&why.replace('\\', "")), "{answer}");
    assert_eq!((status, &answer["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let body = json!({"messages": [{"role": "user", "content": [{"text": "x", "citations": true}]}]});
    let (status, head, _) = bedrock::call(addr, "b", "converse", &body).await;
    assert!(status == 400 && head.contains("ValidationException"), "{head}");
}

#[tokio::test]
async fn turns_out_of_order() {
    let addr = start(SimOptions::default()).await;
    let of = |messages: Value| json!({"model": "m", "max_tokens": 9, "messages": messages});
    let result =
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]});
    let call =
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]});
    let hi = json!({"role": "user", "content": "hi"});
    for (messages, why) in [
        (json!([{"role": "assistant", "content": "x"}, hi]), "first message must use"),
        (json!([result]), "unexpected `tool_use_id`"),
        (json!([hi, call, hi]), "`tool_use` ids were found without"),
        (json!([hi, call]), "`tool_use` ids were found without"),
        (json!([hi, call, hi, result]), "`tool_use` ids were found without"),
        (json!([{"role": "user", "content": ""}]), "must have non-empty content"),
    ] {
        refused(post(addr, "/v1/messages", of(messages)).await, why);
    }
    assert_eq!(
        post(addr, "/v1/messages", of(json!([hi, call, result, hi]))).await.0,
        200,
        "one turn in two messages"
    );
    let tool = json!({"role": "tool", "tool_call_id": "t", "content": "x"});
    let call = json!({"role": "assistant", "tool_calls": [{"id": "t", "type": "function",
        "function": {"name": "f", "arguments": "{}"}}]});
    for (messages, why) in
        [(json!([hi, tool]), "must be a response to"), (json!([hi, call, hi]), "must be followed by")]
    {
        refused(post(addr, "/v1/chat/completions", json!({"model": "m", "messages": messages})).await, why);
    }
    let twice = json!({"messages": [{"role": "user", "content": [{"text": "x"}]}, {"role": "user", "content": [{"text": "x"}]}]});
    assert_eq!(bedrock::call(addr, "b", "converse", &twice).await.0, 400);
}

#[tokio::test]
async fn settings_that_do_not_go_together() {
    let addr = start(SimOptions::default()).await;
    let of = |more: Value| {
        let mut body =
            json!({"model": "m", "max_tokens": 2000, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    let point = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    for (more, why) in [
        (json!({"thinking": {"type": "enabled", "budget_tokens": 5000}}), "must be greater than"),
        (json!({"thinking": thinking, "temperature": 0.5}), "may only be set to 1"),
        (json!({"thinking": thinking, "tools": [tool], "tool_choice": {"type": "any"}}), "forces tool use"),
        (json!({"tools": [tool, tool]}), "must be unique"),
        (json!({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}), "should match pattern"),
        (json!({"tool_choice": {"type": "auto"}}), "while providing tools"),
        (json!({"system": [point, point, point, point, point]}), "Found 5"),
    ] {
        refused(post(addr, "/v1/messages", of(more)).await, why);
    }
    let mut body = chat("gpt-5-mini", false);
    body["max_tokens"] = json!(9);
    refused(post(addr, "/v1/chat/completions", body).await, "Use 'max_completion_tokens' instead");
}
