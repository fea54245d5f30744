//! What a client may write of a user and of a group, and how a written value is read. What RFC 7643 knows and Sallyport
//! does not keep is passed over.

use crate::problem::Problem;
use http::StatusCode;
use serde_json::{Map, Value};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// Longest text, in characters.
const LONGEST: usize = 1000;
/// Most e-mail addresses of a user.
const MOST_EMAILS: usize = 50;
/// Most members of a group.
const MOST_MEMBERS: usize = 20_000;

/// What the values of an attribute are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Flag,
    /// An object of these texts.
    Complex(&'static [&'static str]),
    /// A list of objects of these parts (`primary` is a flag), so many at most.
    Many(&'static [&'static str], usize),
}

/// An attribute that is kept.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// A kind of resource.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) schema: &'static str,
    attributes: &'static [Attribute],
    /// Known to RFC 7643, not kept.
    passed: &'static [&'static str],
}

const fn attribute(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, required: false }
}

/// Users.
pub(crate) const OF_USER: Shape = Shape {
    schema: USER,
    attributes: &[
        Attribute { name: "userName", kind: Kind::Text, required: true },
        attribute("externalId", Kind::Text),
        attribute("displayName", Kind::Text),
        attribute("name", Kind::Complex(&["formatted", "familyName", "givenName"])),
        attribute("active", Kind::Flag),
        attribute("emails", Kind::Many(&["value", "display", "type", "primary"], MOST_EMAILS)),
    ],
    passed: &[
        "nickName",
        "profileUrl",
        "title",
        "userType",
        "preferredLanguage",
        "locale",
        "timezone",
        "password",
        "phoneNumbers",
        "ims",
        "photos",
        "addresses",
        "entitlements",
        "roles",
        "x509Certificates",
    ],
};

/// Groups.
pub(crate) const OF_GROUP: Shape = Shape {
    schema: GROUP,
    attributes: &[
        Attribute { name: "displayName", kind: Kind::Text, required: true },
        attribute("externalId", Kind::Text),
        attribute("members", Kind::Many(&["value", "$ref", "type"], MOST_MEMBERS)),
    ],
    passed: &[],
};

/// Attributes that the service alone writes.
const READ_ONLY: [&str; 4] = ["id", "meta", "schemas", "groups"];

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Known {
    Kept(&'static Attribute),
    ReadOnly,
    Passed,
    Unknown,
}

impl Shape {
    /// What a name stands for, in whatever case.
    pub(crate) fn known(&self, name: &str) -> Known {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        match self.attributes.iter().find(|a| is(&a.name)) {
            Some(attribute) => Known::Kept(attribute),
            None if READ_ONLY.iter().any(&is) => Known::ReadOnly,
            None if self.passed.iter().any(is) => Known::Passed,
            None => Known::Unknown,
        }
    }

    /// A whole resource as a client writes it (POST, PUT): the attributes that are kept.
    pub(crate) fn read(&self, body: &Value) -> Result<Map<String, Value>, Problem> {
        let body = body.as_object().ok_or_else(|| syntax("the body is no object"))?;
        let schemas = body.iter().find(|(k, _)| k.eq_ignore_ascii_case("schemas")).map(|(_, v)| v);
        let named = schemas.and_then(Value::as_array).is_some_and(|all| {
            all.iter().filter_map(Value::as_str).any(|s| s.eq_ignore_ascii_case(self.schema))
        });
        if !named {
            return Err(syntax(format!("`schemas` does not name {}", self.schema)));
        }
        let mut found = Map::new();
        for (name, value) in body {
            if let Known::Kept(attribute) = self.known(name)
                && let Some(value) = attribute.read(value)?
            {
                found.insert(attribute.name.to_owned(), value);
            }
        }
        self.complete(&found)?;
        Ok(found)
    }

    /// Nothing that is required is missing.
    pub(crate) fn complete(&self, resource: &Map<String, Value>) -> Result<(), Problem> {
        match self.attributes.iter().find(|a| a.required && !resource.contains_key(a.name)) {
            Some(missing) => Err(invalid(format!("`{}` is required", missing.name))),
            None => Ok(()),
        }
    }
}

impl Attribute {
    /// A value as a client writes it; None: it says that there is none.
    pub(crate) fn read(&self, value: &Value) -> Result<Option<Value>, Problem> {
        if value.is_null() {
            return Ok(None);
        }
        match self.kind {
            Kind::Text => text(self.name, value).map(Some),
            Kind::Flag => flag(self.name, value).map(Some),
            Kind::Complex(parts) => {
                let map = value.as_object().ok_or_else(|| {
                    invalid(format!("`{}` is an object of {}", self.name, parts.join(", ")))
                })?;
                let read = self.parts(parts, map)?;
                Ok((!read.is_empty()).then_some(Value::Object(read)))
            }
            Kind::Many(parts, most) => {
                let one = std::slice::from_ref(value);
                let all = value.as_array().map_or(one, Vec::as_slice);
                if all.len() > most {
                    return Err(invalid(format!("`{}` has at most {most} values", self.name)));
                }
                let mut read: Vec<Value> = Vec::with_capacity(all.len());
                for element in all {
                    if let Some(element) = self.element(parts, element)? {
                        read.push(element);
                    }
                }
                Ok((!read.is_empty()).then_some(Value::Array(read)))
            }
        }
    }

    fn element(&self, parts: &[&str], value: &Value) -> Result<Option<Value>, Problem> {
        match value {
            Value::Null => Ok(None),
            // a bare value stands for itself
            Value::String(_) => {
                let map = Map::from_iter([("value".to_owned(), text(self.name, value)?)]);
                Ok(Some(Value::Object(map)))
            }
            Value::Object(map) => {
                let read = self.parts(parts, map)?;
                if !read.contains_key("value") {
                    return Err(invalid(format!("each of `{}` has a `value`", self.name)));
                }
                Ok(Some(Value::Object(read)))
            }
            _ => Err(invalid(format!("`{}` is a list of objects", self.name))),
        }
    }

    fn parts(&self, parts: &[&str], map: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        let mut read = Map::new();
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(part) = parts.iter().find(|p| p.eq_ignore_ascii_case(name)) {
                read.insert((*part).to_owned(), self.part(part, value)?);
            }
        }
        Ok(read)
    }

    /// The value of a part.
    pub(crate) fn part(&self, part: &str, value: &Value) -> Result<Value, Problem> {
        let name = format!("{}.{part}", self.name);
        if part == "primary" { flag(&name, value) } else { text(&name, value) }
    }
}

fn text(name: &str, value: &Value) -> Result<Value, Problem> {
    let text = value.as_str().ok_or_else(|| invalid(format!("`{name}` is a text")))?.trim();
    let fine = (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine {
        Ok(Value::String(text.to_owned()))
    } else {
        Err(invalid(format!("`{name}`: 1 to {LONGEST} characters, no control characters")))
    }
}

/// Entra writes booleans as `"True"` and `"False"`.
fn flag(name: &str, value: &Value) -> Result<Value, Problem> {
    let read = match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    };
    read.map(Value::Bool).ok_or_else(|| invalid(format!("`{name}` is true or false")))
}

/// 400 `invalidSyntax`: the request is not of the form that the RFC says.
pub(crate) fn syntax(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::bad_request("invalidSyntax", detail)
}

/// 400 `invalidValue`.
pub(crate) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::bad_request("invalidValue", detail)
}

/// 400 `mutability`.
pub(crate) fn mutability(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "mutability", detail)
}

/// 503: it was tried, but others changed the same thing again and again.
pub(crate) fn busy() -> Problem {
    Problem::unavailable("busy", "the resource is being changed all the time: try again", 1)
}
