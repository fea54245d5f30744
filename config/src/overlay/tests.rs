use super::*;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn tree(text: &str) -> Node {
    parse(&Arc::from(Path::new("t.yaml")), text.as_bytes()).unwrap()
}

fn wrong(bytes: &[u8]) -> String {
    parse(&Arc::from(Path::new("t.yaml")), bytes).unwrap_err().to_string()
}

fn laid(base: &str, over: &str) -> Node {
    merge(tree(base), tree(over), &mut Vec::new()).settle().unwrap()
}

fn same(got: Node, want: &str) {
    assert_eq!(got, tree(want).settle().unwrap());
}

#[test]
fn maps_merge_and_lists_replace() {
    same(laid("a: {b: 1, c: 2}\nl: [1, 2]", "a: {c: 3, d: 4}\nl: [3]"), "a: {b: 1, c: 3, d: 4}\nl: [3]");
}

#[test]
fn named_lists_merge_by_name_and_keep_the_base_order() {
    same(
        laid("l: [{name: a, v: 1}, {name: b, v: 2}]", "l: [{name: c}, {name: b, w: 3}]"),
        "l: [{name: a, v: 1}, {name: b, v: 2, w: 3}, {name: c}]",
    );
}

#[test]
fn delete_removes_keys_and_items() {
    same(laid("a: {b: 1, c: 2}", "a: {b: !delete }"), "a: {c: 2}");
    same(laid("a: {b: 1}\nd: 2", "a: !delete null"), "d: 2");
    same(laid("l: [{name: a}, {name: b}]", "l:\n- !delete {name: a}"), "l: [{name: b}]");
}

#[test]
fn replace_takes_the_whole() {
    same(laid("a: {b: 1}", "a: !replace {c: 2}"), "a: {c: 2}");
    same(
        laid("l: [{name: a, v: 1}, {name: b}]", "l: !replace [{name: b}, {name: a}]"),
        "l: [{name: b}, {name: a}]",
    );
    same(laid("l: [{name: a, v: 1}, {name: b}]", "l: [!replace {name: a}]"), "l: [{name: a}, {name: b}]");
}

#[test]
fn a_key_without_a_value_says_nothing() {
    same(laid("a: {b: 1}", "a:\n  # b: 2\n"), "a: {b: 1}");
    same(laid("l: [{name: a}]", "l:\n"), "l: [{name: a}]");
}

#[test]
fn deleting_nothing_is_warned_of() {
    let mut warnings = Vec::new();
    let _ = merge(tree("a: {b: 1}"), tree("a:\n  c: !delete\n"), &mut warnings);
    assert_eq!(
        warnings[0].to_string(),
        "t.yaml:2:6: a.c: `!delete` removes nothing: no earlier file sets it"
    );
}

#[test]
fn anchors_aliases_and_merge_keys() {
    same(tree("a: &x {b: 1, c: 2}\nd: *x"), "a: {b: 1, c: 2}\nd: {b: 1, c: 2}");
    same(
        tree("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\ne: {<<: [*x, {f: 1, b: 9}]}"),
        "a: {b: 1, c: 2}\nd: {c: 3, b: 1}\ne: {b: 1, c: 2, f: 1}",
    );
    assert!(wrong(b"a: &x [1, *x]").contains("not complete"));
    assert!(wrong(b"a: *nobody").contains("t.yaml:1:"));
    assert!(wrong(b"a: {<<: 3}").contains("`<<` wants"));
}

#[test]
fn files_that_say_nothing() {
    for empty in ["", "\n\n", "# only\n# comments\n", "---\n", "--- \n...\n"] {
        same(tree(empty), "{}");
    }
}

#[test]
fn what_is_refused_names_the_place() {
    for (bytes, parts) in [
        (&b"a: 1\nb: 2\na: 3"[..], &["t.yaml:3:1", "`a` is there twice", "line 1"][..]),
        (b"a: 1\n---\nb: 2", &["second document"]),
        (b"- 1", &["a configuration is a map"]),
        (b"text", &["a configuration is a map"]),
        (b"\xEF\xBB\xBFa: 1", &["byte order mark"]),
        (b"\xFF\xFEa\0", &["UTF-16"]),
        (b"a: 1\nb: \xC3\x28", &["t.yaml:2:", "UTF-8"]),
        (b"a:\n\tb: 1", &["t.yaml:2:", "tab"]),
        (b"a: [1, 2", &["t.yaml:", "not valid YAML"]),
        (b"a: !unknown 1", &["unknown tag `!unknown`"]),
        (b"a: !replace 1", &["`!replace` belongs"]),
        (b"!delete a: 1", &["behind the colon"]),
        (b"a:\n  $delete: true", &["t.yaml:2:3", "a: to remove", "!delete"]),
        (b"{[1]: 2}", &["a key must be a text"]),
        (b"a: {? : 1}", &["empty key"]),
        (b"l:\n- name: a\n- name: a", &["t.yaml:3:3", "l: `a` is listed twice", "line 2"]),
        (b"!replace\na: 1", &["whole document"]),
    ] {
        let message = wrong(bytes);
        for part in parts {
            assert!(message.contains(part), "{:?}: {message}", String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn bounds() {
    assert!(wrong("[".repeat(100_000).as_bytes()).contains("deep"));
    let block: String = (0..200).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(wrong(block.as_bytes()).contains("deep"));
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let inner = vec![format!("*a{}", i - 1); 10].join(", ");
        laughs.push_str(&format!("a{i}: &a{i} [{inner}]\n"));
    }
    assert!(wrong(laughs.as_bytes()).contains("aliases count"));
    // Depth by aliases: each level wraps the last one.
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for i in 1..100 {
        deep.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    assert!(wrong(deep.as_bytes()).contains("deep"));
}

#[test]
fn values_know_their_place() {
    let t = tree("a:\n  b:\n    - x\n    - y: 1\n");
    let Data::List(items) = &t.get("a").unwrap().get("b").unwrap().data else { panic!() };
    assert_eq!(items[1].get("y").unwrap().origin.to_string(), "t.yaml:4:10");
}

/// Trees with everything that merging looks at: kinds, marks, names, nothing-said.
fn trees() -> impl Strategy<Value = Node> {
    let at = || tree("").origin;
    let node = move |data, mark| Node { data, origin: at(), mark };
    let scalar =
        "[a-c]{1,2}".prop_map(|text| Data::Scalar(Scalar { text, plain: true, sources: Vec::new() }));
    let mark = || prop_oneof![6 => Just(Mark::Merge), 1 => Just(Mark::Delete), 1 => Just(Mark::Replace)];
    let leaf = (prop_oneof![4 => scalar, 1 => Just(Data::Empty)], mark()).prop_map({
        // `!replace` in front of nothing or of a scalar is refused when reading.
        move |(data, mark)| node(data, if mark == Mark::Replace { Mark::Merge } else { mark })
    });
    let inner = leaf.prop_recursive(4, 40, 4, move |inner| {
        let map = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        let list = prop::collection::vec(inner.clone(), 0..3);
        let named = prop::collection::btree_map("[x-z]", (inner, mark()), 1..4);
        let entry = move |key: String, value: Node| Entry { key, key_origin: at(), value };
        let items = named.prop_map(move |items| {
            let item = |(name, (value, mark)): (String, (Node, Mark))| {
                let scalar = Data::Scalar(Scalar { text: name, plain: true, sources: Vec::new() });
                let name = entry("name".into(), node(scalar, Mark::Merge));
                node(Data::Map(vec![name, entry("v".into(), value)]), mark)
            };
            Data::List(items.into_iter().map(item).collect())
        });
        let map = map.prop_map(move |m| Data::Map(m.into_iter().map(|(k, v)| entry(k, v)).collect()));
        (prop_oneof![map, list.prop_map(Data::List), items], mark()).prop_map(move |(d, m)| node(d, m))
    });
    prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(move |m| {
        let entries = m.into_iter().map(|(key, value)| Entry { key, key_origin: at(), value }).collect();
        node(Data::Map(entries), Mark::Merge)
    })
}

fn plus(a: &Node, b: &Node) -> Node {
    merge(a.clone(), b.clone(), &mut Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_associative(a in trees(), b in trees(), c in trees()) {
        prop_assert_eq!(plus(&plus(&a, &b), &c).settle(), plus(&a, &plus(&b, &c)).settle());
    }

    #[test]
    fn an_empty_overlay_changes_nothing(a in trees()) {
        prop_assert_eq!(plus(&a, &tree("")), a.clone());
        prop_assert_eq!(plus(&tree(""), &a).settle(), a.settle());
    }

    #[test]
    fn laying_the_same_twice_is_laying_it_once(a in trees(), b in trees()) {
        let once = plus(&a, &b).settle();
        let twice = plus(&plus(&a, &b), &b).settle();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&Arc::from(Path::new("t.yaml")), &bytes);
    }

    #[test]
    fn no_yaml_like_text_makes_the_parser_panic(text in r#"([ab:\-?!&*{}\[\],#|>'"% \n~<]|\$\{|<<|&x |\*x |- name: a|!delete |!replace ){0,60}"#) {
        let _ = parse(&Arc::from(Path::new("t.yaml")), text.as_bytes());
    }
}
