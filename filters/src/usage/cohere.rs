//! What a ranking cost: Cohere says it in `meta` (`tokens`, `billed_units`) <https://docs.cohere.com/reference/rerank>,
//! Jina and vLLM in `usage` (`total_tokens`) <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>.
//! Search units are no tokens, and are not counted.

use sallyport_schema::call::Usage;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    tokens: Option<Tokens>,
    billed_units: Option<Tokens>,
    prompt_tokens: Option<f64>,
    total_tokens: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<f64>,
}

/// A `meta` or `usage` object. None: it tells of no tokens.
pub(super) fn usage(raw: &[u8]) -> Option<Usage> {
    let raw: Raw = serde_json::from_slice::<Option<Raw>>(raw).ok()??;
    let told = |t: Option<Tokens>| t.and_then(|t| t.input_tokens);
    // A ranking has no output: all tokens are the input's.
    let input = told(raw.tokens).or(told(raw.billed_units)).or(raw.prompt_tokens).or(raw.total_tokens)?;
    Some(Usage { input: input.max(0.0) as u64, ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_each() {
        for (raw, want) in [
            (r#"{"api_version":{"version":"2"},"billed_units":{"search_units":1}}"#, None),
            (
                r#"{"billed_units":{"search_units":1},"tokens":{"input_tokens":12.0,"output_tokens":0}}"#,
                Some(12),
            ),
            (r#"{"total_tokens":7}"#, Some(7)),
            (r#"{"prompt_tokens":5,"total_tokens":7}"#, Some(5)),
            ("null", None),
            ("[]", None),
        ] {
            assert_eq!(usage(raw.as_bytes()).map(|u| u.input), want, "{raw}");
        }
    }
}
