use super::*;
use crate::codec::tool_names::{Rules, flatten};
use crate::ir::{Block, Choice, Message, Role, Spot};
use crate::testing::any_text;
use proptest::prelude::*;

fn custom(name: &str, format: Option<&str>) -> Tool {
    Tool {
        name: name.into(),
        description: Some("Edits files.".into()),
        body: ToolBody::Custom { format: format.map(|f| Raw::parse(f).unwrap()) },
        cache: None,
        extra: Vec::new(),
        at: Spot::new("tools[0]"),
    }
}

fn call(name: &str, arguments: &str, kind: CallKind) -> Block {
    let (name, arguments) = (name.to_owned(), arguments.to_owned());
    Block::new(Body::ToolCall(ToolCall { id: "c".into(), name, arguments, kind, ..ToolCall::default() }))
}

fn asked() -> (Conversation, CustomTools, Losses) {
    let mut c = Conversation {
        tools: vec![custom(
            "apply_patch",
            Some(r#"{"type":"grammar","syntax":"lark","definition":"start: \"x\""}"#),
        )],
        messages: vec![Message::new(
            Role::Assistant,
            vec![call("apply_patch", "a \"b\"\n", CallKind::Custom)],
        )],
        ..Conversation::default()
    };
    let mut losses = Losses::default();
    let custom = wrap(&mut c, &mut losses);
    (c, custom, losses)
}

#[test]
fn a_free_text_tool_is_a_function_for_the_others() {
    let (c, custom, losses) = asked();
    let tool = &c.tools[0];
    assert!(matches!(&tool.body, ToolBody::Function { parameters: Some(p), .. } if p.text() == SCHEMA));
    let about = "Edits files.\n\nThe input must follow this lark grammar exactly:\nstart: \"x\"";
    assert_eq!(tool.description.as_deref(), Some(about));
    assert_eq!(losses.0.len(), 1);
    assert!(losses.0[0].harmless && losses.0[0].field == "tools[0].format");
    let wrapped = call("apply_patch", r#"{"input":"a \"b\"\n"}"#, CallKind::Function);
    assert_eq!(c.messages[0].content[0], wrapped);
    let mut reply = Reply {
        choices: vec![Choice {
            content: vec![wrapped, call("other", r#"{"input":"x"}"#, CallKind::Function)],
            ..Choice::default()
        }],
        ..Reply::default()
    };
    custom.unwrap_reply(&mut reply);
    assert_eq!(
        reply.choices[0].content,
        [
            call("apply_patch", "a \"b\"\n", CallKind::Custom),
            call("other", r#"{"input":"x"}"#, CallKind::Function)
        ]
    );
}

#[test]
fn it_goes_together_with_other_names() {
    let mut c = Conversation {
        tools: vec![Tool {
            name: "files".into(),
            body: ToolBody::Namespace(vec![custom("edit.it", None)]),
            ..custom("", None)
        }],
        ..Conversation::default()
    };
    let custom = wrap(&mut c, &mut Losses::default());
    let names = flatten(&mut c, &Rules::ANTHROPIC);
    let flat = c.tools[0].name.clone();
    assert!(Rules::ANTHROPIC.allows(&flat) && matches!(c.tools[0].body, ToolBody::Function { .. }));
    let mut event = StreamEvent::BlockStart {
        choice: 0,
        index: 0,
        block: call(&flat, r#"{"input":"x"}"#, CallKind::Function),
    };
    names.restore_event(&mut event);
    let mut out = Vec::new();
    custom.unwrapper().event(event, &mut out);
    let [StreamEvent::BlockStart { block: Block { body: Body::ToolCall(got), .. }, .. }] = &out[..] else {
        panic!("{out:?}")
    };
    let want = ("edit.it", Some("files"), "x", CallKind::Custom);
    assert_eq!((&*got.name, got.namespace.as_deref(), &*got.arguments, got.kind), want);
}

/// Streams arguments cut into pieces; what the client gets.
fn streamed(arguments: &str, cuts: &[usize]) -> String {
    let (_, custom, _) = asked();
    let mut u = custom.unwrapper();
    let (mut out, mut pieces) = (Vec::new(), Vec::new());
    let mut rest = arguments;
    for cut in cuts {
        let at = (0..=(*cut).min(rest.len())).rev().find(|i| rest.is_char_boundary(*i)).unwrap();
        let (piece, more) = rest.split_at(at);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    let block = call("apply_patch", "", CallKind::Function);
    u.event(StreamEvent::BlockStart { choice: 0, index: 3, block }, &mut out);
    for piece in pieces {
        let delta = Delta::Arguments(piece.to_owned());
        u.event(StreamEvent::BlockDelta { choice: 0, index: 3, delta }, &mut out);
    }
    u.event(StreamEvent::BlockStop { choice: 0, index: 3 }, &mut out);
    let mut text = String::new();
    for e in out {
        match e {
            StreamEvent::BlockStart { block, .. } => {
                assert_eq!(block, call("apply_patch", "", CallKind::Custom));
            }
            StreamEvent::BlockDelta { delta: Delta::Arguments(more), .. } => text += &more,
            _ => {}
        }
    }
    text
}

#[test]
fn odd_arguments_reach_the_client_all_the_same() {
    for (arguments, text) in [
        (r#" { "input" : "x" } "#, "x"),
        (r#"{"input":"\ud83d\ude00 \u00e9 \/"}"#, "😀 é /"),
        (r#"{"input":"\ud83d!"}"#, "\u{fffd}!"),
        (r#"{"input":"cut off"#, "cut off"),
        (r#"{"reason":"r","input":"x"}"#, "x"),
        (r#""just text""#, "just text"),
        ("*** Begin Patch", "*** Begin Patch"),
        (r#"{"patch":"x"}"#, r#"{"patch":"x"}"#),
        ("", ""),
    ] {
        for cuts in [vec![], vec![1; 40], vec![10, 3]] {
            assert_eq!(streamed(arguments, &cuts), text, "{arguments}");
        }
    }
}

proptest! {
    #[test]
    fn the_text_comes_out_however_it_is_cut(
        text in any_text(),
        cuts in proptest::collection::vec(0..9_usize, 0..12),
        ascii in any::<bool>(),
    ) {
        let mut arguments = serde_json::json!({ "input": text }).to_string();
        if ascii {
            // As Python's `json.dumps` writes it.
            arguments = arguments
                .chars()
                .flat_map(|c| if c.is_ascii() {
                    c.to_string()
                } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect()
                }.chars().collect::<Vec<_>>())
                .collect();
        }
        prop_assert_eq!(streamed(&arguments, &cuts), text);
    }
}
