use super::*;
use crate::ir::block::Body;
use crate::testing::any_json;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// With the first `READ` items read where they stand, all others by themselves. None: it cannot be.
fn read<const READ: usize>(body: &str) -> Option<Result<Conversation, DecodeError>> {
    serde_json::from_str::<Request<'_, READ>>(body).ok().map(|r| conversation(r, body))
}

/// Items of all kinds, of which some make no sense.
fn any_item() -> impl Strategy<Value = Value> {
    const KINDS: [&str; 10] = [
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "reasoning",
        "web_search_call",
        "computer_call",
        "local_shell_call_output",
        "item_reference",
        "compaction",
    ];
    let role = prop::sample::select(vec!["user", "assistant", "developer"]);
    let key = prop::sample::select(vec!["role", "content", "call_id", "name", "type", "action", "status"]);
    let odd = prop_oneof![9 => Just(None), 1 => (key, any_json()).prop_map(Some)];
    (prop::sample::select(KINDS.to_vec()), role, any_json(), odd).prop_map(|(kind, role, more, odd)| {
        let mut item = json!({"type": kind, "role": role, "content": [], "call_id": "c", "name": "f",
            "arguments": "{}", "input": "\"i\n", "output": "o\\\u{1}", "summary": [], "more": more});
        if let Some((key, value)) = odd {
            item[key] = value;
        }
        item
    })
}

proptest! {
    /// How items are read makes no difference, not even to what is said of wrong ones.
    #[test]
    fn items_mean_the_same_however_they_are_read(items in vec(any_item(), 0..6)) {
        let body = serde_json::to_string_pretty(&json!({"model": "m", "input": items})).unwrap();
        let careful = format!("{:?}", read::<0>(&body).unwrap());
        let others = [read::<2>(&body), read::<MANY>(&body), Some(decode_request(body.as_bytes()))];
        for other in others.into_iter().flatten() {
            prop_assert_eq!(format!("{other:?}"), careful.as_str());
        }
    }
}

#[test]
fn an_item_of_openais_own_keeps_its_text() {
    let own = r#"{ "type" : "computer_call","id":"cu_1",  "action":{"\u0078":1.0e0} }"#;
    let item = r#"{"role":"user","content":"Hi"}"#;
    // Of two members with one name the last counts, also when the text is looked for.
    let body = format!(
        r#"{{"input":[{{"type":"compaction"}},{{"type":"compaction"}}],"model":"m","input":[{item},{own},{item}]}}"#
    );
    for c in [read::<MANY>(&body), read::<1>(&body), read::<0>(&body)] {
        let c = c.unwrap().unwrap();
        let texts = c.messages.iter().flat_map(|m| &m.content).filter_map(|b| match &b.body {
            Body::Opaque { raw, .. } => Some(raw.text()),
            _ => None,
        });
        assert_eq!(texts.collect::<Vec<_>>(), [own]);
    }
}
