//! One call: what the engine does with it (proxy/src/engine/{prepare,translated,attempt}.rs), without sockets.

use super::data::Answers;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sallyport_config::model::{
    AzureOpenaiSettings, BedrockApi, BedrockSettings, Config, HttpVersions, KindSettings,
    OpenaiCompatibleSettings, ProviderKind, ReasoningField,
};
use sallyport_config::models::ModelTable;
use sallyport_config::prices::PriceTable;
use sallyport_config::snapshot::{Provider, Snapshot, Source};
use sallyport_filters::body::RequestBody;
use sallyport_filters::codec::{Wire, gemini};
use sallyport_filters::dialect::{error as dialect_error, fault};
use sallyport_filters::exchange::{Exchange, Target};
use sallyport_filters::ir::Tokens;
use sallyport_filters::outgoing::{tell_retry_after, translated_response_headers};
use sallyport_filters::rejection::Rejection;
use sallyport_filters::surface::{Named, Surface};
use sallyport_filters::translate::{self, Back, Encoded, Stream, Translation, Way};
use serde_json::Value;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// An upstream to be called.
pub(crate) struct Upstream {
    pub(crate) target: Target,
    /// Its wire format.
    pub(crate) wire: Wire,
}

impl Upstream {
    pub(crate) fn new(name: &str) -> Self {
        let (kind, wire, model) = match name {
            "compatible" => (ProviderKind::OpenaiCompatible, Wire::Chat, "llama-4-scout"),
            "azure" => (ProviderKind::AzureOpenai, Wire::Chat, "our-deployment"),
            "responses" => (ProviderKind::Openai, Wire::Responses, "gpt-5"),
            "messages" => (ProviderKind::Anthropic, Wire::Messages, "claude-sonnet-4-5"),
            "gemini" => (ProviderKind::Gemini, Wire::Gemini, "gemini-3-pro-preview"),
            "converse" => {
                (ProviderKind::Bedrock, Wire::Converse, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
            }
            other => panic!("no upstream {other}"),
        };
        let settings = match kind {
            ProviderKind::AzureOpenai => KindSettings::AzureOpenai(AzureOpenaiSettings {
                api_version: Some("2024-10-21".into()),
                ..AzureOpenaiSettings::default()
            }),
            ProviderKind::Bedrock => KindSettings::Bedrock(BedrockSettings {
                api: Some(BedrockApi::Converse),
                ..BedrockSettings::default()
            }),
            other => KindSettings::default_of(other),
        };
        Self::with(name, (kind, wire, model), settings)
    }

    /// A compatible server at a company's own domain that gets thoughts back under this name.
    pub(crate) fn reading(field: Option<ReasoningField>) -> Self {
        let settings = OpenaiCompatibleSettings { reasoning_field: field, ..Default::default() };
        let what = (ProviderKind::OpenaiCompatible, Wire::Chat, "qwen3");
        Self::with("compatible", what, KindSettings::OpenaiCompatible(settings))
    }

    fn with(name: &str, (kind, wire, model): (ProviderKind, Wire, &str), settings: KindSettings) -> Self {
        let provider = Provider {
            name: name.into(),
            kind,
            tls: true,
            host: "api.example".into(),
            port: 443,
            authority: "api.example".into(),
            base_path: String::new().into(),
            api_key: None,
            settings,
            headers: Vec::new(),
            http: HttpVersions::Auto,
            ca_file: None,
            tls_name: "api.example".into(),
            passthrough: Arc::default(),
            enabled: true,
            generation: 1,
            managed: true,
        };
        Self { target: Target { provider: Arc::new(provider), model: Some(model.into()) }, wire }
    }

    pub(crate) fn way(&self, front: Wire) -> Way {
        let model = self.target.model.as_deref().unwrap();
        translate::way(&self.target.provider, model, surface(front)).unwrap()
    }

    pub(crate) fn back(&self, front: Wire) -> Back {
        self.way(front).back(&self.target.provider).unwrap()
    }
}

const fn surface(front: Wire) -> Surface {
    match front {
        Wire::Chat => Surface::Chat,
        Wire::Responses => Surface::Responses,
        Wire::Messages => Surface::Messages,
        Wire::Gemini | Wire::Converse => Surface::Generate,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: 1,
        built_at: OffsetDateTime::UNIX_EPOCH,
        source: Source::Store,
        config_hash: String::new(),
        config: Arc::new(Config::default()),
        files: Arc::new(Config::default()),
        document: Default::default(),
        keys: Default::default(),
        users: Default::default(),
        accounts: Default::default(),
        roles: Default::default(),
        teams: Default::default(),
        providers: Default::default(),
        models: Arc::new(ModelTable::new([])),
        prices: Arc::new(PriceTable::new(std::iter::empty())),
    }
}

/// A client's call with this body.
pub(crate) fn exchange(front: Wire, body: &Value, stream: bool) -> Exchange {
    let (surface, mut body) = (surface(front), body.clone());
    let mut x = Exchange::new(Arc::new(snapshot()), surface, surface.dialect());
    x.id = Uuid::from_u128(0x0199_a000_0000_7000_8000_0000_0000_0001);
    x.started_at = OffsetDateTime::from_unix_timestamp(1_760_000_100).unwrap();
    if front == Wire::Gemini {
        let named = Named { model: "house".into(), stream, framing: gemini::Framing::Sse };
        x.body = RequestBody::unread(Some(named));
    } else if stream {
        body["stream"] = true.into();
        if front == Wire::Chat {
            body["stream_options"] = serde_json::json!({"include_usage": true});
        }
    }
    x.body = x.body.read(body.to_string().into(), None, surface).map_err(|e| e.to_string()).unwrap();
    x
}

/// A call whose request is encoded.
pub(crate) struct Begun {
    pub(crate) x: Exchange,
    pub(crate) encoded: Encoded,
    pub(crate) translation: Translation,
}

/// Decodes and encodes.
pub(crate) fn begin(
    (front, up): (Wire, &Upstream),
    body: &Value,
    stream: bool,
    lossy: bool,
) -> Result<Begun, Rejection> {
    let x = exchange(front, body, stream);
    let c = translate::decode(&x, front)?;
    let (translation, encoded) = Translation::begin(&x, &c, front, up.back(front), &up.target, lossy)?;
    Ok(Begun { x, encoded, translation })
}

/// An answer in the client's format, whole or as a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) body: Bytes,
    pub(crate) tokens: Option<Tokens>,
    /// The answer came to its own end.
    pub(crate) ended: bool,
}

/// The whole answer.
pub(crate) fn whole(begun: &Begun, answers: &Answers, case: &str) -> Option<Told> {
    let answer = begun.translation.reply(&answers.whole(case)?).map_err(|e| e.to_string()).unwrap();
    Some(Told { body: answer.body.into(), tokens: answer.tokens, ended: true })
}

/// The stream, its bytes cut where `cuts` say.
pub(crate) fn stream(begun: Begun, bytes: &Bytes, cuts: &[usize]) -> Told {
    let Begun { x, translation, .. } = begun;
    let mut stream = translation.into_stream();
    let mut out = BytesMut::new();
    let mut at = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let said = if stream.failed().is_some() { break } else { stream.push(bytes.slice(at..end)) };
        at = end;
        if let Err(why) = say(said, &mut stream, &mut out) {
            cut(&x, &mut stream, &why, &mut out);
            return Told { body: out.freeze(), tokens: stream.tokens(), ended: false };
        }
    }
    if stream.failed().is_none() {
        let said = stream.finish();
        if let Err(why) = say(said, &mut stream, &mut out) {
            cut(&x, &mut stream, &why, &mut out);
        }
    }
    Told { body: out.freeze(), tokens: stream.tokens(), ended: stream.ended() }
}

fn say(said: Result<Bytes, Rejection>, stream: &mut Stream, out: &mut BytesMut) -> Result<(), Rejection> {
    let said = said.inspect_err(|_| out.extend_from_slice(&stream.take()))?;
    out.extend_from_slice(&said);
    Ok(())
}

fn cut(x: &Exchange, stream: &mut Stream, why: &Rejection, out: &mut BytesMut) {
    let event = stream
        .break_off(why)
        .unwrap_or_else(|| dialect_error::event(why, x.dialect, &x.id.to_string(), stream.next_sequence()));
    out.extend_from_slice(&event);
}

/// An error answer: status, headers and body for the client.
pub(crate) fn failed((front, up): (Wire, &Upstream), said: &Value) -> (u16, HeaderMap, Bytes) {
    let x = exchange(front, &serde_json::json!({"model": "house", "contents": []}), false);
    let mut headers = HeaderMap::new();
    for (name, value) in said["headers"].as_object().unwrap() {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value.as_str().unwrap()).unwrap(),
        );
    }
    let status = StatusCode::from_u16(said["status"].as_u64().unwrap() as u16).unwrap();
    let body = said["body"].to_string();
    let told = translate::answer_of(up.back(front).errors, status, &headers, body.as_bytes());
    let error = told.error.expect("an error of its API");
    let after = fault::retry_hint(&headers, body.as_bytes()).after;
    let id = x.id.to_string();
    let (status, body) = dialect_error::pass_on(told.kind, status.as_u16(), &error, after, x.dialect, &id);
    let mut headers = translated_response_headers(&headers);
    tell_retry_after(&mut headers, after);
    (status, headers, dialect_error::framed(&x, body))
}
