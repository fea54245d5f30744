use super::*;
use serde_json::json;

fn wrong(body: Body, value: Value) -> Wrong {
    check(body, &value).expect_err("wrong")
}

#[test]
fn all_files_are_readable() {
    for shapes in [&ANTHROPIC, &OPENAI, &GEMINI, &BEDROCK] {
        assert!(!shapes.roots.is_empty() && shapes.types.len() > 20);
    }
}

#[test]
fn mistakes_are_found_where_they_are() {
    let mut body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}]}]});
    assert_eq!(check(Body::Messages, &body), Ok(()));
    body["messages"][0]["content"][0]["annotations"] = json!([]);
    let found = wrong(Body::Messages, body.clone());
    assert_eq!((found.dotted().as_str(), &found.what), ("messages.0.content.0.annotations", &What::Unknown));
    assert_eq!(found.parent_bracketed(), "messages[0].content[0]");
    body["messages"][0]["content"] = json!([{"type": "input_text", "text": "x"}]);
    assert!(matches!(wrong(Body::Messages, body.clone()).what, What::Word(w, _) if w == "input_text"));
    body["messages"] = json!([{"role": "user", "content": [{"type": "tool_result"}]}]);
    assert_eq!(wrong(Body::Messages, body.clone()).what, What::Missing);
    body["messages"] = json!("hi");
    assert_eq!(wrong(Body::Messages, body).what, What::Type("array"));
}

#[test]
fn other_notations() {
    let snake =
        json!({"contents": [{"parts": [{"text": "x"}]}], "generation_config": {"max_output_tokens": 3}});
    assert_eq!(check(Body::Generate, &snake), Ok(()));
    let bad = json!({"contents": [], "generationConfig": {"maxTokens": 3}});
    assert_eq!(wrong(Body::Generate, bad).parent_bracketed(), "generationConfig");
    let two = json!({"messages": [{"role": "user", "content": [{"text": "x", "cachePoint": {"type": "default"}}]}]});
    assert_eq!(wrong(Body::Converse, two.clone()).what, What::Members(2));
    assert_eq!(wrong(Body::Converse, two).smithy(), "messages.1.member.content.1.member");
    let call = json!({"model": "m", "messages": [{"role": "assistant", "content": null, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"}]});
    assert_eq!(check(Body::Chat, &call), Ok(()));
}

/// Everything that a provider took is taken. Shown only where recorded traffic is at hand.
#[test]
fn recorded_requests_pass() {
    let root = std::env::var_os("SALLYPORT_RECORDED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recorded"),
        std::path::PathBuf::from,
    );
    if !root.is_dir() {
        eprintln!("no recorded traffic at {}: nothing compared", root.display());
        return;
    }
    let read = |path: std::path::PathBuf| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    };
    let mut checked = 0;
    let mut refused = Vec::new();
    for dialect in std::fs::read_dir(&root).unwrap().flatten() {
        for case in std::fs::read_dir(dialect.path()).into_iter().flatten().flatten() {
            let (Some(meta), Some(request)) =
                (read(case.path().join("meta.json")), read(case.path().join("request.json")))
            else {
                continue;
            };
            let path = meta["path"].as_str().unwrap_or_default();
            let Some(body) = recorded(path) else { continue };
            if meta["status"] != 200 {
                continue;
            }
            checked += 1;
            if let Err(wrong) = check(body, &request) {
                refused.push(format!("{}: {} {:?}", case.path().display(), wrong.dotted(), wrong.what));
            }
        }
    }
    assert!(checked > 100 && refused.is_empty(), "{} of {checked}:\n{}", refused.len(), refused.join("\n"));
}

fn recorded(path: &str) -> Option<Body> {
    Some(match path {
        p if p.ends_with("/messages") => Body::BetaMessages,
        p if p.ends_with("/messages/count_tokens") => Body::BetaCountTokens,
        p if p.ends_with("/chat/completions") => Body::Chat,
        p if p.ends_with("/responses") => Body::Responses,
        p if p.contains("enerateContent") => Body::Generate,
        p if p.ends_with(":countTokens") => Body::GeminiCount,
        p if p.ends_with("/converse") => Body::Converse,
        p if p.ends_with("/converse-stream") => Body::ConverseStream,
        _ => return None,
    })
}
