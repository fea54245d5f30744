//! Function arguments that Vertex streams in pieces (`partialArgs`, where the client asked for
//! `streamFunctionCallArguments`): values by JSON path, put together to one object.
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content#PartialArg>

use super::wire::PartialArg;
use serde_json::{Map, Value};

/// A longer array, a deeper path: nonsense that must cost no memory.
const MAX_INDEX: usize = 10_000;
const MAX_DEPTH: usize = 64;

/// Puts a piece into its place; texts that come again under the same path are continued.
pub(super) fn put(root: &mut Value, piece: &PartialArg<'_>) {
    let value = if let Some(s) = &piece.string {
        Value::String(s.as_str().to_owned())
    } else if let Some(n) = piece.number {
        serde_json::from_str(n.get()).unwrap_or_default()
    } else if let Some(b) = piece.boolean {
        Value::Bool(b)
    } else if piece.null.is_some() {
        Value::Null
    } else {
        // Only says that more comes.
        return;
    };
    let Some(path) = piece.path.as_ref().and_then(|p| steps(p.as_str())) else { return };
    let Some(place) = find(root, &path) else { return };
    match (place, value) {
        (Value::String(old), Value::String(more)) => old.push_str(&more),
        (place, value) => *place = value,
    }
}

enum Step {
    Name(String),
    Index(usize),
}

/// `$.a.b[0]['c']`
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut out = Vec::new();
    while !rest.is_empty() && out.len() < MAX_DEPTH {
        if let Some(inner) = rest.strip_prefix('[') {
            let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (step, after) = match quote {
                Some(q) => {
                    let (name, after) = inner[1..].split_once(q)?;
                    (Step::Name(name.to_owned()), after.strip_prefix(']')?)
                }
                None => {
                    let (index, after) = inner.split_once(']')?;
                    (Step::Index(index.trim().parse().ok().filter(|i| *i < MAX_INDEX)?), after)
                }
            };
            out.push(step);
            rest = after;
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            out.push(Step::Name(inner[..end].to_owned()));
            rest = &inner[end..];
        }
    }
    rest.is_empty().then_some(out)
}

fn find<'a>(root: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, |at, step| match step {
        Step::Name(name) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            Some(at.as_object_mut()?.entry(name.as_str()).or_insert(Value::Null))
        }
        Step::Index(i) => {
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
            let list = at.as_array_mut()?;
            if list.len() <= *i {
                list.resize(i + 1, Value::Null);
            }
            list.get_mut(*i)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_an_object() {
        let mut root = Value::Null;
        for piece in [
            r#"{"jsonPath":"$.city","stringValue":"San ","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"Francisco"}"#,
            r#"{"jsonPath":"$.at[1].lat","numberValue":37.75}"#,
            r#"{"json_path":"$['odd name'].ok","bool_value":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
            r#"{"jsonPath":"$.x[99999999999].y","numberValue":1}"#,
            r#"{"jsonPath":"city","numberValue":1}"#,
            r#"{"jsonPath":"$[","numberValue":1}"#,
            r#"{"jsonPath":"$.city.deeper","numberValue":1}"#,
        ] {
            put(&mut root, &serde_json::from_str(piece).unwrap());
        }
        let want = r#"{"city":"San Francisco","at":[null,{"lat":37.75}],"odd name":{"ok":true},"none":null}"#;
        assert_eq!(root.to_string(), want);
    }
}
