//! Reranking by Bedrock: `POST /rerank` of the *agent* runtime (host `bedrock-agent-runtime.<region>.amazonaws.com`,
//! signed for the service `bedrock`), for Amazon's and Cohere's models alike.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>

use super::{Document, Ranked, Reply, Request};
use crate::codec::DecodeError;
use crate::ir::Losses;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The path.
pub const PATH: &str = "/rerank";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    queries: [Query<'a>; 1],
    sources: Vec<Source<'a>>,
    reranking_configuration: Configuration<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Query<'a> {
    r#type: &'static str,
    text_query: Text<'a>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    r#type: &'static str,
    inline_document_source: Inline<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Inline<'a> {
    #[serde(rename = "TEXT")]
    Text { text_document: Text<'a> },
    #[serde(rename = "JSON")]
    Json { json_document: &'a RawValue },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration<'a> {
    r#type: &'static str,
    bedrock_reranking_configuration: Bedrock<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bedrock<'a> {
    model_configuration: Model<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_results: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    model_arn: &'a str,
}

/// The ARN of a model: what is one already stays as it is.
pub fn arn(model: &str, region: &str) -> String {
    if model.starts_with("arn:") {
        return model.to_owned();
    }
    let partition = match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:bedrock:{region}::foundation-model/{model}")
}

/// Encodes a request. What cannot be said goes to `losses`.
pub fn encode_request(r: &Request, model_arn: &str, losses: &mut Losses) -> Vec<u8> {
    let Request { model: _, query, documents, top_n, return_documents: _, extra } = r;
    for (field, _) in extra {
        losses.add(field, "Bedrock has no such field");
    }
    let sources = documents.iter().map(|d| Source {
        r#type: "INLINE",
        inline_document_source: match d {
            Document::Text(text) => Inline::Text { text_document: Text { text } },
            Document::Json(raw) => Inline::Json { json_document: &raw.0 },
        },
    });
    // Cohere's default is all of them; what Bedrock's is, it does not say.
    let all = u32::try_from(documents.len()).unwrap_or(u32::MAX);
    let said = Said {
        queries: [Query { r#type: "TEXT", text_query: Text { text: query } }],
        sources: sources.collect(),
        reranking_configuration: Configuration {
            r#type: "BEDROCK_RERANKING_MODEL",
            bedrock_reranking_configuration: Bedrock {
                model_configuration: Model { model_arn },
                number_of_results: Some(top_n.unwrap_or(all).min(all)),
            },
        },
    };
    serde_json::to_vec(&said).unwrap_or_default()
}

/// Decodes an answer.
///
/// # Errors
/// Bytes that are no such answer.
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        index: u32,
        relevance_score: f64,
    }
    let a: Answer = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let results = a.results.into_iter().map(|r| Ranked { index: r.index, score: r.relevance_score });
    Ok(Reply { results: results.collect() })
}
