use super::*;
use proptest::prelude::*;

fn attr(text: &str) -> Attr {
    Attr::parse(text).unwrap()
}

/// RFC 7644, figure 2, and what directories send.
#[test]
fn the_examples_of_the_rfc_are_read() {
    for text in [
        r#"userName eq "bjensen""#,
        r#"name.familyName co "O'Malley""#,
        r#"userName sw "J""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
        "title pr",
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
        r#"title pr and userType eq "Employee""#,
        r#"title pr or userType eq "Intern""#,
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType eq "Employee" and (emails.type eq "work")"#,
        r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
        r#"userName Eq "a \"quoted\" \u00e9""#,
        "active eq true",
        "notes eq null",
        "not(active eq true)",
    ] {
        assert!(Filter::parse(text).is_ok(), "{text}: {:?}", Filter::parse(text));
    }
}

#[test]
fn and_binds_more_than_or() {
    let read = Filter::parse("a pr or b pr and c pr").unwrap();
    let present = |n| Box::new(Filter::Present(attr(n)));
    assert_eq!(read, Filter::Or(present("a"), Box::new(Filter::And(present("b"), present("c")))));
}

#[test]
fn nonsense_is_refused_with_its_place() {
    for text in [
        "",
        "userName",
        "userName eq",
        r#"userName eq"x""#,
        r#"userName zz "x""#,
        r#"userName eq "x"#,
        r#"userName eq "x" and"#,
        r#"(userName eq "x""#,
        r#"emails[type eq "work""#,
        "a.b.c pr",
        r#"userName eq ["x"]"#,
        "active gt true",
        "userName co 5",
        r#"userName eq "x") "#,
        "1name pr",
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Filter::parse("a pr b").unwrap_err().to_string(),
        "something that does not belong there at character 6"
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |n: usize| format!("{}a pr{}", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&deep(10)).is_ok());
    assert!(Filter::parse(&deep(1000)).is_err());
    assert!(Filter::parse(&vec!["a pr"; 1000].join(" or ")).is_err());
    assert!(Filter::parse(&format!("a eq \"{}\"", "x".repeat(5000))).is_err());
}

#[test]
fn paths() {
    let place = Place::parse(r#"emails[type eq "work"].value"#).unwrap();
    assert_eq!((place.attr.name.as_str(), place.attr.sub.as_deref()), ("emails", Some("value")));
    assert!(place.filter.is_some());
    let place = Place::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName").unwrap();
    assert_eq!(place.attr.schema.as_deref(), Some("urn:ietf:params:scim:schemas:core:2.0:User"));
    assert_eq!(place.attr.to_string(), "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName");
    for bad in ["", "a[", "a[]", "a[b pr", "a.b[c pr]", "a b", "[a pr]", "a[b pr]."] {
        assert!(Place::parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = Filter::parse(&text);
        let _ = Place::parse(&text);
    }

    #[test]
    fn what_looks_like_a_filter_does_not_panic(
        text in r#"((not )?\(?(a|b\.c|emails\[type|urn:x:y)( eq| co| pr| gt)( "[a-z\\"]*"| 5| true)?[\])]?( and | or |)){0,6}"#
    ) {
        let _ = Filter::parse(&text);
        let _ = Place::parse(&text);
    }

    #[test]
    fn every_text_is_compared_as_it_is(value in "\\PC{0,40}") {
        let text = format!("userName eq {}", serde_json::to_string(&value).unwrap());
        prop_assert_eq!(Filter::parse(&text).unwrap(), Filter::Compare(attr("userName"), Op::Eq, Value::String(value)));
    }
}
