use super::*;
use crate::ir::block::CallKind;
use crate::ir::{Choice, Message, Role, Spot};
use proptest::prelude::*;

const ALL: [Rules; 5] = [Rules::RESPONSES, Rules::CHAT, Rules::ANTHROPIC, Rules::GEMINI, Rules::CONVERSE];

fn tool(name: &str, body: ToolBody) -> Tool {
    let name = name.to_owned();
    Tool { name, description: None, body, cache: None, extra: Vec::new(), at: Spot::default() }
}

fn function(name: &str) -> Tool {
    tool(name, ToolBody::Function { parameters: None, strict: None })
}

fn space(name: &str, inner: &[&str]) -> Tool {
    tool(name, ToolBody::Namespace(inner.iter().map(|n| function(n)).collect()))
}

fn call(name: &str, namespace: Option<&str>) -> ToolCall {
    ToolCall {
        id: "c".into(),
        name: name.into(),
        namespace: namespace.map(str::to_owned),
        arguments: "{}".into(),
        kind: CallKind::Function,
        signature: None,
    }
}

fn asking(tools: Vec<Tool>, calls: Vec<ToolCall>) -> Conversation {
    let blocks = calls.into_iter().map(|c| Block::new(Body::ToolCall(c))).collect();
    Conversation { tools, messages: vec![Message::new(Role::Assistant, blocks)], ..Conversation::default() }
}

fn names(c: &Conversation) -> Vec<&str> {
    c.tools.iter().map(|t| t.name.as_str()).collect()
}

#[test]
fn codex_namespaces_dissolve_and_come_back() {
    let mut c = asking(
        vec![function("exec"), space("mcp__github__", &["search", "fetch"]), space("agents", &["spawn"])],
        vec![call("search", Some("mcp__github__"))],
    );
    c.tools[1].description = Some("GitHub.".into());
    c.tool_choice = Some(ToolChoice::Allowed { names: vec!["agents".into(), "exec".into()], required: true });
    let map = flatten(&mut c, &Rules::CHAT);
    assert_eq!(names(&c), ["exec", "mcp__github__search", "mcp__github__fetch", "agents__spawn"]);
    assert_eq!(c.tools[1].description.as_deref(), Some("GitHub."));
    assert_eq!(
        c.tool_choice,
        Some(ToolChoice::Allowed { names: vec!["agents__spawn".into(), "exec".into()], required: true })
    );
    assert_eq!(c.messages[0].content[0], Block::new(Body::ToolCall(call("mcp__github__search", None))));
    let mut reply = Reply {
        choices: vec![Choice {
            content: vec![
                Block::new(Body::ToolCall(call("mcp__github__search", None))),
                Block::new(Body::ToolCall(call("exec", None))),
            ],
            ..Choice::default()
        }],
        ..Reply::default()
    };
    map.restore(&mut reply);
    let want = [call("search", Some("mcp__github__")), call("exec", None)];
    assert_eq!(reply.choices[0].content, want.map(|c| Block::new(Body::ToolCall(c))));
}

#[test]
fn a_namespace_chosen_by_name_is_all_of_it() {
    let mut c = asking(vec![space("a", &["x", "y"])], Vec::new());
    c.tool_choice = Some(ToolChoice::Named("a".into()));
    flatten(&mut c, &Rules::GEMINI);
    let all = vec!["a__x".to_owned(), "a__y".to_owned()];
    assert_eq!(c.tool_choice, Some(ToolChoice::Allowed { names: all, required: true }));
    let mut c = asking(vec![space("a", &["x", "y"])], Vec::new());
    c.tool_choice = Some(ToolChoice::Named("y".into()));
    flatten(&mut c, &Rules::GEMINI);
    assert_eq!(c.tool_choice, Some(ToolChoice::Named("a__y".into())));
}

#[test]
fn what_is_taken_or_forbidden_gets_another_name() {
    let long = "x".repeat(100);
    let mut c = asking(
        vec![function("a__b"), space("a", &["b"]), function("dots.and:more"), function(&long)],
        Vec::new(),
    );
    let map = flatten(&mut c, &Rules::CHAT);
    let names = names(&c);
    assert_eq!(names[0], "a__b");
    assert!(names[1].starts_with("a__b_") && names[2].starts_with("dots_and_more_"));
    assert!(names.iter().all(|n| Rules::CHAT.allows(n)));
    assert_eq!(map.own(names[1]), Some(("b", Some("a"))));
    assert_eq!(map.own(names[3]), Some((long.as_str(), None)));
    // Gemini takes dots, Anthropic long names.
    let mut c = asking(vec![function("dots.and:more"), function("1st")], Vec::new());
    flatten(&mut c, &Rules::GEMINI);
    assert!(c.tools[0].name == "dots.and:more" && c.tools[1].name.starts_with("_1st_"));
    let mut c = asking(vec![function(&long)], Vec::new());
    assert!(flatten(&mut c, &Rules::ANTHROPIC).is_empty());
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c_]{1,3}", "[a-z._:é -]{0,8}", "[a-zA-Z0-9_-]{60,140}", Just("a__b".to_owned())]
}

fn any_tools() -> impl Strategy<Value = Vec<Tool>> {
    let one = prop_oneof![
        any_name().prop_map(|n| function(&n)),
        (any_name(), proptest::collection::vec(any_name(), 0..4)).prop_map(|(n, inner)| {
            let inner: Vec<&str> = inner.iter().map(String::as_str).collect();
            space(&n, &inner)
        }),
    ];
    proptest::collection::vec(one, 0..8)
}

/// Every tool as a call that names it; each once.
fn every(tools: &[Tool]) -> Vec<ToolCall> {
    let mut all: Vec<ToolCall> = Vec::new();
    for t in tools {
        match &t.body {
            ToolBody::Namespace(inner) => all.extend(inner.iter().map(|i| call(&i.name, Some(&t.name)))),
            _ => all.push(call(&t.name, None)),
        }
    }
    all
}

proptest! {
    #[test]
    fn flat_names_are_allowed_unique_stable_and_come_back(tools in any_tools(), which in 0..5_usize) {
        let rules = ALL[which];
        let calls = every(&tools);
        let mut c = asking(tools.clone(), calls.clone());
        let map = flatten(&mut c, &rules);
        let flat: Vec<ToolCall> = c.messages[0].content.iter().map(|b| match &b.body {
            Body::ToolCall(call) => call.clone(),
            _ => unreachable!(),
        }).collect();
        let mut of: HashMap<(Option<String>, String), ToolCall> = HashMap::new();
        for (own, flat) in calls.iter().zip(&flat) {
            prop_assert!(rules.allows(&flat.name), "{}", flat.name);
            prop_assert!(rules.namespaces || flat.namespace.is_none());
            if own.namespace.is_none() && rules.allows(&own.name) {
                prop_assert_eq!(own, flat);
            }
            // One name, one tool.
            let before = of.insert((flat.namespace.clone(), flat.name.clone()), own.clone());
            prop_assert!(before.is_none_or(|b| b == *own));
            let mut event =
                StreamEvent::BlockStart { choice: 0, index: 0, block: Block::new(Body::ToolCall(flat.clone())) };
            map.restore_event(&mut event);
            let block = Block::new(Body::ToolCall(own.clone()));
            prop_assert_eq!(event, StreamEvent::BlockStart { choice: 0, index: 0, block });
        }
        // The list of tools says the same names as the calls, and alone decides them.
        prop_assert_eq!(&every(&c.tools), &flat);
        let mut alone = asking(tools, Vec::new());
        prop_assert_eq!(flatten(&mut alone, &rules), map);
        prop_assert_eq!(alone.tools, c.tools);
    }
}
