//! Tool loops in all formats: thoughts are sealed, and refused when they come back changed or not at all.

use super::{bedrock, gemini};
use crate::{post, start};
use sallyport_benches::sim::SimOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn anthropic() {
    let addr = start(SimOptions::default()).await;
    let mut body = json!({"model": "m;echo", "max_tokens": 2048, "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "[tool:f {\"a\":1}]"}]});
    let (status, first) = post(addr, "/v1/messages", body.clone()).await;
    assert_eq!((status, &first["stop_reason"]), (200, &json!("tool_use")), "{first}");
    let content = &first["content"];
    let result = json!({"type": "tool_result", "tool_use_id": content[1]["id"], "content": "found"});
    body["messages"] = json!([body["messages"][0], {"role": "assistant", "content": content},
        {"role": "user", "content": [result]}]);
    let (status, second) = post(addr, "/v1/messages", body.clone()).await;
    assert_eq!((status, &second["content"][1]["text"]), (200, &json!("found")), "{second}");
    let mut changed = body.clone();
    changed["messages"][1]["content"][0]["thinking"] = json!("other");
    refused(post(addr, "/v1/messages", changed).await, "Invalid `signature` in `thinking` block");
    let mut missing = body.clone();
    missing["messages"][1]["content"].as_array_mut().unwrap().remove(0);
    refused(post(addr, "/v1/messages", missing.clone()).await, "Expected `thinking` or `redacted_thinking`");
    missing["thinking"] = json!({"type": "adaptive"});
    refused(post(addr, "/v1/messages", missing.clone()).await, "Expected `thinking`");
    missing["model"] = json!("m;forgetful");
    assert_eq!(post(addr, "/v1/messages", missing).await.0, 200, "as the real API with adaptive thinking");
    body["messages"][1]["content"] = json!([content[0]]);
    refused(post(addr, "/v1/messages", body).await, "unexpected `tool_use_id`");
}

#[tokio::test]
async fn responses() {
    let addr = start(SimOptions::default()).await;
    let mut body = json!({"model": "m;echo", "store": false, "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}],
        "input": [{"role": "user", "content": "[tool:f {\"a\":1}]"}]});
    let (status, first) = post(addr, "/v1/responses", body.clone()).await;
    let output = first["output"].clone();
    assert_eq!(
        (status, &output[0]["type"], &output[1]["type"]),
        (200, &json!("reasoning"), &json!("function_call"))
    );
    let given = json!({"type": "function_call_output", "call_id": output[1]["call_id"], "output": "found"});
    body["input"] = json!([body["input"][0], output[0], output[1], given]);
    let (status, second) = post(addr, "/v1/responses", body.clone()).await;
    assert_eq!((status, &second["output"][1]["content"][0]["text"]), (200, &json!("found")), "{second}");
    let mut changed = body.clone();
    changed["input"][1]["id"] = json!("rs_other");
    refused(post(addr, "/v1/responses", changed.clone()).await, "could not be verified");
    changed["input"][1].as_object_mut().unwrap().remove("id");
    assert_eq!(post(addr, "/v1/responses", changed).await.0, 200, "without an id it is still one of ours");
    let mut missing = body.clone();
    missing["input"].as_array_mut().unwrap().remove(1);
    refused(post(addr, "/v1/responses", missing).await, "without its required 'reasoning' item");
    body["input"].as_array_mut().unwrap().remove(3);
    refused(post(addr, "/v1/responses", body).await, "No tool output found");
}

#[tokio::test]
async fn googles() {
    let addr = start(SimOptions::default()).await;
    let model = "gemini-3-pro;echo";
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "[tool:f {\"a\":1}]"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]});
    let (status, first) = gemini::call(addr, model, "generateContent", &body).await;
    let content = first["candidates"][0]["content"].clone();
    assert_eq!((status, &content["parts"][0]["functionCall"]["args"]), (200, &json!({"a": 1})), "{first}");
    let given = json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "found"}}}]});
    body["contents"] = json!([body["contents"][0], content, given]);
    let (status, second) = gemini::call(addr, model, "generateContent", &body).await;
    assert_eq!(
        (status, &second["candidates"][0]["content"]["parts"][0]["text"]),
        (200, &json!("found")),
        "{second}"
    );
    let mut changed = body.clone();
    changed["contents"][1]["parts"][0]["thoughtSignature"] = json!("AAAA");
    refused(gemini::call(addr, model, "generateContent", &changed).await, "Thought signature is not valid");
    changed["contents"][1]["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    refused(gemini::call(addr, model, "generateContent", &changed).await, "missing a thought_signature");
    assert_eq!(gemini::call(addr, "gemini-2.5-pro", "generateContent", &changed).await.0, 200);
    body["contents"][2]["parts"] = json!([{"text": "no result"}]);
    refused(gemini::call(addr, model, "generateContent", &body).await, "number of function response parts");
}

#[tokio::test]
async fn amazons() {
    let addr = start(SimOptions::default()).await;
    let model = "m%3Becho%3Breasoning=4";
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": "[tool:f {\"a\":1}]"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}});
    let converse = async |body: &Value| {
        let (status, _, bytes) = bedrock::call(addr, model, "converse", body).await;
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let (_, first) = converse(&body).await;
    let message = first["output"]["message"].clone();
    let id = &message["content"][1]["toolUse"]["toolUseId"];
    let given = json!({"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": [{"text": "found"}]}}]});
    body["messages"] = json!([body["messages"][0], message, given]);
    let (status, second) = converse(&body).await;
    assert_eq!(
        (status, &second["output"]["message"]["content"][1]["text"]),
        (200, &json!("found")),
        "{second}"
    );
    let mut changed = body.clone();
    changed["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]["text"] = json!("other");
    refused(converse(&changed).await, "Invalid `signature`");
    changed["messages"][1]["content"].as_array_mut().unwrap().remove(0);
    refused(converse(&changed).await, "Expected `thinking`");
    body["messages"][2]["content"][0]["toolResult"]["toolUseId"] = json!("other");
    refused(converse(&body).await, "Expected toolResult blocks");
}

#[track_caller]
pub(super) fn refused((status, answer): (u16, Value), why: &str) {
    assert!(status == 400 && answer.to_string().contains(why), "{status}, not `{why}`: {answer}");
}
