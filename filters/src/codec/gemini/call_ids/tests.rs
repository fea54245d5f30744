use super::*;
use crate::ir::block::ToolResult;
use crate::ir::{Message, Role};
use proptest::prelude::*;

fn signatures() -> impl Strategy<Value = Signature> {
    let google = proptest::collection::vec(any::<u8>(), 1..300)
        .prop_map(|b| Signature::new(Origin::Google, STANDARD.encode(b)));
    let odd = ".{1,40}".prop_map(|s| Signature::new(Origin::Google, s));
    let other = (".{1,40}", proptest::option::of(".{0,9}"))
        .prop_map(|(v, id)| Signature { id, ..Signature::new(Origin::OpenAi, v) });
    prop_oneof![google, odd, other]
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(id in "[a-zA-Z0-9_-]{0,60}", s in signatures()) {
        if let Some(embedded) = embed_signature(&id, &s) {
            prop_assert!(embedded.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            prop_assert_eq!(extract_signature(&embedded), Some((&*id, s)));
            // Cut, as by a client with a limit.
            prop_assert_eq!(extract_signature(&embedded[..embedded.len() - 1]), None);
        }
    }

    #[test]
    fn other_ids_stay(id in ".{0,60}") {
        prop_assert_eq!(extract_signature(&id), None);
    }
}

#[test]
fn on_a_conversation() {
    let call = ToolCall {
        id: "call_1".into(),
        signature: Some(Signature::new(Origin::Google, "CpYEAXLI2g==")),
        ..ToolCall::default()
    };
    let mut reply = Reply::default();
    reply.choices.push(crate::ir::Choice {
        content: vec![Block::new(Body::ToolCall(call.clone()))],
        ..crate::ir::Choice::default()
    });
    embed_reply(&mut reply);
    let Body::ToolCall(told) = &reply.choices[0].content[0].body else { panic!() };
    assert_eq!(told.id, "call_1_sp1g_17a1a1edCpYEAXLI2g");
    // The client keeps only the id.
    let echo = ToolCall { signature: None, ..told.clone() };
    let result = |id: &str| ToolResult { call_id: id.into(), ..ToolResult::default() };
    let say = |id: &str, call: ToolCall| Conversation {
        messages: vec![
            Message::new(Role::Assistant, vec![Block::new(Body::ToolCall(call))]),
            Message::new(Role::User, vec![Block::new(Body::ToolResult(result(id)))]),
        ],
        ..Conversation::default()
    };
    let mut c = say(&told.id, echo);
    extract_conversation(&mut c);
    assert_eq!(c, say("call_1", call));
}

#[test]
fn bounds() {
    let long = Signature::new(Origin::Google, STANDARD.encode(vec![7; MAX_CALL_ID]));
    assert_eq!(embed_signature("c", &long), None);
    let s = Signature::new(Origin::Google, "AAAA");
    let once = embed_signature("c", &s).unwrap();
    assert_eq!(embed_signature(&once, &s), None);
}
