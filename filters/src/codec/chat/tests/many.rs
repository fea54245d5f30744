//! Bodies with very many of one thing: a client may send 32 MiB of them, and each must be read in a few passes. A list
//! that is searched, or a body that is read again, for each of them takes minutes here instead of seconds.

use super::*;
use std::time::Duration;

const MANY: usize = 100_000;
/// Far more than it takes on a slow machine, far less than a quadratic way takes.
const PATIENCE: Duration = Duration::from_secs(90);

fn many(one: impl Fn(usize) -> String) -> String {
    (0..MANY).map(one).collect::<Vec<_>>().join(",")
}

/// Reads it elsewhere, so that a test that hangs ends.
fn read(body: String) -> Conversation {
    let (told, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = told.send(decode_request(body.as_bytes()));
    });
    answer.recv_timeout(PATIENCE).expect("read within a few passes").unwrap()
}

fn messages(inside: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{inside}]}}"#)
}

fn call(id: usize) -> String {
    format!(r#"{{"id":"c{id}","type":"function","function":{{"name":"f{id}","arguments":"{{}}"}}}}"#)
}

#[test]
fn results_of_calls_that_there_are_not() {
    let c = read(messages(&many(|i| format!(r#"{{"role":"tool","tool_call_id":"c{i}","content":"x"}}"#))));
    assert_eq!(c.messages[1].content.len(), MANY);
    read(messages(&many(|_| r#"{"role":"function","name":"f","content":"x"}"#.into())));
}

#[test]
fn calls_of_one_message_and_their_results() {
    let calls = many(call);
    let results = many(|i| format!(r#"{{"role":"tool","tool_call_id":"c{i}","content":"x"}}"#));
    let c = read(messages(&format!(r#"{{"role":"assistant","tool_calls":[{calls}]}},{results}"#)));
    assert_eq!(c.messages[2].content.len(), MANY);
}

#[test]
fn seals_of_calls() {
    let seal = |id: usize| {
        format!(r#"{{"type":"reasoning.encrypted","data":"x","id":"c{id}","format":"google-gemini-v1"}}"#)
    };
    for same in [false, true] {
        let id = |i: usize| if same { 0 } else { i };
        let (seals, calls) = (many(|i| seal(id(i))), many(|i| call(id(i))));
        let c = read(messages(&format!(
            r#"{{"role":"assistant","reasoning_details":[{seals}],"tool_calls":[{calls}]}}"#
        )));
        let sealed = |b: &crate::ir::block::Block| match &b.body {
            crate::ir::block::Body::ToolCall(c) => c.signature.is_some(),
            _ => false,
        };
        assert_eq!(c.messages[1].content.iter().filter(|b| sealed(b)).count(), MANY);
    }
}

#[test]
fn parts_and_tools_that_nobody_knows() {
    let parts = many(|i| format!(r#"{{"type":"zzz","i":{i}}}"#));
    let c = read(messages(&format!(r#"{{"role":"user","content":[{parts}]}}"#)));
    let crate::ir::block::Body::Opaque { raw, .. } = &c.messages[1].content[MANY - 1].body else { panic!() };
    assert_eq!(raw.0.get(), format!(r#"{{"type":"zzz","i":{}}}"#, MANY - 1));
    let each = many(|i| format!(r#"{{"role":"user","content":[{{"type":"zzz","i":{i}}}]}}"#));
    read(messages(&each));
    let tools = many(|i| format!(r#"{{"type":"zzz","i":{i}}}"#));
    let c =
        read(format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{tools}]}}"#));
    assert_eq!(c.tools.len(), MANY);
}
