//! Embeddings of Bedrock's models, by InvokeModel: Amazon Titan
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html> and Cohere Embed
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>.
//!
//! A Titan call takes one text, a Cohere call at most 96: one request of OpenAI's may be several calls.

use super::{Input, Reply, Request, purpose};
use crate::codec::DecodeError;
use crate::ir::{Losses, Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The answer's header with the tokens of the input; Cohere says them nowhere else.
pub const INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// A model's own format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `amazon.titan-embed-text-v1`, `amazon.titan-embed-g1-text-02`: no settings.
    Titan1,
    /// `amazon.titan-embed-text-v2:0`.
    Titan2,
    /// `cohere.embed-english-v3`, `cohere.embed-multilingual-v3`: a fixed number of dimensions.
    Cohere3,
    /// `cohere.embed-v4:0`.
    Cohere4,
}

impl Kind {
    /// From the model's id or ARN; None: not a model that embeds texts in a format known here.
    pub fn of(model: &str) -> Option<Self> {
        Some(match model {
            m if m.contains("titan-embed-text-v2") => Self::Titan2,
            m if m.contains("titan-embed-text") || m.contains("titan-embed-g1") => Self::Titan1,
            m if m.contains("cohere.embed-v4") => Self::Cohere4,
            m if m.contains("cohere.embed") => Self::Cohere3,
            _ => return None,
        })
    }

    /// Texts of one call.
    pub const fn batch(self) -> usize {
        match self {
            Self::Titan1 | Self::Titan2 => 1,
            Self::Cohere3 | Self::Cohere4 => 96,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Titan<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[derive(Serialize)]
struct Cohere<'a> {
    texts: &'a [String],
    input_type: &'a str,
    /// Too long is an error, as at OpenAI.
    truncate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

/// Bodies of the calls, in order; none if the input cannot be said at all. What cannot be said goes to `losses`.
pub fn encode_requests(r: &Request, kind: Kind, losses: &mut Losses) -> Vec<Vec<u8>> {
    let Request { model: _, input, dimensions, base64: _, user, input_type, title, extra } = r;
    for (field, _) in [("user", user), ("title", title)].iter().filter(|(_, value)| value.is_some()) {
        losses.hint(*field, "Bedrock has no such setting");
    }
    for (field, _) in extra {
        losses.add(field, "Bedrock has no such field");
    }
    let titan = matches!(kind, Kind::Titan1 | Kind::Titan2);
    let purpose = match input_type.as_deref() {
        Some(_) if titan => {
            losses.hint("input_type", "Titan makes no such difference");
            None
        }
        Some(word) => {
            let cohere = purpose::cohere(word);
            if cohere.is_none() && !purpose::is_unspecified(word) {
                losses.add("input_type", "the model knows no such purpose");
            }
            cohere
        }
        None => None,
    };
    if dimensions.is_some() && matches!(kind, Kind::Titan1 | Kind::Cohere3) {
        losses.add("dimensions", "this model's vectors have one length only");
    }
    let Input::Texts(texts) = input else {
        losses.add("input", "tokens of another provider's model mean nothing there; send texts");
        return Vec::new();
    };
    let bodies = texts.chunks(kind.batch()).map(|texts| match kind {
        Kind::Titan1 => said(&Titan { input_text: &texts[0], dimensions: None }),
        Kind::Titan2 => said(&Titan { input_text: &texts[0], dimensions: *dimensions }),
        Kind::Cohere3 | Kind::Cohere4 => said(&Cohere {
            texts,
            // It must be said. What is not said to be a query is a document.
            input_type: purpose.unwrap_or("search_document"),
            truncate: "NONE",
            output_dimension: dimensions.filter(|_| kind == Kind::Cohere4),
        }),
    });
    bodies.collect()
}

/// Structs of texts and numbers always serialise.
fn said(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanReply<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    input_text_token_count: Option<u64>,
}

#[derive(Deserialize)]
struct CohereReply<'a> {
    #[serde(borrow)]
    embeddings: Vectors<'a>,
}

/// A list, or lists by type (which Cohere 4 gives).
struct Vectors<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Vectors<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct ByType<'a> {
            #[serde(borrow)]
            float: Vec<&'a RawValue>,
        }
        let raw: &'de RawValue = Deserialize::deserialize(d)?;
        let wrong = serde::de::Error::custom;
        if raw.get().starts_with('{') {
            let t: ByType<'de> = serde_json::from_str(raw.get()).map_err(wrong)?;
            return Ok(Self(t.float));
        }
        serde_json::from_str(raw.get()).map(Self).map_err(wrong)
    }
}

/// Puts the answers of all calls together. `tokens`: the header [`INPUT_TOKENS`] of each.
///
/// # Errors
/// Bytes that are no such answer.
pub fn decode_replies<'a>(
    kind: Kind,
    answers: impl IntoIterator<Item = (&'a [u8], Option<u64>)>,
) -> Result<Reply, DecodeError> {
    let wrong = |e: serde_json::Error| DecodeError::new("", e.to_string());
    let mut reply = Reply::default();
    for (body, header) in answers {
        let said = match kind {
            Kind::Titan1 | Kind::Titan2 => {
                let r: TitanReply<'_> = serde_json::from_slice(body).map_err(wrong)?;
                reply.vectors.push(Raw(r.embedding.to_owned()));
                r.input_text_token_count
            }
            Kind::Cohere3 | Kind::Cohere4 => {
                let r: CohereReply<'_> = serde_json::from_slice(body).map_err(wrong)?;
                reply.vectors.extend(r.embeddings.0.into_iter().map(|v| Raw(v.to_owned())));
                None
            }
        };
        if let Some(n) = said.or(header) {
            reply.input_tokens = Some(reply.input_tokens.unwrap_or(0).saturating_add(n));
        }
    }
    Ok(reply)
}
