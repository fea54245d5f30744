//! What a conversation must be like, beside its types.

use crate::sim::fault::Fault;
use crate::sim::neutral::{list, member, text};
use crate::sim::seal;
use serde_json::Value;

/// Signatures that the API takes for calls that no Gemini made.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
const DUMMIES: [&str; 2] = ["context_engineering_is_the_way_to_go", "skip_thought_signature_validator"];

/// Gemini 3 signs its calls whether it was told to think or not, and wants the signatures back.
pub(super) fn always_signs(model: &str) -> bool {
    model.rsplit('/').next().unwrap_or(model).starts_with("gemini-3")
}

/// Checks it.
pub(super) fn check(body: &Value, model: &str, forgetful: bool) -> Result<(), Fault> {
    let contents = list(body, "contents");
    if contents.is_empty() {
        return Err(Fault::new(400, "* GenerateContentRequest.contents: contents is not specified\n"));
    }
    names(body)?;
    for (n, content) in contents.iter().enumerate() {
        if !matches!(text(content, "role"), "" | "user" | "model" | "function") {
            return Err(Fault::new(400, "Please use a valid role: user, model."));
        }
        if list(content, "parts").is_empty() {
            let message =
                format!("* GenerateContentRequest.contents[{n}].parts: contents.parts must not be empty.\n");
            return Err(Fault::new(400, message));
        }
        signatures(content)?;
        let calls = count(content, "functionCall");
        let responses = count(content, "functionResponse");
        let before = n.checked_sub(1).and_then(|b| contents.get(b));
        if calls > 0 && before.is_none_or(|b| text(b, "role") == "model") {
            return Err(Fault::new(
                400,
                "Please ensure that function call turn comes immediately after a user turn or after a function \
                 response turn.",
            ));
        }
        if responses > 0 {
            let asked = before.map_or(0, |b| count(b, "functionCall"));
            if asked == 0 {
                return Err(Fault::new(
                    400,
                    "Please ensure that function response turn comes immediately after a function call turn.",
                ));
            }
            if asked != responses {
                return Err(unequal());
            }
        } else if calls == 0 && before.is_some_and(|b| count(b, "functionCall") > 0) {
            return Err(unequal());
        }
    }
    if always_signs(model) && !forgetful { unsigned(contents) } else { Ok(()) }
}

fn unequal() -> Fault {
    Fault::new(
        400,
        "Please ensure that the number of function response parts is equal to the number of function call parts of \
         the function call turn.",
    )
}

fn count(content: &Value, kind: &str) -> usize {
    list(content, "parts").iter().filter(|p| member(p, kind).is_some()).count()
}

/// Names of functions.
fn names(body: &Value) -> Result<(), Fault> {
    for (t, tool) in list(body, "tools").iter().enumerate() {
        for (f, function) in list(tool, "functionDeclarations").iter().enumerate() {
            let name = text(function, "name");
            let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'))
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.len() <= 64;
            if !fits {
                return Err(Fault::new(
                    400,
                    format!(
                        "* GenerateContentRequest.tools[{t}].function_declarations[{f}].name: Invalid function name. Must \
                     start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots \
                     (.), colons (:), or dashes (-), with a maximum length of 64.\n"
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Signatures that come back must be those that were given out.
fn signatures(content: &Value) -> Result<(), Fault> {
    for part in list(content, "parts") {
        let signature = text(part, "thoughtSignature");
        let of = member(part, "functionCall").map_or("", |call| text(call, "name"));
        if !signature.is_empty() && !DUMMIES.contains(&signature) && !seal::THOUGHT.holds(signature, of) {
            return Err(Fault::new(400, "Thought signature is not valid."));
        }
    }
    Ok(())
}

/// The first call of each step since the user spoke must be signed.
fn unsigned(contents: &[Value]) -> Result<(), Fault> {
    let spoke =
        contents.iter().rposition(|c| text(c, "role") != "model" && count(c, "functionResponse") == 0);
    for (n, content) in contents.iter().enumerate().skip(spoke.map_or(0, |at| at + 1)) {
        let Some(part) = list(content, "parts").iter().find(|p| member(p, "functionCall").is_some()) else {
            continue;
        };
        if text(part, "thoughtSignature").is_empty() {
            let name = member(part, "functionCall").map_or("", |call| text(call, "name"));
            return Err(Fault::new(
                400,
                format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                 work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                 data, function call `default_api:{name}` , position {}. Please refer to \
                 https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                    n + 1
                ),
            ));
        }
    }
    Ok(())
}
