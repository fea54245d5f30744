//! What clients ask and hear, in each of the four APIs.

use super::super::client::Answer;
use super::super::setups::error_type;
use super::super::speech::{Format, Said, ask, hear};
use super::generate;
use serde_json::{Value, json};

/// An API that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// One of the formats that the other tests know.
    Of(Format),
    /// Gemini's generateContent.
    Generate,
}

/// All of them.
pub(crate) const FRONTS: [Front; 4] =
    [Front::Of(Format::Chat), Front::Of(Format::Responses), Front::Of(Format::Messages), Front::Generate];

/// Mark of a body that asks Gemini's API for a stream: there the path says it.
const STREAM: &str = "__stream";

impl Front {
    /// Where `body` goes.
    pub(crate) fn path(self, model: &str, body: &Value) -> String {
        match self {
            Self::Of(format) => format.path().to_owned(),
            Self::Generate if body.get(STREAM).is_some() => {
                format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
            }
            Self::Generate => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    /// The body for a model.
    pub(crate) fn with_model(self, body: &Value, model: &str) -> Value {
        let mut body = body.clone();
        match self {
            Self::Of(_) => body["model"] = model.into(),
            Self::Generate => {
                body.as_object_mut().unwrap().remove(STREAM);
            }
        }
        body
    }

    /// Some words of the user's.
    pub(crate) fn text(self, words: &str, stream: bool) -> Value {
        match self {
            Self::Of(format) => put(ask::text(format, stream), words),
            Self::Generate => streamed(generate::text(words), stream),
        }
    }

    /// The same with a tool `weather` and the wish for thoughts, sealed where that must be asked for.
    pub(crate) fn tools(self, words: &str, stream: bool, thinks: bool) -> Value {
        let mut body = match self {
            Self::Of(format) => put(ask::tools(format, stream), words),
            Self::Generate => streamed(generate::tools(words), stream),
        };
        match self {
            Self::Of(Format::Responses) => body["include"] = json!(["reasoning.encrypted_content"]),
            Self::Of(Format::Chat) if thinks => body["reasoning_effort"] = "low".into(),
            Self::Of(Format::Messages) if thinks => {
                body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
            }
            Self::Generate if thinks => {
                body["generationConfig"]["thinkingConfig"] =
                    json!({"includeThoughts": true, "thinkingBudget": 1024});
            }
            _ => {}
        }
        body
    }

    /// The turn after `body`: the answer as the client got it, and the results of its calls.
    pub(crate) fn after(self, body: Value, got: &Answer, heard: &Said) -> Value {
        match self {
            Self::Of(format) => ask::after(format, body, &hear::object(format, &readable(got)), heard),
            Self::Generate => generate::after(body, got, heard),
        }
    }

    /// With a picture (base64 of a PNG).
    pub(crate) fn image(self, data: &str) -> Value {
        match self {
            Self::Of(format) => ask::image(format, data),
            Self::Generate => generate::image(data),
        }
    }

    /// With a schema for the answer.
    pub(crate) fn structured(self, stream: bool) -> Value {
        match self {
            Self::Of(format) => {
                let mut body = ask::structured(format);
                if stream {
                    body["stream"] = true.into();
                    if format == Format::Chat {
                        body["stream_options"] = json!({"include_usage": true});
                    }
                }
                body
            }
            Self::Generate => streamed(generate::structured(), stream),
        }
    }

    /// What the client hears of a model. Proofs are left out: what they are worth shows in the next turn.
    pub(crate) fn hear(self, model: &str, got: &Answer) -> Said {
        got.expect(200);
        let mut got = readable(got);
        let named =
            format!("\"{}\":\"{model}\"", if self == Self::Generate { "modelVersion" } else { "model" });
        let text = got.text();
        assert!(text.contains(&named), "the name that was asked for: {text}");
        let mut said = match self {
            Self::Of(format) => {
                got.body = text.replace(&named, "\"model\":\"m\"").into();
                hear::answer(format, &got)
            }
            Self::Generate => generate::hear(&got),
        };
        said.proof.clear();
        said
    }

    /// Asserts the front's own envelope of an error; its type, or Google's word.
    #[track_caller]
    pub(crate) fn error(self, body: &Value) -> String {
        match self {
            Self::Of(format) => error_type(format.path(), body),
            Self::Generate => {
                let e = &body["error"];
                assert!(e["message"].as_str().is_some_and(|m| !m.is_empty()), "no message: {body}");
                assert!(body.get("type").is_none() && e.get("type").is_none(), "another dialect: {body}");
                assert!(e["code"].is_u64(), "no code: {body}");
                e["status"].as_str().unwrap_or_else(|| panic!("no status: {body}")).to_owned()
            }
        }
    }

    /// What only a complete stream holds.
    pub(crate) fn end_mark(self) -> &'static str {
        match self {
            Self::Of(Format::Chat) => "[DONE]",
            Self::Of(Format::Responses) => "response.completed",
            Self::Of(Format::Messages) => "message_stop",
            Self::Generate => "finishReason",
        }
    }
}

/// Azure begins its streams with a chunk about the prompt, which passes as it is; the readers do not know it.
fn readable(got: &Answer) -> Answer {
    let mut got = got.clone();
    let text = got.text();
    if text.starts_with("data: {\"choices\":[]") && text.contains("\"prompt_filter_results\"") {
        let (_, rest) = text.split_once("\n\n").unwrap();
        got.body = rest.into();
    }
    got
}

/// Other words for the user.
fn put(mut body: Value, words: &str) -> Value {
    fn change(value: &mut Value, words: &str) {
        match value {
            Value::String(text) if text == "Weather?" => *text = words.to_owned(),
            Value::Array(all) => all.iter_mut().for_each(|v| change(v, words)),
            Value::Object(all) => all.values_mut().for_each(|v| change(v, words)),
            _ => {}
        }
    }
    change(&mut body, words);
    body
}

fn streamed(mut body: Value, stream: bool) -> Value {
    if stream {
        body[STREAM] = true.into();
    }
    body
}
