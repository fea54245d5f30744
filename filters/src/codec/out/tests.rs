use super::*;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn same(value: &impl Serialize) {
    let mut out = b"before".to_vec();
    write(value, &mut out);
    let want = serde_json::to_string(value).unwrap();
    assert_eq!(std::str::from_utf8(&out[6..]).unwrap(), want);
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct New(f32);

#[derive(Serialize)]
struct Pair(u8, i64);

#[derive(Serialize)]
enum Variants {
    Unit,
    New(Option<bool>),
    Tuple(char, ()),
    Struct { a: Unit, b: New },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged<'a> {
    First {
        raw: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<u8>,
    },
    #[serde(untagged)]
    Bare(&'a RawValue),
}

#[derive(Serialize)]
struct All<'a> {
    variants: Vec<Variants>,
    pair: Pair,
    numbers: BTreeMap<i32, f64>,
    switches: BTreeMap<bool, u64>,
    #[serde(flatten)]
    more: BTreeMap<&'a str, Tagged<'a>>,
    #[serde(flatten)]
    none: Option<BTreeMap<&'a str, u8>>,
    address: Address<'a>,
    nothing: [u8; 0],
}

/// Writes itself in pieces.
struct Address<'a>(&'a str);

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("data:{};\"{}\"\n", self.0, 7))
    }
}

#[test]
fn every_shape_is_written_as_serde_json_writes_it() {
    let raw: Box<RawValue> = serde_json::from_str("{\"b\" : 1.0e2,\"a\":\"\\u00e9\"}").unwrap();
    let first = Tagged::First { raw: &raw, none: None };
    same(&All {
        variants: vec![
            Variants::Unit,
            Variants::New(None),
            Variants::New(Some(true)),
            Variants::Tuple('"', ()),
            Variants::Struct { a: Unit, b: New(f32::NAN) },
        ],
        pair: Pair(255, i64::MIN),
        numbers: BTreeMap::from([(-1, 0.1), (2, 1e300), (3, f64::INFINITY)]),
        switches: BTreeMap::from([(true, u64::MAX), (false, 0)]),
        more: BTreeMap::from([("a\n", first), ("b", Tagged::Bare(&raw))]),
        none: None,
        address: Address("é\u{1}"),
        nothing: [],
    });
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    write(&BTreeMap::from([([1], 2)]), &mut out);
    assert_eq!(out, b"before");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_written_as_serde_json_writes_it(value in any_json()) {
        same(&value);
    }
}
