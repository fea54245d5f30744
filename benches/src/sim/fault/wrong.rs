//! A body that is not what the API takes, in the provider's words.

use super::{Dialect, Fault};
use crate::sim::strict::{What, Wrong};

impl Fault {
    /// The refusal of a body.
    pub(crate) fn wrong(dialect: Dialect, wrong: &Wrong) -> Self {
        match dialect {
            Dialect::OpenAi | Dialect::Azure => openai(wrong),
            Dialect::Anthropic => Self::new(400, anthropic(wrong)),
            Dialect::Gemini => {
                let mut fault = Self::new(400, gemini(wrong));
                fault.param = Some(wrong.bracketed().into());
                fault
            }
            Dialect::Bedrock => Self::new(400, bedrock(wrong)),
        }
    }
}

fn openai(wrong: &Wrong) -> Fault {
    let path = wrong.bracketed();
    let (code, message) = match &wrong.what {
        What::Unknown => ("unknown_parameter", format!("Unknown parameter: '{path}'.")),
        What::Missing => ("missing_required_parameter", format!("Missing required parameter: '{path}'.")),
        What::Type(expected) => {
            ("invalid_type", format!("Invalid type for '{path}': expected a {expected}."))
        }
        What::Word(word, allowed) => {
            ("invalid_value", format!("Invalid value: '{word}'. Supported values are: {}.", quoted(allowed)))
        }
        What::Members(n) => ("invalid_value", format!("Invalid value for '{path}': {n} members.")),
    };
    Fault { code: Some(code), param: Some(path.into()), ..Fault::new(400, message) }
}

fn anthropic(wrong: &Wrong) -> String {
    let path = wrong.dotted();
    match &wrong.what {
        What::Unknown => format!("{path}: Extra inputs are not permitted"),
        What::Missing => format!("{path}: Field required"),
        What::Type("array") => format!("{path}: Input should be a valid list"),
        What::Type("object") => format!("{path}: Input should be a valid dictionary"),
        What::Type(expected) => format!("{path}: Input should be a valid {expected}"),
        What::Word(word, allowed) => format!(
            "{path}: Input tag '{word}' found using 'type' does not match any of the expected tags: {}",
            quoted(allowed)
        ),
        What::Members(n) => format!("{path}: {n} members"),
    }
}

fn gemini(wrong: &Wrong) -> String {
    let path = wrong.bracketed();
    match &wrong.what {
        What::Unknown => {
            let parent = wrong.parent_bracketed();
            let place = if parent.is_empty() { String::new() } else { format!(" at '{parent}'") };
            format!(
                "Invalid JSON payload received. Unknown name \"{}\"{place}: Cannot find field.",
                wrong.name()
            )
        }
        What::Missing => format!("* GenerateContentRequest.{path}: {} is not specified\n", wrong.name()),
        What::Type(expected) => format!("Invalid value at '{path}' ({expected})"),
        What::Word(word, _) => format!("Invalid value at '{path}', \"{word}\""),
        What::Members(n) => format!("Invalid value at '{path}': {n} members of a oneof"),
    }
}

fn bedrock(wrong: &Wrong) -> String {
    let path = wrong.smithy();
    let failed = "failed to satisfy constraint: Member must";
    match &wrong.what {
        // the service itself ignores what it does not know: nobody ever sends it on purpose
        What::Unknown => format!("There is no member '{path}' (told by the simulator only)"),
        What::Missing => format!("1 validation error detected: Value null at '{path}' {failed} not be null"),
        What::Type(expected) => {
            format!("1 validation error detected: Value at '{path}' {failed} be a {expected}")
        }
        What::Word(word, allowed) => format!(
            "1 validation error detected: Value '{word}' at '{path}' {failed} satisfy enum value set: [{}]",
            allowed.join(", ")
        ),
        What::Members(n) => {
            format!(
                "1 validation error detected: '{path}' {failed} have exactly one of its members, but has {n}"
            )
        }
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", ")
}
