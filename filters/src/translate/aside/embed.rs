//! Embeddings: clients of OpenAI <https://platform.openai.com/docs/api-reference/embeddings> and of Gemini
//! <https://ai.google.dev/api/embeddings> at OpenAI, Azure, compatible servers, the Gemini API, Vertex AI and Bedrock.
//!
//! One request of a client's may be several calls: Titan takes one text, Cohere 96, Gemini's lists 100, Vertex 250 or
//! one. The engine makes them side by side, and their answers are put together here.

use super::Answer;
use crate::codec::embeddings::bedrock::{self, Kind};
use crate::codec::embeddings::{self, Input, Reply, Request, purpose};
use crate::codec::gemini::{self, EmbedReply, EmbedRequest};
use crate::codec::{DecodeError, Wire};
use crate::exchange::Exchange;
use crate::ir::{Losses, Raw, Tokens};
use crate::outgoing::address::Operation;
use crate::surface::Surface;
use crate::translate::reply::Translated;
use sallyport_config::model::ProviderKind;
use sallyport_schema::call::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Texts of one request, at most: OpenAI's own bound.
const MOST: usize = 2048;
/// Texts of one `batchEmbedContents`. <https://ai.google.dev/gemini-api/docs/rate-limits>
const GEMINI_BATCH: usize = 100;
/// Texts of one `predict`, and their bytes: the bound is 20 000 tokens, and a token has three bytes at the very least
/// in most scripts.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings#api_limits>
const VERTEX_BATCH: (usize, usize) = (250, 60_000);

/// What the way back must know of the way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    texts: usize,
    front: Front,
    back: Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    OpenAi { base64: bool },
    Gemini { batch: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    OpenAi,
    Google(Google),
    Bedrock(Kind),
}

/// Google's ways to embed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Google {
    /// The Gemini API: `batchEmbedContents`.
    Batch,
    /// Vertex: `predict`, with so many texts and so many bytes of them.
    Predict(usize, usize),
    /// Vertex: `embedContent`, one text.
    Content,
}

/// The wire format that a provider answers in; None: it makes no embeddings by that model.
pub(in crate::translate) fn way(kind: ProviderKind, model: &str) -> Option<Wire> {
    Some(match back(kind, model)? {
        Back::OpenAi => Wire::Chat,
        Back::Google(_) => Wire::Gemini,
        Back::Bedrock(_) => Wire::Converse,
    })
}

fn back(kind: ProviderKind, model: &str) -> Option<Back> {
    Some(match kind {
        ProviderKind::Openai | ProviderKind::AzureOpenai | ProviderKind::OpenaiCompatible => Back::OpenAi,
        ProviderKind::Anthropic => return None,
        ProviderKind::Gemini => Back::Google(Google::Batch),
        ProviderKind::Vertex if model.contains("claude") => return None,
        ProviderKind::Vertex => Back::Google(vertex(model)),
        ProviderKind::Bedrock => Back::Bedrock(Kind::of(model)?),
    })
}

/// Google's SDKs decide it by the same words (`t_is_vertex_embed_content_model` of google-genai). Of
/// gemini-embedding-001 the documents say that it takes one text a request.
fn vertex(model: &str) -> Google {
    let (most, bytes) = VERTEX_BATCH;
    match model {
        m if m.contains("gemini-embedding-001") => Google::Predict(1, bytes),
        m if m.contains("gemini") || m.contains("maas") => Google::Content,
        _ => Google::Predict(most, bytes),
    }
}

/// Reads what the client asks.
pub(super) fn decode(x: &Exchange) -> Result<(Request, Embedding), DecodeError> {
    let asked = x.model_asked().unwrap_or_default();
    let (request, front) = if x.surface == Surface::Embeddings {
        let r = embeddings::decode_request(&x.body.raw)?;
        let base64 = r.base64;
        (r, Front::OpenAi { base64 })
    } else {
        let r = gemini::decode_embed_request(&x.body.raw)?;
        let EmbedRequest { input, batch, dimensions, task, title } = r;
        // A list is a list by its method, whatever the body looks like.
        let batch = batch || x.surface == Surface::GeminiBatchEmbed;
        let request = Request {
            model: asked.to_owned(),
            input: Input::Texts(input),
            dimensions,
            base64: false,
            user: None,
            input_type: task,
            title,
            extra: Vec::new(),
        };
        (request, Front::Gemini { batch })
    };
    let texts = match &request.input {
        Input::Texts(t) => t.len(),
        Input::Tokens(t) => t.len(),
    };
    if texts > MOST {
        return Err(DecodeError::new("input", format!("it must not hold more than {MOST} texts")));
    }
    Ok((request, Embedding { texts, front, back: Back::OpenAi }))
}

impl Embedding {
    /// Encodes the calls for a provider, in order; none where the input cannot be said at all (which is in `losses`).
    pub(super) fn encode(
        &mut self,
        r: &Request,
        kind: ProviderKind,
        served: &str,
        losses: &mut Losses,
    ) -> Vec<Vec<u8>> {
        self.back = back(kind, served).unwrap_or(Back::OpenAi);
        match self.back {
            Back::OpenAi => vec![openai(r, served, losses)],
            Back::Google(way) => google(r, way, served, losses),
            Back::Bedrock(kind) => bedrock::encode_requests(r, kind, losses),
        }
    }

    /// What is asked of the provider.
    pub(super) const fn operation(self) -> Operation<'static> {
        match self.back {
            Back::Google(Google::Content) => Operation::Embedding,
            _ => Operation::Embeddings,
        }
    }

    /// Puts the answers together, for the client. `asked`: the model as it asked for it.
    pub(super) fn reply(self, asked: &str, answers: &[Answer<'_>]) -> Result<Translated, DecodeError> {
        let reply = match self.back {
            Back::OpenAi => joined(answers, openai_reply)?,
            Back::Google(_) => joined(answers, |body| {
                let EmbedReply { vectors, tokens } = gemini::decode_embed_reply(body)?;
                Ok(Reply { vectors, input_tokens: tokens })
            })?,
            Back::Bedrock(kind) => {
                let tokens =
                    |a: &Answer<'_>| a.headers.get(bedrock::INPUT_TOKENS)?.to_str().ok()?.parse().ok();
                bedrock::decode_replies(kind, answers.iter().map(|a| (a.body, tokens(a))))?
            }
        };
        if reply.vectors.len() != self.texts || reply.vectors.iter().any(|v| !v.text().starts_with('[')) {
            return Err(DecodeError::new("", "it is not one list of numbers for each text"));
        }
        let tokens = reply
            .input_tokens
            .map(|input| Tokens { usage: Usage { input, ..Usage::default() }, ..Tokens::default() });
        let body = match self.front {
            Front::OpenAi { base64 } => embeddings::encode_reply(&reply, asked, base64)?,
            Front::Gemini { batch } => {
                let reply = EmbedReply { vectors: reply.vectors, tokens: reply.input_tokens };
                gemini::encode_embed_reply(&reply, batch)
            }
        };
        Ok(Translated { body, tokens })
    }
}

fn joined(
    answers: &[Answer<'_>],
    decode: impl Fn(&[u8]) -> Result<Reply, DecodeError>,
) -> Result<Reply, DecodeError> {
    let mut all = Reply::default();
    for answer in answers {
        let reply = decode(answer.body)?;
        all.vectors.extend(reply.vectors);
        if let Some(n) = reply.input_tokens {
            all.input_tokens = Some(all.input_tokens.unwrap_or(0).saturating_add(n));
        }
    }
    Ok(all)
}

/// A request of a Gemini client's for OpenAI and its like. (OpenAI's clients' own bytes pass.)
fn openai(r: &Request, served: &str, losses: &mut Losses) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        model: &'a str,
        input: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
        encoding_format: &'static str,
    }
    // Models without tasks make one kind of vectors, for every task.
    let why = "the model's provider knows no tasks of embeddings";
    for (field, _) in [("input_type", &r.input_type), ("title", &r.title)].iter().filter(|(_, v)| v.is_some())
    {
        losses.hint(*field, why);
    }
    let body =
        Body { model: served, input: texts(r, losses), dimensions: r.dimensions, encoding_format: "float" };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn texts<'a>(r: &'a Request, losses: &mut Losses) -> &'a [String] {
    match &r.input {
        Input::Texts(texts) => texts,
        Input::Tokens(_) => {
            losses.add("input", "tokens of another provider's model mean nothing there; send texts");
            &[]
        }
    }
}

fn google(r: &Request, way: Google, served: &str, losses: &mut Losses) -> Vec<Vec<u8>> {
    if r.user.is_some() {
        losses.hint("user", "Google has no such setting");
    }
    for (field, _) in &r.extra {
        losses.add(field, "Google has no such field");
    }
    let task = r.input_type.as_deref().filter(|w| !purpose::is_unspecified(w));
    let known = task.and_then(purpose::google);
    if task.is_some() && known.is_none() {
        losses.add("input_type", "the model knows no such purpose");
    }
    let request = |texts: &[String]| EmbedRequest {
        input: texts.to_vec(),
        batch: true,
        dimensions: r.dimensions,
        task: known.map(str::to_owned),
        title: r.title.clone(),
    };
    let platform = match way {
        Google::Batch => gemini::Platform::GeminiApi,
        Google::Predict(..) | Google::Content => gemini::Platform::Vertex,
    };
    let options = gemini::Options::of(platform);
    let (most, bytes) = match way {
        Google::Batch => (GEMINI_BATCH, usize::MAX),
        Google::Predict(most, bytes) => (most, bytes),
        Google::Content => (1, usize::MAX),
    };
    portions(texts(r, losses), most, bytes)
        .map(|texts| match way {
            Google::Content => gemini::encode_embed_content(&request(texts)),
            _ => gemini::encode_embed_request(&request(texts), served, &options),
        })
        .collect()
}

/// Cuts a list into portions of at most `most` texts and `bytes` bytes (a longer text is a portion of its own).
fn portions(mut rest: &[String], most: usize, bytes: usize) -> impl Iterator<Item = &[String]> {
    std::iter::from_fn(move || {
        let mut room = bytes;
        let fits = rest.iter().take(most).take_while(|t| {
            let fits = t.len() <= room;
            room = room.saturating_sub(t.len());
            fits
        });
        let n = fits.count().max(1).min(rest.len());
        let (portion, after) = rest.split_at(n);
        rest = after;
        (!portion.is_empty()).then_some(portion)
    })
}

fn openai_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Item>,
        usage: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        index: usize,
        embedding: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Counts {
        prompt_tokens: Option<u64>,
        total_tokens: Option<u64>,
    }
    let list: List = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let mut data = list.data;
    data.sort_by_key(|i| i.index);
    let vectors = data.into_iter().map(|i| Raw(i.embedding)).collect();
    Ok(Reply { vectors, input_tokens: list.usage.and_then(|u| u.prompt_tokens.or(u.total_tokens)) })
}

#[cfg(test)]
mod tests;
