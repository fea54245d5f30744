use super::*;

#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "read for its errors")]
struct T<'a> {
    #[serde(borrow)]
    a: Option<Str<'a>>,
    b: Option<Vec<Inner>>,
}

#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "read for its errors")]
struct Inner {
    c: Option<u32>,
    d: Option<f64>,
}

fn field(json: &str) -> String {
    read::<T<'_>>(json.as_bytes()).map(|_| ()).unwrap_err().field
}

#[test]
fn an_error_names_its_field() {
    assert_eq!(field(r#"{"a": 1}"#), "a");
    assert_eq!(field(r#"{"a": {"x": 1}}"#), "a");
    assert_eq!(field(r#"{"x": ["]", {"b": "}"}], "b": [{"c": 1}, {"d": 2, "c": "three"}]}"#), "b[1].c");
    assert_eq!(field("{\n \"b\": [\n  {\"c\": 1,\n   \"d\": \"\\\"é\"}]}"), "b[0].d");
    assert_eq!(field(r#"{"b": 5}"#), "b");
    assert_eq!(field(r#"{"b": [7]}"#), "b[0]");
    assert_eq!(field(r#"{"b": [{}, {"c": -1}]}"#), "b[1].c");
    assert_eq!(field("[]"), "");
    assert_eq!(field("{"), "");
    let e = read::<T<'_>>(br#"{"b":[{"c":"x"}]}"#).map(|_| ()).unwrap_err();
    assert_eq!(e.why, "invalid type: string \"x\"; a whole number that is not negative is wanted here.");
}

#[test]
fn a_value_is_found_again() {
    let body = br#"{"m": [1, {"c": ["x", {"y": 1.50}]}], "m2": 0}"#;
    let path = [Step::Key("m"), Step::At(1), Step::Key("c"), Step::At(1)];
    assert_eq!(raw_at(body, &path).unwrap().get(), r#"{"y": 1.50}"#);
    assert!(raw_at(body, &[Step::Key("no")]).is_none());
    assert!(raw_at(b"5", &[Step::Key("no")]).is_none());
}
