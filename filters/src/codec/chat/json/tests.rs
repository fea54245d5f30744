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
    let body = br#"{"m": [1, {"y": 1.50}], "m2": 0, "m": {"y": 1.50}}"#;
    assert_eq!(member(body, "m").unwrap().get(), r#"{"y": 1.50}"#);
    assert_eq!(member(body, "m2").unwrap().get(), "0");
    assert!(member(body, "no").is_none());
    assert!(member(b"5", "no").is_none());
}
