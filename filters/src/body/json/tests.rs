use super::*;
use crate::testing::{any_json, any_text, spaces, write_json};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Collects members; descends into the keys it is told.
#[derive(Default)]
struct Collect {
    members: Vec<Member>,
    into: &'static [&'static str],
}

impl Visit for Collect {
    fn descend(&mut self, key: &str, _: bool) -> bool {
        self.into.contains(&key)
    }
    fn member(&mut self, member: Member) {
        self.members.push(member);
    }
}

fn ok(text: &str) -> bool {
    scan(text, &mut Collect::default()).is_ok()
}

/// What `serde_json` says: a JSON object, of any depth it takes.
fn oracle(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok() && text.trim_ascii_start().starts_with('{')
}

proptest! {
    #[test]
    fn every_object_is_taken_and_its_members_are_where_they_are_said_to_be(
        members in proptest::collection::vec((any_text(), any_json()), 0..5),
        seed in proptest::collection::vec(any::<u8>(), 1..20),
    ) {
        let map: Map<String, Value> = members.into_iter().collect();
        let mut text = String::new();
        write_json(&Value::Object(map.clone()), &mut spaces(seed), &mut text);
        let mut c = Collect::default();
        let object = scan(&text, &mut c).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        prop_assert_eq!(&text[object.open..=object.open], "{");
        prop_assert_eq!(object.empty, map.is_empty());
        prop_assert_eq!(c.members.len(), map.len());
        for (m, (k, v)) in c.members.iter().zip(&map) {
            let key: String = serde_json::from_str(&text[m.key.start - 1..=m.key.end]).unwrap();
            prop_assert_eq!(&key, k);
            prop_assert_eq!(m.key_escaped, text[m.key.clone()].contains('\\'));
            prop_assert_eq!(&serde_json::from_str::<Value>(&text[m.value.clone()]).unwrap(), v);
            let kind = match v {
                Value::Object(_) => Kind::Object,
                Value::Array(_) => Kind::Array,
                Value::String(_) => Kind::Text,
                Value::Number(_) => Kind::Number,
                Value::Bool(true) => Kind::True,
                Value::Bool(false) => Kind::False,
                Value::Null => Kind::Null,
            };
            prop_assert_eq!(m.kind, kind);
        }
    }

    #[test]
    fn the_same_texts_are_valid_as_for_serde_json(
        value in any_json(),
        seed in proptest::collection::vec(any::<u8>(), 1..20),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), "[\\[\\]{},:\"\\\\0-9eE+.u \n\u{1}tfn-]{0,2}", 0..3_usize), 0..3),
    ) {
        let mut text = String::new();
        write_json(&Value::Object(Map::from_iter([("k".to_owned(), value)])), &mut spaces(seed), &mut text);
        for (at, with, cut) in edits {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            text = chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        }
        prop_assert_eq!(ok(&text), oracle(&text), "{}", text);
        // Descending must not change what is valid.
        let mut c = Collect { into: &["k"], ..Collect::default() };
        prop_assert_eq!(scan(&text, &mut c).is_ok(), oracle(&text), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{},:\"\\\\0-9eE+.u \n\u{1}tfn-]{0,40}") {
        prop_assert_eq!(ok(&text), oracle(&text), "{}", text);
    }

    #[test]
    fn plain_finds_the_first_special_byte(b in proptest::collection::vec(prop_oneof![4 => 0x20_u8..=255, 1 => any::<u8>()], 0..40)) {
        let want = b.iter().take_while(|c| !matches!(c, b'"' | b'\\' | 0..=0x1f)).count();
        prop_assert_eq!(plain(&b), want);
    }
}

#[test]
fn hard_cases() {
    for text in [
        "{}",
        " { } ",
        "{\"a\":0}",
        "{\"a\":-0.0e+1}",
        "{\"a\":[]}",
        "{\"a\":[[],{}]}",
        "{\"\":\"\"}",
        "{\"a\":\"\\u0000\\ud800\"}",
        "{\"a\":\"\u{7f}\u{80}é\"}",
        "{\"a\":1,\"a\":2}",
    ] {
        assert!(ok(text), "{text}");
    }
    for text in [
        "",
        " ",
        "null",
        "[]",
        "\"a\"",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.1}",
        "{\"a\":1e}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{} {}",
        "{}x",
        "\u{feff}{}",
        "{\"a\":1}/*c*/",
    ] {
        assert!(!ok(text), "{text}");
    }
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert!(ok(&deep(MAX_DEPTH as usize - 1)));
    let too_deep = scan(&deep(MAX_DEPTH as usize), &mut Collect::default());
    assert_eq!(too_deep.map_err(|e| e.what), Err("nested too deeply"));
    assert!(!ok(&"{\"a\":".repeat(1_000_000)));
    assert!(!ok(&deep(10_000_000)));
}

#[test]
fn descended_values_report_their_members() {
    let text = r#"{"o":{"x":1,"y":{"z":2}},"l":["s",{"m":"t"},3,[{"n":4}]],"p":{"x":5}}"#;
    let mut c = Collect { into: &["o", "l"], ..Collect::default() };
    scan(text, &mut c).unwrap();
    let got: Vec<_> =
        c.members.iter().map(|m| (&text[m.key.clone()], &text[m.value.clone()], m.level)).collect();
    assert_eq!(
        got,
        [
            ("x", "1", 2),
            ("y", r#"{"z":2}"#, 2),
            ("o", r#"{"x":1,"y":{"z":2}}"#, 1),
            ("", r#""s""#, 3),
            ("m", r#""t""#, 3),
            ("l", r#"["s",{"m":"t"},3,[{"n":4}]]"#, 1),
            ("p", r#"{"x":5}"#, 1),
        ]
    );
}
