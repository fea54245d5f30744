use super::*;
use serde_json::json;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn matches(text: &str) -> bool {
    let resource = json!({
        "schemas": [USER], "id": "2819C223", "externalId": "Ext1", "userName": "BJensen@example.com",
        "name": {"familyName": "Jensen", "givenName": "Barbara"}, "active": true,
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true},
                   {"value": "babs@jensen.org", "type": "home"}],
        "groups": [{"value": "G1", "display": "Tour Guides"}],
        "meta": {"created": "2024-01-01T00:00:00Z", "lastModified": "2024-05-01T10:00:00.5Z"},
    });
    fits(&Filter::parse(text).unwrap(), resource.as_object().unwrap(), USER)
}

#[test]
fn what_fits() {
    for text in [
        r#"userName eq "bjensen@EXAMPLE.com""#,
        r#"USERNAME sw "bj""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName ew ".com""#,
        r#"id eq "2819C223""#,
        r#"name.familyName co "ENS""#,
        r#"emails co "jensen.org""#,
        r#"emails[type eq "work" and value co "@example.com"]"#,
        r#"emails.type eq "home""#,
        "active eq true",
        r#"active eq "True""#,
        "name pr and not (title pr)",
        r#"meta.lastModified gt "2024-05-01T12:00:00+02:00""#,
        r#"meta.created le "2024-01-01T01:00:00+01:00""#,
        r#"title ne "x""#,
        "title eq null",
        r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#,
        r#"groups eq "G1""#,
        r#"groups.display eq "tour guides""#,
    ] {
        assert!(matches(text), "{text}");
    }
}

#[test]
fn what_does_not() {
    for text in [
        r#"id eq "2819c223""#,
        r#"externalId eq "ext1""#,
        r#"groups.value eq "g1""#,
        r#"emails[type eq "home" and value co "@example.com"]"#,
        "active eq false",
        "active ne true",
        "title pr",
        r#"urn:other:userName eq "bjensen@example.com""#,
        r#"meta.created gt "no instant""#,
        "userName eq null",
        "userName gt 5",
        r#"not (userName pr)"#,
    ] {
        assert!(!matches(text), "{text}");
    }
}
