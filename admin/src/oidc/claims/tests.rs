use super::*;
use serde_json::json;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

#[test]
fn names_with_dots_come_before_paths() {
    let c = object(
        json!({"a.b": 1, "a": {"b": 2, "c.d": {"e": 3}, "n": null}, "https://x.example/groups": ["g"]}),
    );
    assert_eq!(claim(&c, "a.b"), Some(&json!(1)));
    assert_eq!(claim(&c, "a.c.d.e"), None, "only the first dot of each level parts");
    assert_eq!(claim(&c, "https://x.example/groups"), Some(&json!(["g"])));
    for none in ["a.n", "a.x", "b", "", ".", "a.", "a.b.c"] {
        assert_eq!(claim(&c, none), None, "{none}");
    }
    let keycloak = object(json!({"realm_access": {"roles": ["r"]}}));
    assert_eq!(claim(&keycloak, "realm_access.roles"), Some(&json!(["r"])));
}

#[test]
fn an_address_and_its_verification_come_from_one_place() {
    let mut c = object(json!({"sub": "s", "email_verified": true, "xms_edov": true}));
    merge(&mut c, object(json!({"sub": "s", "email": "a@b.example", "name": "A"})));
    assert_eq!(Value::Object(c), json!({"sub": "s", "email": "a@b.example", "name": "A"}));
    let mut c = object(json!({"sub": "s", "email": "a@b.example"}));
    merge(&mut c, object(json!({"email": "other@b.example", "email_verified": true, "xms_edov": "1"})));
    assert_eq!(Value::Object(c), json!({"sub": "s", "email": "a@b.example"}));
}

#[test]
fn what_is_kept_is_bounded() {
    let deep = shown(&json!({"a": [[["x\u{0}y"]]], "long": "x".repeat(5000), "many": vec![1; 1000]}), 3);
    assert_eq!(deep["a"], json!([["…"]]));
    assert_eq!(deep["long"].as_str().unwrap().len(), 1000);
    assert_eq!(deep["many"].as_array().unwrap().len(), 300);
    assert_eq!(shown(&json!("x\u{0}y"), 0), json!("xy"));
}
