//! InvokeModel for embeddings: Titan's and Cohere's.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::neutral::{list, stranger, text};
use crate::sim::openai::vector;
use serde_json::{Value, json};

const DIMENSIONS: u64 = 1024;

/// Answers a request.
pub(super) fn answer(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    let names: &[&str] = match &*turn.model {
        m if m.contains("cohere.embed-v4") => {
            &["texts", "input_type", "truncate", "embedding_types", "output_dimension", "max_tokens"]
        }
        m if m.contains("cohere") => &["texts", "input_type", "truncate", "embedding_types"],
        m if m.contains("titan-embed-text-v2") => &["inputText", "dimensions", "normalize", "embeddingTypes"],
        _ => &["inputText"],
    };
    if let Some(name) = stranger(body, names) {
        return Err(Fault::new(
            400,
            format!(
                "Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input and try again."
            ),
        ));
    }
    if turn.model.contains("cohere") {
        let texts = list(body, "texts");
        if texts.is_empty() || text(body, "input_type").is_empty() {
            return Err(Fault::new(
                400,
                "Malformed input request: #: required key [input_type] or [texts] not found, \
                please reformat your input and try again.",
            ));
        }
        let vectors: Value =
            texts.iter().map(|t| json!(vector(&t.to_string(), DIMENSIONS as usize))).collect();
        return Ok(Answer::json(
            &json!({"embeddings": vectors, "id": turn.model, "response_type": "embeddings_floats",
            "texts": texts}),
        ));
    }
    let words = text(body, "inputText");
    if words.is_empty() {
        return Err(Fault::new(
            400,
            "Malformed input request: #: required key [inputText] not found, please reformat \
            your input and try again.",
        ));
    }
    let size = body.get("dimensions").and_then(Value::as_u64).unwrap_or(DIMENSIONS).clamp(1, 1536) as usize;
    Ok(Answer::json(
        &json!({"embedding": vector(words, size), "inputTextTokenCount": words.len().div_ceil(4)}),
    ))
}
