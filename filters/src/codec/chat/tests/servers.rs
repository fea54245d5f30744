//! What servers that imitate the format do differently.

use super::*;
use crate::ir::block::{Body, ToolCall};
use crate::ir::reply::StopReason;

/// A stream of chunks with one choice each: `delta` and what follows it in the choice.
fn stream(deltas: &[&str]) -> Result<Vec<StreamEvent>, DecodeError> {
    let mut text = String::new();
    for d in deltas {
        text.push_str(&format!(
            "data: {{\"id\":\"1\",\"model\":\"m\",\"created\":1,\"choices\":[{{\"index\":0,\"delta\":{d}}}]}}\n\n"
        ));
    }
    text.push_str("data: [DONE]\n\n");
    events(text.as_bytes())
}

fn calls(deltas: &[&str]) -> Vec<(String, String, String)> {
    let r = collect(stream(deltas).unwrap());
    assert_eq!(r.choices[0].stop.as_ref().unwrap().reason, StopReason::ToolUse);
    let call = |b: &crate::ir::Block| match &b.body {
        Body::ToolCall(ToolCall { id, name, arguments, .. }) => (id.clone(), name.clone(), arguments.clone()),
        other => panic!("{other:?}"),
    };
    r.choices[0].content.iter().map(call).collect()
}

fn want(list: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    list.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

#[test]
fn calls_of_openai() {
    let got = calls(&[
        r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]},"finish_reason":"tool_calls""#,
    ]);
    assert_eq!(got, want(&[("a", "f", "{\"x\":1}"), ("b", "f", "{}")]));
}

/// Gemini: no index, arguments in pieces, `stop` at the end, the signature alone.
#[test]
fn calls_without_index() {
    let deltas = [
        r#"{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}}]}"#,
        r#"{"tool_calls":[{"function":{"arguments":"1}"}}]}"#,
        r#"{"tool_calls":[{"extra_content":{"google":{"thought_signature":"S"}}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop""#,
    ];
    assert_eq!(calls(&deltas), want(&[("a", "f", "{\"x\":1}"), ("b", "f", "{}")]));
    let r = collect(stream(&deltas).unwrap());
    assert!(matches!(&r.choices[0].content[0].body, Body::ToolCall(c) if c.signature.is_some()));
}

/// All under index 0 (Gemini, old Ollama), whole in one chunk, ids repeated, names repeated, no ids at all.
#[test]
fn calls_with_odd_indices_and_ids() {
    let got = calls(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#,
    ]);
    assert_eq!(got, want(&[("a", "f", "{}"), ("b", "f", "{}")]));
    let got = calls(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":{"x":1}}}]}"#,
    ]);
    assert_eq!(got, want(&[("a", "f", "{}"), ("b", "g", "{\"x\":1}")]));
    let got = calls(&[
        r#"{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}"#,
    ]);
    assert_eq!(got.len(), 2);
    assert!(got[0].0.starts_with("call_") && got[0].0 != got[1].0, "{got:?}");
    // The same ids as in the whole answer.
    let whole = decode_reply(
        br#"{"id":"1","choices":[{"message":{"tool_calls":[{"id":"","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}"#,
    )
    .unwrap();
    assert!(matches!(&whole.choices[0].content[0].body, Body::ToolCall(c) if c.id == got[0].0));
}

/// Both calls begin before either has arguments; nobody is known to do it, and nothing gets lost.
#[test]
fn interleaved_calls() {
    let got = calls(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":"}},{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"function":{"arguments":"2}"}}]}"#,
    ]);
    assert_eq!(got, want(&[("a", "f", "{\"x\":1}"), ("b", "g", "{\"y\":2}")]));
    // Arguments for a call that has ended are an error, not lost.
    let late = stream(&[
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}"#,
    ]);
    assert_eq!(late.unwrap_err().field, "choices[0].delta.tool_calls[0]");
}

/// The old form.
#[test]
fn function_calls() {
    let got = calls(&[
        r#"{"function_call":{"name":"f","arguments":""}}"#,
        r#"{"function_call":{"arguments":"{}"}},"finish_reason":"function_call""#,
    ]);
    assert_eq!((got[0].1.as_str(), got[0].2.as_str()), ("f", "{}"));
}

/// `<think>` stays text; `reasoning_content` and `reasoning` are never both counted.
#[test]
fn thoughts_in_streams() {
    let r = collect(
        stream(&[
            r#"{"role":"assistant","content":"","reasoning_content":"He","reasoning":"He"}"#,
            r#"{"reasoning_content":"llo"}"#,
            r#"{"content":"<think>x</think>"}"#,
            r#"{"content":"y"},"finish_reason":"stop""#,
        ])
        .unwrap(),
    );
    let content = &r.choices[0].content;
    assert!(matches!(&content[0].body, Body::Thinking(t) if t.text == "Hello"), "{content:?}");
    assert_eq!(content[1].as_text(), Some("<think>x</think>y"));
}

/// Usage in the last chunk with content, in one of its own, Groq's and Kimi's places, and DeepSeek's words.
#[test]
fn usage_in_many_places() {
    let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":7.0,"total_tokens":12,"prompt_cache_hit_tokens":3}"#;
    for tail in [
        format!(
            "data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],{usage}}}\n\n"
        ),
        format!("data: {{\"id\":\"1\",\"choices\":[],{usage}}}\n\n"),
        format!("data: {{\"id\":\"1\",\"choices\":[],\"x_groq\":{{{usage}}}}}\n\n"),
        format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{}},{usage}}}]}}\n\n"),
    ] {
        let text = format!(
            "data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}],\"usage\":null}}\n\n{tail}data: [DONE]\n\n"
        );
        let r = collect(events(text.as_bytes()).unwrap());
        let t = r.tokens.unwrap().usage;
        assert_eq!((t.input, t.cached_input, t.output), (5, 3, 7), "{tail}");
    }
}

/// Azure begins with a chunk without a name; vLLM tells the stop text; Mistral a word of its own.
#[test]
fn beginnings_and_ends() {
    let text = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[]}\n\n\
        data: {\"id\":\"x\",\"model\":\"m\",\"created\":1.0,\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}\n\n\
        data: [DONE]\n\n";
    let r = collect(events(text.as_bytes()).unwrap());
    assert_eq!((r.id.as_str(), r.created), ("x", Some(1)));
    let stop = r.choices[0].stop.clone().unwrap();
    assert_eq!((stop.reason, stop.sequence.as_deref()), (StopReason::StopSequence, Some("END")));
    // A token's number is no text.
    let r = collect(stream(&[r#"{"content":"a"},"finish_reason":"stop","stop_reason":128009"#]).unwrap());
    assert_eq!(r.choices[0].stop.as_ref().unwrap().reason, StopReason::End);
    let r = collect(stream(&[r#"{"content":"a"},"finish_reason":"model_length""#]).unwrap());
    assert_eq!(r.choices[0].stop.as_ref().unwrap().reason, StopReason::ContextFull);
}

/// Without `[DONE]` a stream is whole if it said why it stopped, and cut if it did not.
#[test]
fn the_end() {
    let one = |finish: &str| {
        let text =
            format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"content\":\"a\"}}{finish}}}]}}\n\n");
        events(text.as_bytes()).unwrap()
    };
    assert_eq!(one(",\"finish_reason\":\"stop\"").last(), Some(&StreamEvent::End));
    assert!(!one("").iter().any(|e| matches!(e, StreamEvent::End | StreamEvent::Stop { .. })));
}

#[test]
fn errors_in_mid_stream() {
    for error in [
        r#"{"error":{"message":"no","type":"server_error","code":500}}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":{"code":"x","message":"no"}}"#,
        r#"{"object":"error","message":"no","type":"BadRequest","code":400}"#,
    ] {
        let all = events(format!("data: {error}\n\ndata: [DONE]\n\n").as_bytes()).unwrap();
        let Some(StreamEvent::Error(e)) = all.last() else { panic!("{all:?}") };
        assert_eq!(e.message.as_deref(), Some("no"));
    }
    assert!(events(b"data: nonsense\n\n").is_err());
    assert!(events(b"data: {\"choices\":[{\"index\":4000000000}]}\n\n").is_err());
}

/// Mistral wants nine characters, OpenAI at most forty: the call and its result stay together.
#[test]
fn ids_that_fit() {
    let long = "x".repeat(50);
    let c = asked(&format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id":"{long}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},
        {{"role":"tool","tool_call_id":"{long}","content":"ok"}}]}}"#
    ));
    for (o, length) in [(ChatOptions::mistral(), 9), (ChatOptions::openai(), 29)] {
        let (json, _) = told(&c, &o);
        let id = json["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(json["messages"][1]["tool_call_id"], id);
        assert_eq!(id.len(), length);
    }
}

/// Mistral lets no user speak right after a tool; DeepSeek wants a thought beside calls, if an empty one.
#[test]
fn turns_with_calls() {
    let c = asked(
        r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]},
        {"role":"tool","tool_call_id":"a","content":"ok"},{"role":"user","content":"stop"}]}"#,
    );
    let (json, _) = told(&c, &ChatOptions::mistral());
    assert_eq!(json["messages"].as_array().unwrap().len(), 2);
    assert_eq!(json["messages"][1]["content"], "ok\n\nstop");
    let (json, _) = told(&c, &ChatOptions::deepseek());
    assert_eq!(json["messages"][0]["reasoning_content"], "");
    assert_eq!(json["messages"][0]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(json["messages"].as_array().unwrap().len(), 3);
}

/// The templates of many open models take one system message, the first.
#[test]
fn instructions_at_the_beginning() {
    let c = asked(
        r#"{"model":"m","messages":[{"role":"system","content":"a"},{"role":"developer","content":"b"},
        {"role":"user","content":"c"},{"role":"system","content":"d"}]}"#,
    );
    let (json, losses) = told(&c, &ChatOptions::compatible());
    let told: Vec<_> =
        json["messages"].as_array().unwrap().iter().map(|m| (&m["role"], &m["content"])).collect();
    let want = [("system", "a\n\nb"), ("user", "c"), ("user", "d")];
    assert!(told.iter().zip(want).all(|((r, c), (wr, wc))| *r == wr && *c == wc), "{told:?}");
    assert_eq!(losses.0.len(), 1);
    assert_eq!((losses.0[0].field.as_str(), losses.0[0].harmless), ("messages[3]", true));
}
