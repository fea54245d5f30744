//! Every front with every kind of provider: what the provider says is what the client hears, what the provider counts
//! is what the call log says.

use super::support::gateway::{Gateway, UPSTREAM_KEY};
use super::support::samples::price;
use super::support::setups::provider;
use super::support::speech::{
    Format, KINDS, NANOS, Said, Stop, USAGE, ask, back, hear, pairs, say, translated,
};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};
use std::sync::{Arc, Mutex};

/// One gateway with a provider of each kind, all of them the same stub; the kind is told by its path.
pub(crate) struct House {
    pub(crate) stub: Stub,
    pub(crate) gateway: Gateway,
    said: Arc<Mutex<Said>>,
}

/// The format that a request at the stub speaks.
pub(crate) fn spoken(request: &Received) -> Format {
    let path = request.target().split('?').next().unwrap_or_default();
    let all = [Format::Chat, Format::Responses, Format::Messages];
    // The path of the provider's own stands before.
    all.into_iter().find(|f| path.ends_with(f.path())).unwrap_or_else(|| panic!("at {path}"))
}

/// Providers of all kinds at one address; models `m` of each are called by their provider's name.
pub(crate) fn kinds(url: &str, more: Value) -> Value {
    let base = url.strip_suffix("/v1").unwrap();
    let providers: Vec<_> = KINDS.map(|k| provider(k, k, &format!("{base}/{k}/v1"))).into();
    let models: Vec<_> =
        KINDS.map(|k| object!({"name": k, "routes": [{"provider": k, "model": "m"}]})).into();
    let all = object!({"providers": providers, "models": models, "prices": {"models": {"m": price()}}});
    super::support::setups::with(all, more)
}

impl House {
    pub(crate) async fn new(more: Value) -> Self {
        let said = Arc::new(Mutex::new(Said::text("Hi.")));
        let words = said.clone();
        let stub = Stub::answering(move |r| say::answer(spoken(r), &words.lock().unwrap(), &r.json())).await;
        let gateway = Gateway::start(kinds(&stub.url(), more)).await;
        Self { stub, gateway, said }
    }

    /// What the providers answer from now on.
    pub(crate) fn says(&self, said: &Said) {
        *self.said.lock().unwrap() = said.clone();
    }

    /// Asks the model of a kind of provider; the answer, and the request that the provider got.
    pub(crate) async fn ask(
        &self,
        front: Format,
        kind: &str,
        mut body: Value,
    ) -> (super::support::client::Answer, Received) {
        body["model"] = kind.into();
        let got = self.gateway.post(front.path(), body.to_string()).await;
        let last = self.stub.received().pop().unwrap();
        (got, last)
    }
}

/// Translated answers name the model that was asked for, verbatim ones that which served: the readers know `m` only.
fn heard(front: Format, kind: &str, got: &super::support::client::Answer) -> Said {
    let mut got = got.clone();
    let name = if back(front, kind) == front { "m" } else { kind };
    let text = got.text();
    assert!(text.contains(&format!("\"model\":\"{name}\"")), "{front:?} {kind}: {text}");
    got.body = text.replace(&format!("\"model\":\"{kind}\""), "\"model\":\"m\"").into();
    hear::answer(front, &got)
}

/// What is said to a front by a kind of provider, as far as the front has words for it.
fn expected(front: Format, kind: &str, said: &Said) -> Said {
    let mut want = said.clone();
    let upstream = back(front, kind);
    // Chat servers prove nothing; Anthropic's refusals are texts, and so they are to its clients.
    if upstream == Format::Chat {
        want.proof.clear();
    }
    if front == Format::Messages || upstream == Format::Messages {
        want.text.push_str(&std::mem::take(&mut want.refusal));
    }
    want
}

async fn says_the_same(house: &House, said: &Said, body: fn(Format, bool) -> Value) {
    house.says(said);
    for (front, kind) in pairs() {
        for stream in [false, true] {
            let (got, _) = house.ask(front, kind, body(front, stream)).await;
            let mut heard = heard(front, kind, &got);
            let want = expected(front, kind, said);
            // A foreign proof travels sealed; that it comes back is another test's matter.
            if heard.proof != want.proof {
                assert!(heard.proof.contains("sp1."), "{front:?} {kind} {stream}: {:?}", heard.proof);
                heard.proof.clone_from(&want.proof);
            }
            assert_eq!(heard, want, "{front:?} from {kind}, stream: {stream}: {}", got.text());
            let call = house.gateway.logged(&got.id()).await;
            let counted = ["input", "cached_input", "output", "reasoning"].map(|f| &call["usage"][f]);
            assert_eq!(counted, USAGE.map(Value::from).each_ref(), "{front:?} {kind} {stream}: {call}");
            assert_eq!(call["cost"]["nanos"], NANOS, "{front:?} {kind} {stream}: {call}");
            assert_eq!((&call["status"], &call["provider"]), (&object!(200), &object!(kind)), "{call}");
            assert_eq!(call["model_served"], "m", "{call}");
        }
    }
}

#[tokio::test]
async fn texts() {
    let house = House::new(object!({})).await;
    let text = "Grüße, 世界 👋 \\ \" \n\t </end>\u{2028}";
    says_the_same(&house, &Said::text(text), ask::text).await;
}

/// Lessons, Protocol: "Tool arguments get lost or doubled in streamed translation".
#[tokio::test]
async fn calls() {
    let house = House::new(object!({})).await;
    let one =
        Said::text("I look.").call("call_1", "weather", r#"{"city":"Zürich","n":1.5,"deep":{"a":[1,2,{}]}}"#);
    says_the_same(&house, &one, ask::tools).await;
    // Nothing but calls, several of them, one without arguments.
    let many = Said::text("")
        .call("call_1", "weather", r#"{"city":"Zürich"}"#)
        .call("call_2", "weather", "{}")
        .call("call_3", "weather", r#"{"city":"\"\\","z":[]}"#);
    says_the_same(&house, &many, ask::tools).await;
}

#[tokio::test]
async fn thoughts() {
    let house = House::new(object!({})).await;
    let said = Said::text("So.").thinking("Let me think, 世界.", "EqQBCkYI+/==");
    says_the_same(&house, &said, ask::text).await;
}

#[tokio::test]
async fn ends() {
    let house = House::new(object!({})).await;
    says_the_same(&house, &Said::text("Cut sho").stop(Stop::Length), ask::text).await;
    says_the_same(&house, &Said::text("I was abo").stop(Stop::Declined), ask::text).await;
    let refusal = Said { refusal: "I won't.".into(), ..Said::text("") };
    says_the_same(&house, &refusal.stop(Stop::Declined), ask::text).await;
}

/// What reaches the provider: its own path, its own credentials, its own words, and nothing of the client's key.
#[tokio::test]
async fn requests() {
    let house = House::new(object!({})).await;
    for (front, kind) in translated() {
        for stream in [false, true] {
            let (got, sent) = house.ask(front, kind, ask::tools(front, stream)).await;
            got.expect(200);
            assert_eq!(got.head.has("request-id"), front == Format::Messages, "{:?}", got.head);
            let format = back(front, kind);
            assert_eq!(sent.target(), format!("/{kind}{}", format.path()));
            let bearer = format!("Bearer {UPSTREAM_KEY}");
            let (name, value) = match kind {
                "anthropic" => ("x-api-key", UPSTREAM_KEY),
                _ => ("authorization", bearer.as_str()),
            };
            assert_eq!(sent.head.get(name), Some(value), "{:?}", sent.head);
            assert_eq!(sent.head.get("anthropic-version").is_some(), kind == "anthropic");
            assert_eq!(sent.head.get("content-type"), Some("application/json"));
            assert!(!format!("{:?}", sent.head).contains(&house.gateway.key), "{:?}", sent.head);
            let body = sent.json();
            assert_eq!(body["model"], "m", "{body}");
            assert_eq!(body["stream"].as_bool().unwrap_or_default(), stream, "{body}");
            let (turns, tool, parameters) = match format {
                Format::Chat => ("/messages", "/tools/0/function/name", "/tools/0/function/parameters"),
                Format::Responses => ("/input", "/tools/0/name", "/tools/0/parameters"),
                Format::Messages => ("/messages", "/tools/0/name", "/tools/0/input_schema"),
            };
            let at = |path: &str| body.pointer(path).unwrap_or_else(|| panic!("no {path}: {body}"));
            assert_eq!(at(&format!("{turns}/0/role")), "user");
            assert!(at(turns).to_string().contains("Weather?"), "{body}");
            assert_eq!((at(tool), at(parameters)), (&object!("weather"), &ask::schema()), "{body}");
            match format {
                Format::Chat if stream => assert_eq!(body["stream_options"]["include_usage"], true),
                // Nothing is kept at a provider for a client who cannot ask for it there.
                Format::Responses => assert_eq!(body["store"], false, "{body}"),
                Format::Messages => assert!(body["max_tokens"].is_u64(), "required: {body}"),
                Format::Chat => {}
            }
        }
    }
}

#[tokio::test]
async fn pictures_and_schemas() {
    let house = House::new(object!({})).await;
    let data = "iVBORw0KGgo=";
    for (front, kind) in translated() {
        let (got, sent) = house.ask(front, kind, ask::image(front, data)).await;
        got.expect(200);
        let body = sent.json();
        let url = format!("data:image/png;base64,{data}");
        let part = |path: &str| body.pointer(path).cloned().unwrap_or_else(|| panic!("no {path}: {body}"));
        match back(front, kind) {
            Format::Chat => assert_eq!(part("/messages/0/content/1/image_url/url"), url),
            Format::Responses => assert_eq!(part("/input/0/content/1/image_url"), url),
            Format::Messages => assert_eq!(
                part("/messages/0/content/1/source"),
                object!({"type": "base64", "media_type": "image/png", "data": data})
            ),
        }
        let (got, sent) = house.ask(front, kind, ask::structured(front)).await;
        got.expect(200);
        let body = sent.json();
        let path = match back(front, kind) {
            Format::Chat => "/response_format/json_schema/schema",
            Format::Responses => "/text/format/schema",
            Format::Messages => "/output_config/format/schema",
        };
        assert_eq!(body.pointer(path), Some(&ask::schema()), "{front:?} {kind}: {body}");
    }
}

/// Each provider promises only what it can keep: bounds are told to Claude in the description, and OpenAI is asked to
/// keep to the schema that Anthropic would have kept to.
#[tokio::test]
async fn schemas_in_each_providers_form() {
    let house = House::new(object!({})).await;
    let bounds = object!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"],
        "additionalProperties": false});
    let told = object!({"type": "object", "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
        "required": ["n"], "additionalProperties": false});
    for (front, kind) in translated() {
        let mut ask = ask::structured(front);
        let at = match front {
            Format::Chat => "/response_format/json_schema/schema",
            Format::Responses => "/text/format/schema",
            Format::Messages => "/output_config/format/schema",
        };
        *ask.pointer_mut(at).unwrap() = bounds.clone();
        let (got, sent) = house.ask(front, kind, ask).await;
        got.expect(200);
        let body = sent.json();
        let (schema, strict) = match back(front, kind) {
            Format::Chat => (
                &body["response_format"]["json_schema"]["schema"],
                &body["response_format"]["json_schema"]["strict"],
            ),
            Format::Responses => (&body["text"]["format"]["schema"], &body["text"]["format"]["strict"]),
            Format::Messages => (&body["output_config"]["format"]["schema"], &Value::Null),
        };
        let what = format!("{front:?} {kind}: {body}");
        let claude = back(front, kind) == Format::Messages;
        assert_eq!(schema, if claude { &told } else { &bounds }, "{what}");
        let dropped = got.head.get("x-sallyport-dropped").unwrap_or_default();
        assert_eq!(dropped.contains("(minimum)"), claude, "{dropped} {what}");
        if !claude && (front != Format::Messages || kind == "openai") {
            assert_eq!(strict, &object!(true), "{what}");
        }
    }
}

/// Lessons, Protocol: "breaks thinking signatures (400 from the provider)". The second turn of a loop brings the proof
/// back to its maker, to the byte, through clients that do not know it.
#[tokio::test]
async fn a_thought_comes_back_to_its_maker() {
    let house = House::new(object!({})).await;
    let proof = "EqQBCkYIBRgCKkBvZ+/==";
    let said =
        Said::text("I look.").thinking("Let me think.", proof).call("call_1", "weather", r#"{"city":"Z"}"#);
    house.says(&said);
    for (front, kind) in translated() {
        for stream in [false, true] {
            let mut first = ask::tools(front, stream);
            match front {
                Format::Chat => first["reasoning_effort"] = "low".into(),
                Format::Responses => first["include"] = object!(["reasoning.encrypted_content"]),
                Format::Messages => first["thinking"] = object!({"type": "enabled", "budget_tokens": 1024}),
            }
            let (got, _) = house.ask(front, kind, first).await;
            let whole = hear::object(front, &got);
            let heard = heard(front, kind, &got);
            let (got, sent) = house.ask(front, kind, ask::second(front, &whole, &heard)).await;
            got.expect(200);
            let body = sent.json();
            let what = format!("{front:?} {kind} {stream}: {body}");
            match back(front, kind) {
                Format::Messages => assert_eq!(
                    body["messages"][1]["content"][0],
                    object!({"type": "thinking", "thinking": "Let me think.", "signature": proof}),
                    "{what}"
                ),
                Format::Responses => {
                    let items = body["input"].as_array().unwrap();
                    let thought =
                        items.iter().find(|i| i["type"] == "reasoning").unwrap_or_else(|| panic!("{what}"));
                    assert_eq!(
                        (&thought["encrypted_content"], &thought["id"]),
                        (&object!(proof), &object!("rs_up")),
                        "{what}"
                    );
                }
                Format::Chat => {}
            }
            assert!(body.to_string().contains("sunny") && body.to_string().contains("call_1"), "{what}");
        }
    }
}
