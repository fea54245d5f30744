//! The turn after an answer: what the client gives back reaches the provider as the provider said it. A thought's proof
//! that is off by a byte is a 400 from the provider.

use super::support::ask::{ask, next, thinking, turns, with_tools};
use super::support::gateway::Gateway;
use super::support::hear::hear;
use super::support::scene::{
    ANTHROPIC, OPENAI, THOUGHT_AND_CALL, TRANSLATED, TWO_CALLS, Upstream, Wire, everything,
};
use super::support::stub::{Received, Stub};
use super::support::tell::tell;
use serde_json::{Value, json};

/// What the upstream got as the second request of a conversation that began with `scene`.
async fn second(scene: super::support::scene::Scene, check: impl Fn(Wire, Upstream, &Received)) {
    let stub = Stub::answering(move |r| tell(r, &scene)).await;
    let gateway = Gateway::start(everything(&stub.url())).await;
    for (front, up) in TRANSLATED {
        for stream in [false, true] {
            let mut body = with_tools(front, ask(front, up.model, stream));
            if scene.thinking.is_some() {
                body = thinking(front, body);
            }
            let first = gateway.post(front.path(), body.to_string()).await;
            let body = next(front, body, &hear(front, &first));
            gateway.post(front.path(), body.to_string()).await.expect(200);
            check(front, up, stub.received().last().unwrap());
        }
    }
}

/// LESSONS.md, Protocol: "Re-serialised JSON breaks thinking signatures (400 from the provider)".
#[tokio::test]
async fn thoughts_come_back_with_their_proofs() {
    second(THOUGHT_AND_CALL, |front, up, sent| {
        let sent = sent.json();
        let case = format!("{front:?} to {}: {sent:#}", up.kind);
        let (text, proof) = THOUGHT_AND_CALL.thinking.unwrap();
        if up.kind == ANTHROPIC.kind {
            let turn = &sent["messages"][1];
            assert_eq!(turn["role"], "assistant", "{case}");
            let want = json!({"type": "thinking", "thinking": text.concat(), "signature": proof});
            assert_eq!(turn["content"][0], want, "{case}");
            assert_eq!(turn["content"][1]["type"], "tool_use", "{case}");
            assert_eq!(sent["thinking"]["type"], "enabled", "{case}");
        } else if up.kind == OPENAI.kind {
            let item = &sent["input"][1];
            assert_eq!(
                *item,
                json!({"type": "reasoning", "id": "rs_up1", "encrypted_content": proof,
                    "summary": [{"type": "summary_text", "text": text.concat()}]}),
                "{case}"
            );
            assert_eq!(sent["input"][2]["type"], "function_call", "{case}");
            let include = sent["include"].as_array().unwrap_or_else(|| panic!("{case}"));
            assert!(include.contains(&json!("reasoning.encrypted_content")), "{case}");
        } else {
            assert!(!sent.to_string().contains(proof), "a server that knows no proofs gets none: {case}");
        }
    })
    .await;
}

/// LESSONS.md, Protocol: "An internal message of only role + content loses tool calls, tool_call_id".
#[tokio::test]
async fn results_find_their_calls() {
    second(TWO_CALLS, |front, up, sent| {
        let sent = sent.json();
        let case = format!("{front:?} to {}: {sent:#}", up.kind);
        let ids: Vec<Value> = TWO_CALLS.calls.iter().map(|c| c.0.into()).collect();
        let (called, answered) = match up.wire {
            Wire::Messages => {
                assert_eq!(sent["messages"].as_array().unwrap().len(), 3, "{case}");
                (
                    fields(&sent["messages"][1]["content"], "tool_use", "id"),
                    fields(&sent["messages"][2]["content"], "tool_result", "tool_use_id"),
                )
            }
            Wire::Responses => (
                fields(&sent["input"], "function_call", "call_id"),
                fields(&sent["input"], "function_call_output", "call_id"),
            ),
            Wire::Chat => {
                let messages = sent["messages"].as_array().unwrap();
                assert_eq!(messages[1]["role"], "assistant", "{case}");
                let of_tools = messages.iter().filter(|m| m["role"] == "tool");
                (
                    fields(&messages[1]["tool_calls"], "function", "id"),
                    of_tools.map(|m| m["tool_call_id"].clone()).collect(),
                )
            }
        };
        assert_eq!((&called, &answered), (&ids, &ids), "{case}");
        assert_eq!(sent.to_string().matches("rain").count(), ids.len(), "{case}");
        assert!(sent[turns(up.wire)].to_string().contains("Rom"), "{case}");
    })
    .await;
}

/// A field of all members of a list that have a type.
fn fields(list: &Value, kind: &str, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().filter(|v| v["type"] == kind).map(|v| v[field].clone()).collect()
}
