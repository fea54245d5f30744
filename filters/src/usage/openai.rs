//! OpenAI's usage objects: Chat and Completions (`prompt_tokens`, …), Responses, embeddings, images and audio
//! (`input_tokens`, …), and what servers that imitate them add.
//! Source: the OpenAPI document of openai/openai-openapi (`CompletionUsage`, `ResponseUsage`, `ImageGenUsage`,
//! `TranscriptTextUsageTokens`).

use sallyport_schema::call::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Numbers are read as floats: some servers write `12.0`.
type Number = Option<f64>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    prompt_tokens: Number,
    input_tokens: Number,
    completion_tokens: Number,
    output_tokens: Number,
    total_tokens: Number,
    prompt_tokens_details: Option<InputDetails>,
    input_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    output_tokens_details: Option<OutputDetails>,
    /// DeepSeek's word for cached tokens.
    prompt_cache_hit_tokens: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Number,
    cache_write_tokens: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Number,
}

/// Not negative, whole.
fn n(value: Number) -> u64 {
    value.map_or(0, |v| v.max(0.0) as u64)
}

impl From<Raw> for Usage {
    fn from(r: Raw) -> Self {
        let input = n(r.prompt_tokens.or(r.input_tokens));
        let stated = n(r.completion_tokens.or(r.output_tokens));
        // Some servers (xAI, Gemini's OpenAI endpoint) leave reasoning out of the completion but not out of the total.
        let output = stated.max(n(r.total_tokens).saturating_sub(input));
        let details = r.prompt_tokens_details.or(r.input_tokens_details).unwrap_or_default();
        let reasoning = r.completion_tokens_details.or(r.output_tokens_details).unwrap_or_default();
        Self {
            input,
            cached_input: n(details.cached_tokens.or(r.prompt_cache_hit_tokens)),
            cache_write: n(details.cache_write_tokens),
            cache_write_1h: 0,
            output,
            reasoning: n(reasoning.reasoning_tokens),
        }
    }
}

/// What a usage object says.
pub(super) struct Said {
    /// The counts; where only a total was given, it stands as output.
    pub(super) usage: Usage,
    /// Only a total was given.
    pub(super) total_only: bool,
}

/// A usage object. None: null, not an object, or one without token counts (audio that is billed by the second).
pub(super) fn usage(raw: &[u8]) -> Option<Said> {
    // Checked once as a whole: `from_slice` would check each key apart.
    let raw: Raw = serde_json::from_str::<Option<Raw>>(std::str::from_utf8(raw).ok()?).ok()??;
    let parts = [raw.prompt_tokens, raw.input_tokens, raw.completion_tokens, raw.output_tokens];
    let total_only = parts.iter().all(Option::is_none);
    (!total_only || raw.total_tokens.is_some()).then(|| Said { usage: raw.into(), total_only })
}

/// The usage in a chunk of a stream, and whether the chunk has nothing else to say (`"choices":[]`).
pub(super) fn chunk(data: &[u8]) -> Option<(Said, bool)> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        #[serde(borrow)]
        choices: Option<&'a RawValue>,
    }
    let chunk: Chunk<'_> = serde_json::from_slice(data).ok()?;
    let said = usage(chunk.usage?.get().as_bytes())?;
    // An empty list may have white space in it.
    let none = |c: &RawValue| c.get().bytes().filter(|c| !c.is_ascii_whitespace()).eq(*b"[]");
    Some((said, chunk.choices.is_some_and(none)))
}

/// What an event of the Responses API says of the response.
pub(super) struct Response {
    pub(super) id: Option<String>,
    pub(super) store: Option<bool>,
    pub(super) usage: Option<Usage>,
    pub(super) status: Option<String>,
    pub(super) background: Option<bool>,
}

/// Reads `response` of an event.
pub(super) fn response(data: &[u8]) -> Option<Response> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        response: Inner<'a>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        id: Option<String>,
        store: Option<bool>,
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        #[serde(borrow)]
        status: Option<std::borrow::Cow<'a, str>>,
        background: Option<bool>,
    }
    let r = serde_json::from_slice::<Outer<'_>>(data).ok()?.response;
    Some(Response {
        id: r.id,
        store: r.store,
        usage: r.usage.and_then(|u| usage(u.get().as_bytes())).map(|s| s.usage),
        status: r.status.map(std::borrow::Cow::into_owned),
        background: r.background,
    })
}
