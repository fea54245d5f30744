//! `POST /v1/embeddings`: unit vectors that depend on nothing but the text.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::ids::Dice;
use crate::sim::openai::required;
use serde::Deserialize;
use serde_json::{Value, json};

const DIMENSIONS: usize = 1536;
const DIMENSIONS_MAX: usize = 4096;

#[derive(Deserialize)]
struct Request {
    input: Value,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

/// Answers with one vector for each input.
pub(crate) fn answer(turn: &Turn<'_>) -> Result<Answer, Fault> {
    required(turn.ask.input, "input")?;
    let request: Request = serde_json::from_slice(turn.body).map_err(|e| Fault {
        param: Some("input".into()),
        ..Fault::new(400, format!("Invalid request: {e}"))
    })?;
    let inputs: Vec<Value> = match request.input {
        // a list of numbers is one input in tokens
        Value::Array(list) if !list.first().is_some_and(Value::is_number) => list,
        one => vec![one],
    };
    if inputs.is_empty() {
        return Err(Fault {
            param: Some("input".into()),
            ..Fault::new(400, "'$.input' is invalid: it is empty.")
        });
    }
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS_MAX);
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let mut tokens = 0;
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            tokens += match input {
                Value::Array(numbers) => numbers.len(),
                other => other.as_str().unwrap_or_default().len().div_ceil(4),
            };
            let vector = vector(&input.to_string(), dimensions);
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(super::images::base64(&bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Ok(Answer::json(&json!({"object": "list", "data": data, "model": turn.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})))
}

/// The vector of a text.
pub(crate) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a: the same text gives the same vector in every process
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut dice = Dice::new(seed, 0);
    let mut vector: Vec<f32> =
        (0..dimensions).map(|_| (dice.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0).collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}
