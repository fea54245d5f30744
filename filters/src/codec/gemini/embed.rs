//! Embeddings: `embedContent`, `batchEmbedContents`, and Vertex' `predict`.
//! <https://ai.google.dev/api/embeddings>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>

use super::json::Json;
use super::lenient::{self, Int, List, Num, Str, wire};
use super::wire::{Content, Usage};
use super::{Options, Platform};
use crate::codec::DecodeError;
use crate::ir::Raw;
use serde_json::value::RawValue;

/// Texts to embed, in any dialect's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The texts.
    pub input: Vec<String>,
    /// It is a list (`batchEmbedContents`), be it of one: the answer is one, too.
    pub batch: bool,
    /// Length of the vectors.
    pub dimensions: Option<u32>,
    /// What for (`RETRIEVAL_QUERY`).
    pub task: Option<String>,
    /// Title of a document.
    pub title: Option<String>,
}

/// Vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedReply {
    /// Each a JSON array of numbers, as the provider wrote it.
    pub vectors: Vec<Raw>,
    /// Tokens of the input, where the provider says it.
    pub tokens: Option<u64>,
}

wire! {
    One<'a> {
        model: Str<'a> = "model",
        content: Content<'a> = "content",
        task: Str<'a> = "taskType" | "task_type",
        title: Str<'a> = "title",
        dimensions: Int = "outputDimensionality" | "output_dimensionality",
        config: Settings<'a> = "embedContentConfig" | "embed_content_config",
        requests: List<One<'a>> = "requests",
    }
}

wire! {
    Settings<'a> {
        task: Str<'a> = "taskType" | "task_type",
        title: Str<'a> = "title",
        dimensions: Int = "outputDimensionality" | "output_dimensionality",
    }
}

wire! {
    Answer<'a> {
        one: Vector<'a> = "embedding",
        many: List<Vector<'a>> = "embeddings",
        predictions: List<Prediction<'a>> = "predictions",
        usage: Usage<'a> = "usageMetadata" | "usage_metadata",
    }
}

wire! {
    Prediction<'a> { vector: Vector<'a> = "embeddings" }
}

wire! {
    Vector<'a> {
        values: &'a RawValue = "values",
        statistics: Statistics<'a> = "statistics",
    }
}

wire! {
    Statistics<'a> { tokens: Num = "token_count" | "tokenCount" }
}

/// Decodes the body of `embedContent` or `batchEmbedContents`.
///
/// # Errors
/// No texts, settings that differ from text to text, or fields that are not known.
pub fn decode_embed_request(body: &[u8]) -> Result<EmbedRequest, DecodeError> {
    let one: One<'_> = lenient::read(body)?;
    let mut out: Option<EmbedRequest> = None;
    let batch = one.requests.is_some();
    let all = match one.requests {
        Some(list) => list.0,
        None => vec![one],
    };
    for (i, one) in all.into_iter().enumerate() {
        let at = if batch { format!("requests[{i}].") } else { String::new() };
        let single = single(one, &at)?;
        match &mut out {
            None => out = Some(EmbedRequest { batch, ..single }),
            Some(o)
                if o.dimensions == single.dimensions && o.task == single.task && o.title == single.title =>
            {
                o.input.extend(single.input);
            }
            Some(_) => {
                return Err(DecodeError::new(format!("{at}taskType"), "must be the same for all requests"));
            }
        }
    }
    out.ok_or_else(|| DecodeError::new("requests", "must not be empty"))
}

fn single(one: One<'_>, at: &str) -> Result<EmbedRequest, DecodeError> {
    let One { model: _, content, task, title, dimensions, config, requests: _, other } = one;
    let config = config.unwrap_or_default();
    if let Some((name, _)) = other.first().or(config.other.first()) {
        return Err(DecodeError::new(format!("{at}{name}"), "is not known"));
    }
    let mut text = String::new();
    for part in content.and_then(|c| c.parts).unwrap_or_default().0 {
        match part.text {
            Some(t) => text.push_str(t.as_str()),
            None => return Err(DecodeError::new(format!("{at}content.parts"), "only texts can be embedded")),
        }
    }
    let dimensions = dimensions.or(config.dimensions).map(|n| {
        u32::try_from(n.0)
            .map_err(|_| DecodeError::new(format!("{at}outputDimensionality"), "is out of range"))
    });
    Ok(EmbedRequest {
        input: vec![text],
        batch: false,
        dimensions: dimensions.transpose()?,
        task: task.or(config.task).map(Str::own),
        title: title.or(config.title).map(Str::own),
    })
}

/// Encodes the body: of `batchEmbedContents` for the Gemini API, of `predict` for Vertex.
pub fn encode_embed_request(r: &EmbedRequest, model: &str, options: &Options) -> Vec<u8> {
    let EmbedRequest { input, batch: _, dimensions, task, title } = r;
    let mut json = Json::default();
    let vertex = options.platform == Platform::Vertex;
    json.object();
    json.key(if vertex { "instances" } else { "requests" });
    json.array();
    for text in input {
        json.object();
        if vertex {
            json.member("content", text);
            json.maybe("task_type", task.as_ref());
        } else {
            json.member("model", &["models/", model.trim_start_matches("models/")].concat());
            json.key("content");
            json.object();
            json.key("parts");
            json.array();
            json.object();
            json.member("text", text);
            json.end_object();
            json.end_array();
            json.end_object();
            json.maybe("taskType", task.as_ref());
            json.maybe("outputDimensionality", *dimensions);
        }
        json.maybe("title", title.as_ref());
        json.end_object();
    }
    json.end_array();
    if vertex {
        json.key("parameters");
        json.object();
        // Too long is an error, as it is elsewhere; Vertex would cut a text in silence.
        json.member("autoTruncate", &false);
        json.maybe("outputDimensionality", *dimensions);
        json.end_object();
    }
    json.end_object();
    json.out
}

/// Encodes the body of `embedContent`, which takes one text: the first of `r`.
/// <https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent>
pub fn encode_embed_content(r: &EmbedRequest) -> Vec<u8> {
    let EmbedRequest { input, batch: _, dimensions, task, title } = r;
    let mut json = Json::default();
    json.object();
    json.key("content");
    json.object();
    json.key("parts");
    json.array();
    json.object();
    json.member("text", input.first().map_or("", String::as_str));
    json.end_object();
    json.end_array();
    json.end_object();
    json.maybe("taskType", task.as_ref());
    json.maybe("title", title.as_ref());
    json.maybe("outputDimensionality", *dimensions);
    json.member("autoTruncate", &false);
    json.end_object();
    json.out
}

/// Decodes the answer of any of the three.
///
/// # Errors
/// An embedding without values.
pub fn decode_embed_reply(body: &[u8]) -> Result<EmbedReply, DecodeError> {
    let Answer { one, many, predictions, usage, other: _ } = lenient::read(body)?;
    let all = one.into_iter().chain(many.unwrap_or_default().0);
    let predicted = predictions.unwrap_or_default().0.into_iter().filter_map(|p| p.vector);
    let mut out =
        EmbedReply { tokens: usage.and_then(|u| u.prompt).map(Int::count), ..EmbedReply::default() };
    for v in all.chain(predicted) {
        let values = v.values.ok_or_else(|| DecodeError::new("embeddings.values", "is missing"))?;
        out.vectors.push(Raw(values.to_owned()));
        // Vertex counts each text, and writes the counts as fractions.
        if let Some(n) = v.statistics.and_then(|s| s.tokens).filter(|n| (0.0..1e15).contains(&n.0)) {
            out.tokens = Some(out.tokens.unwrap_or(0) + n.0 as u64);
        }
    }
    Ok(out)
}

/// Encodes the answer for a client of `embedContent` or, `batch`, of `batchEmbedContents`.
pub fn encode_embed_reply(r: &EmbedReply, batch: bool) -> Vec<u8> {
    let EmbedReply { vectors, tokens } = r;
    let mut json = Json::default();
    let vector = |json: &mut Json, v: &Raw| {
        json.object();
        json.raw_member("values", v.text());
        json.end_object();
    };
    json.object();
    if batch {
        json.key("embeddings");
        json.array();
        vectors.iter().for_each(|v| vector(&mut json, v));
        json.end_array();
    } else if let Some(v) = vectors.first() {
        json.key("embedding");
        vector(&mut json, v);
    }
    if let Some(n) = tokens {
        json.key("usageMetadata");
        json.object();
        json.member("promptTokenCount", n);
        json.member("totalTokenCount", n);
        json.end_object();
    }
    json.end_object();
    json.out
}
