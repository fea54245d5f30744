use super::*;
use crate::testing::{any_json, any_text, spaces, write_members};
use proptest::prelude::*;
use serde_json::{Value, json};

fn found(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> (Vec<(Wanted, Value)>, bool) {
    let (mut scan, mut out) = (BodyScan::default(), Vec::new());
    for p in pieces {
        scan.push(p.as_ref(), |w, v| out.push((w, serde_json::from_slice(v).unwrap())));
    }
    (out, scan.ended())
}

proptest! {
    #[test]
    fn wanted_members_are_found_however_the_body_is_cut(
        others in proptest::collection::vec((any_text(), any_json()), 0..4),
        usage in any_json(),
        id in any_text(),
        store in any::<bool>(),
        turn in 0..8_usize,
        seed in proptest::collection::vec(any::<u8>(), 1..20),
        cuts in proptest::collection::vec(0..400_usize, 0..6),
    ) {
        let (id, store) = (Value::from(id), Value::from(store));
        let mut members: Vec<(&str, &Value)> = others.iter().map(|(k, v)| (k.as_str(), v)).collect();
        members.retain(|(k, _)| !["usage", "id", "store", "status", "background", "meta", "usageMetadata", "usage_metadata"].contains(k));
        members.extend([("usage", &usage), ("id", &id), ("store", &store)]);
        let n = members.len();
        members.rotate_left(turn % n);
        let mut text = String::new();
        write_members(&members, &mut spaces(seed), &mut text);
        let mut cuts: Vec<_> = cuts.iter().map(|c| c % (text.len() + 1)).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let (got, ended) = found(cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]));
        let name = |w| match w { Wanted::Usage => "usage", Wanted::Id => "id", Wanted::Store => "store", Wanted::Meta => "meta", Wanted::Metadata => "usageMetadata", Wanted::Status => "status", Wanted::Background => "background" };
        let got: Vec<_> = got.iter().map(|(w, v)| (name(*w), v)).collect();
        let want: Vec<_> = members.iter().filter(|(k, _)| ["usage", "id", "store"].contains(k)).copied().collect();
        prop_assert_eq!(got, want);
        prop_assert!(ended);
    }

    #[test]
    fn no_bytes_panic(b in proptest::collection::vec(prop_oneof![proptest::sample::select(b"{}[]\",:\\".to_vec()), any::<u8>()], 0..60)) {
        BodyScan::default().push(&b, |_, _| ());
        let mut b = b;
        b.insert(0, b'{');
        BodyScan::default().push(&b, |_, _| ());
    }

    #[test]
    fn the_end_of_a_string_is_found(b in proptest::collection::vec(prop_oneof![20 => 0x20_u8..0x22, 1 => Just(b'\\'), 1 => any::<u8>()], 0..80)) {
        let want = b.iter().position(|c| b"\"\\".contains(c)).unwrap_or(b.len());
        prop_assert_eq!(string_end(&b), want);
    }
}

#[test]
fn only_the_top_level_counts() {
    let text = r#"{"choices":[{"usage":{"a":1},"t":"\"usage\":{}"}],"x":{"usage":2},"usage":{"b":{"usage":3}},"idx":1}"#;
    assert_eq!(found([text]), (vec![(Wanted::Usage, json!({"b": {"usage": 3}}))], true));
}

#[test]
fn what_is_no_object_is_left_alone() {
    for body in ["[{\"usage\":1}]", "plain", "\u{0}\u{1}", "\"usage\""] {
        assert_eq!(found([body]), (Vec::new(), true), "{body}");
    }
    assert_eq!(found(["", " ", "{"]), (Vec::new(), false));
}

#[test]
fn a_huge_value_is_passed_over() {
    let text = format!("{{\"usage\":\"{}\",\"id\":\"x\"}}", "a".repeat(MAX_VALUE + 1));
    let pieces = text.as_bytes().chunks(1000);
    assert_eq!(found(pieces), (vec![(Wanted::Id, json!("x"))], true));
}
