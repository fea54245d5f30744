//! Thoughts of other vendors that go through a Chat client and back.

use super::*;
use crate::ir::block::{Body, Thinking};
use crate::ir::signature::{Origin, Signature};

/// What a client that keeps the whole message sends back is what the provider said.
#[test]
fn a_tool_loop_goes_on_with_its_proofs() {
    let reply = decode_reply(
        br#"{"id":"1","model":"m","created":1,"choices":[{"index":0,"finish_reason":"tool_calls","message":{
        "role":"assistant","content":"Let me see.","reasoning":"Hm.","reasoning_details":[
        {"type":"reasoning.text","text":"Hm.","signature":"Eq==","format":"anthropic-claude-v1","index":0},
        {"type":"reasoning.encrypted","data":"xyz","format":"anthropic-claude-v1","index":1}],
        "tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}"#,
    )
    .unwrap();
    let content = &reply.choices[0].content;
    let want = Thinking {
        text: "Hm.".to_owned(),
        signature: Some(Signature::new(Origin::Anthropic, "Eq==")),
        ..Thinking::default()
    };
    assert_eq!(content[0].body, Body::Thinking(want));
    assert!(matches!(&content[1].body, Body::Thinking(t) if t.redacted));
    // Whole and streamed, the client echoes the message.
    let whole: Value = serde_json::from_slice(&encode_reply(&reply, &EncodeReply::default())).unwrap();
    let mut message = whole["choices"][0]["message"].clone();
    let ask = |message: &Value| {
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "?"}, message]});
        decode_request(body.to_string().as_bytes()).unwrap().messages[1].content.clone()
    };
    assert_eq!(&ask(&message), content);
    // A client that keeps only the plain text keeps the thought without its proof.
    message.as_object_mut().unwrap().remove("reasoning_details");
    let kept = ask(&message);
    assert!(matches!(&kept[0].body, Body::Thinking(t) if t.text == "Hm." && t.signature.is_none()));
}

/// OpenRouter's clients that only append what came in deltas send entries in pieces.
#[test]
fn pieces_of_entries_are_put_together() {
    let c = asked(
        r#"{"model":"m","messages":[{"role":"assistant","content":null,"reasoning_details":[
        {"type":"reasoning.text","text":"a","index":0,"format":"anthropic-claude-v1"},
        {"type":"reasoning.text","text":"b","index":0,"format":"anthropic-claude-v1"},
        {"type":"reasoning.text","text":null,"signature":"S","index":0,"format":"anthropic-claude-v1"},
        {"type":"reasoning.summary","summary":"p","index":1,"id":"rs_1","format":"openai-responses-v1"},
        {"type":"reasoning.summary","summary":"q","index":1,"id":"rs_1","format":"openai-responses-v1"},
        {"type":"reasoning.summary","summary":"r","index":2,"id":"rs_1","format":"openai-responses-v1"},
        {"type":"reasoning.encrypted","data":"E","index":3,"id":"rs_1","format":"openai-responses-v1"}]}]}"#,
    );
    let thoughts: Vec<_> = c.messages[0].content.iter().map(|b| &b.body).collect();
    let first = Thinking {
        text: "ab".to_owned(),
        signature: Some(Signature::new(Origin::Anthropic, "S")),
        ..Thinking::default()
    };
    let second = Thinking {
        summary: vec!["pq".to_owned(), "r".to_owned()],
        signature: Some(Signature { id: Some("rs_1".to_owned()), ..Signature::new(Origin::OpenAi, "E") }),
        ..Thinking::default()
    };
    assert_eq!(thoughts, [&Body::Thinking(first), &Body::Thinking(second)]);
}

/// Gemini's signature of a call: in its own place, in Vertex's, in OpenRouter's.
#[test]
fn a_calls_signature_comes_back() {
    for (call, message) in [
        (r#","extra_content":{"google":{"thought_signature":"S"}}"#, ""),
        (r#","extra_content":{"vertex":{"thought_signature":"S"}}"#, ""),
        ("", r#","extra_content":{"google":{"thought_signature":"S"}}"#),
        (
            "",
            r#","reasoning_details":[{"type":"reasoning.encrypted","data":"S","id":"c1","format":"google-gemini-v1"}]"#,
        ),
    ] {
        let c = asked(&format!(
            r#"{{"model":"m","messages":[{{"role":"assistant"{message},
            "tool_calls":[{{"id":"c1","type":"function","function":{{"name":"f","arguments":"{{}}"}}{call}}}]}}]}}"#
        ));
        let [block] = &c.messages[0].content[..] else { panic!("{c:?}") };
        let Body::ToolCall(call) = &block.body else { panic!() };
        assert_eq!(call.signature, Some(Signature::new(Origin::Google, "S")));
        // And goes where the server wants it.
        let (json, _) = told(&c, &ChatOptions::gemini());
        let call = &json["messages"][0]["tool_calls"][0];
        assert_eq!(call["extra_content"]["google"]["thought_signature"], "S");
        let (json, _) = told(&c, &ChatOptions::openrouter());
        assert_eq!(json["messages"][0]["reasoning_details"][0]["data"], "S");
        let (json, losses) = told(&c, &ChatOptions::openai());
        assert!(json["messages"][0]["tool_calls"][0].get("extra_content").is_none());
        assert_eq!(losses, Losses::default());
    }
}

/// Each server gets thoughts back in its own way.
#[test]
fn thoughts_for_each_server() {
    let c =
        asked(r#"{"model":"m","messages":[{"role":"assistant","content":"x","reasoning_content":"Hm."}]}"#);
    let message = |o| told(&c, &o).0["messages"][0].clone();
    assert_eq!(message(ChatOptions::deepseek())["reasoning_content"], "Hm.");
    assert!(message(ChatOptions::compatible()).get("reasoning").is_none(), "hosted ones refuse it");
    let both = message(ChatOptions { thoughts: Thoughts::Both, ..ChatOptions::compatible() });
    assert_eq!((&both["reasoning_content"], &both["reasoning"]), (&"Hm.".into(), &"Hm.".into()));
    let new = message(ChatOptions { thoughts: Thoughts::Reasoning, ..ChatOptions::compatible() });
    assert_eq!((new.get("reasoning_content"), &new["reasoning"]), (None, &"Hm.".into()));
    assert_eq!(message(ChatOptions::openrouter())["reasoning_details"][0]["text"], "Hm.");
    assert_eq!(message(ChatOptions::mistral())["content"][0]["thinking"][0]["text"], "Hm.");
    assert_eq!(message(ChatOptions::openai()), serde_json::json!({"role": "assistant", "content": "x"}));
    assert!(told(&c, &ChatOptions::openai()).1.0[0].harmless);
    // Mistral's own answers have thoughts in their content.
    let r = decode_reply(
        br#"{"id":"1","choices":[{"message":{"role":"assistant","content":[
        {"type":"thinking","thinking":[{"type":"text","text":"Hm."}]},{"type":"text","text":"x"}]}}]}"#,
    )
    .unwrap();
    assert!(matches!(&r.choices[0].content[0].body, Body::Thinking(t) if t.text == "Hm."));
}

/// Streams: the piece with the proof says no format; a plain thought is repeated whole; odd shapes are passed over.
#[test]
fn odd_entries_in_streams() {
    let stream = |deltas: &[&str]| {
        let mut text = String::new();
        for d in deltas {
            text.push_str(&format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{d}}}]}}\n\n"));
        }
        collect(events(format!("{text}data: [DONE]\n\n").as_bytes()).unwrap()).choices.remove(0).content
    };
    let want = |text: &str, origin| Thinking {
        text: text.to_owned(),
        signature: Some(Signature::new(origin, "S")),
        ..Thinking::default()
    };
    let got = stream(&[
        r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","format":"anthropic-claude-v1","index":0,"signature":null}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]}"#,
        r#"{"content":"x"}"#,
    ]);
    assert_eq!(got[0].body, Body::Thinking(want("a", Origin::Anthropic)));
    // Empty ones in between, and before.
    let got = stream(&[
        r#"{"reasoning":"","reasoning_details":[{"type":"reasoning.text","text":"","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}"#,
        r#"{"reasoning":"","reasoning_details":[{"type":"reasoning.text","text":"","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]}"#,
        r#"{"content":"x"}"#,
    ]);
    assert_eq!((got.len(), &got[0].body), (2, &Body::Thinking(want("a", Origin::Anthropic))));
    let got = stream(&[
        r#"{"reasoning":"a"}"#,
        r#"{"reasoning":"b"}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"ab","signature":"S","index":0}]}"#,
    ]);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].body, Body::Thinking(want("ab", Origin::Other)));
    let got = stream(&[
        r#"{"reasoning":{"x":1},"reasoning_details":"odd","annotations":5,"images":[null],"content":"x"}"#,
    ]);
    assert_eq!(got[0].as_text(), Some("x"));
    let got = stream(&[r#"{"reasoning_details":[{"text":"a"}]}"#, r#"{"content":"x"}"#]);
    assert!(matches!(&got[0].body, Body::Thinking(t) if t.text == "a"));
    let wrong = r#"{"model":"m","messages":[{"role":"assistant","reasoning_details":"odd"}]}"#;
    assert_eq!(decode_request(wrong.as_bytes()).unwrap_err().field, "messages[0].reasoning_details");
}
