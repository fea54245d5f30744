use super::super::shape::{OF_GROUP, OF_USER};
use super::*;
use serde_json::json;

fn patched(shape: &Shape, before: &Value, operations: &Value) -> Result<Value, (String, String)> {
    let mut map = before.as_object().unwrap().clone();
    let body = json!({"schemas": [SCHEMA], "Operations": operations});
    apply(shape, &mut map, &body).map_err(|p| {
        let p = serde_json::to_value(&p).unwrap();
        (p["code"].as_str().unwrap().to_owned(), p["detail"].as_str().unwrap().to_owned())
    })?;
    Ok(Value::Object(map))
}

fn user(operations: &Value) -> Result<Value, (String, String)> {
    let before = json!({"userName": "ada@example.com", "active": true, "name": {"givenName": "Ada"},
                        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}]});
    patched(&OF_USER, &before, operations)
}

fn group(operations: &Value) -> Result<Value, (String, String)> {
    let before = json!({"displayName": "red", "members": [{"value": "1"}, {"value": "2", "type": "User"}]});
    patched(&OF_GROUP, &before, operations)
}

fn code(answer: Result<Value, (String, String)>) -> String {
    answer.unwrap_err().0
}

/// RFC 7644, 3.5.2.1 to 3.5.2.3.
#[test]
fn the_rfcs_examples() {
    let added = json!([{"op": "add", "path": "members",
        "value": [{"display": "Babs Jensen", "$ref": "https://example.com/v2/Users/3", "value": "3"}]}]);
    assert_eq!(
        group(&added).unwrap()["members"][2],
        json!({"$ref": "https://example.com/v2/Users/3", "value": "3"})
    );
    let removed = json!([{"op": "remove", "path": "members[value eq \"2\"]"}]);
    assert_eq!(group(&removed).unwrap()["members"], json!([{"value": "1"}]));
    assert_eq!(group(&json!([{"op": "remove", "path": "members"}])).unwrap(), json!({"displayName": "red"}));
    let both = json!([{"op": "remove", "path": "members[value eq \"1\"]"},
                      {"op": "add", "path": "members", "value": [{"value": "9"}]}]);
    assert_eq!(group(&both).unwrap()["members"], json!([{"value": "2", "type": "User"}, {"value": "9"}]));
    let all = json!([{"op": "replace", "path": "members", "value": [{"value": "7"}, {"value": "8"}]}]);
    assert_eq!(group(&all).unwrap()["members"], json!([{"value": "7"}, {"value": "8"}]));

    let emails = json!([{"op": "add", "value": {"emails": [{"value": "babs@jensen.org", "type": "home"}],
                                                "nickName": "Babs"}}]);
    assert_eq!(user(&emails).unwrap()["emails"].as_array().unwrap().len(), 2);
    assert!(user(&emails).unwrap().get("nickName").is_none(), "known, but not kept");
    let work =
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"}]);
    assert_eq!(user(&work).unwrap()["emails"][0]["value"], "new@example.com");
    let none = json!([{"op": "replace", "path": "emails[type eq \"fax\"].value", "value": "x@example.com"}]);
    assert_eq!(code(user(&none)), "noTarget");
    let element =
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "y@example.com"}}]);
    assert_eq!(
        user(&element).unwrap()["emails"][0],
        json!({"value": "y@example.com", "type": "work", "primary": true})
    );
}

/// Microsoft Entra, "SCIM provisioning reference".
#[test]
fn entra() {
    let off = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(user(&off).unwrap()["active"], false);
    let dotted = json!([{"op": "Replace", "value": {"displayName": "A L", "name.givenName": "Augusta",
        "name.familyName": "King", "active": "True",
        "emails[type eq \"work\"].value": "augusta@example.com",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Maths"}}]);
    let after = user(&dotted).unwrap();
    assert_eq!(after["name"], json!({"givenName": "Augusta", "familyName": "King"}));
    assert_eq!(
        (&after["displayName"], &after["emails"][0]["value"]),
        (&json!("A L"), &json!("augusta@example.com"))
    );
    let fresh = json!([{"op": "Add", "path": "emails[type eq \"home\"].value", "value": "at@home.org"},
                       {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "Somewhere"},
                       {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                        "value": "x"}]);
    assert_eq!(user(&fresh).unwrap()["emails"][1], json!({"value": "at@home.org", "type": "home"}));
    let by_value = json!([{"op": "Remove", "path": "members", "value": [{"value": "1"}]}]);
    assert_eq!(group(&by_value).unwrap()["members"], json!([{"value": "2", "type": "User"}]));
    let ones = json!([{"op": "Add", "path": "members", "value": [{"value": "2"}, {"value": "3"}]}]);
    assert_eq!(group(&ones).unwrap()["members"].as_array().unwrap().len(), 3, "2 is in it already");
}

/// Okta, "SCIM protocol": no path.
#[test]
fn okta() {
    assert_eq!(user(&json!([{"op": "replace", "value": {"active": false}}])).unwrap()["active"], false);
    let renamed = json!([{"op": "replace", "value": {"id": "abf4dd94", "displayName": "blue"}}]);
    assert_eq!(group(&renamed).unwrap()["displayName"], "blue");
}

#[test]
fn one_primary_at_most() {
    let more =
        json!([{"op": "add", "path": "emails", "value": [{"value": "b@example.com", "primary": true}]}]);
    let after = user(&more).unwrap();
    assert_eq!(
        (&after["emails"][0]["primary"], &after["emails"][1]["primary"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn what_cannot_be_done_is_refused_in_the_rfcs_words() {
    for (operations, word) in [
        (json!([]), "invalidSyntax"),
        (json!([{"op": "move", "path": "active"}]), "invalidSyntax"),
        (json!([{"op": "remove"}]), "noTarget"),
        (json!([{"op": "remove", "path": "userName"}]), "mutability"),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), "mutability"),
        (json!([{"op": "add", "path": "groups", "value": []}]), "mutability"),
        (json!([{"op": "add", "path": "shoeSize", "value": 42}]), "invalidPath"),
        (json!([{"op": "add", "path": "name.shoe", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "userName.x", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "emails[", "value": "x"}]), "invalidPath"),
        (json!([{"op": "replace", "path": "active", "value": "perhaps"}]), "invalidValue"),
        (json!([{"op": "replace", "path": "userName", "value": 5}]), "invalidValue"),
        (json!([{"op": "replace", "path": "userName", "value": "a\u{0}b"}]), "invalidValue"),
        (json!([{"op": "add", "path": "emails", "value": [{"type": "work"}]}]), "invalidValue"),
        (json!([{"op": "add", "value": "x"}]), "invalidSyntax"),
        (json!(vec![json!({"op": "replace", "path": "active", "value": true}); 501]), "invalidValue"),
    ] {
        assert_eq!(code(user(&operations)), word, "{operations}");
    }
    let mut map = Map::new();
    assert!(apply(&OF_USER, &mut map, &json!({"Operations": [{"op": "add"}]})).is_err(), "no schemas");
}
