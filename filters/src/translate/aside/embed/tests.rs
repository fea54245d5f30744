use super::*;
use crate::body::RequestBody;
use crate::codec::gemini::Framing;
use crate::exchange::Target;
use crate::outgoing::address::address;
use crate::rejection::Rejection;
use crate::surface::Named;
use crate::testing::{World, provider};
use crate::translate::{Answer, Translation, Way, way as way_of};
use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use sallyport_config::model::{KindSettings, VertexSettings};
use serde_json::{Value, json};

struct Sent {
    translation: Translation,
    bodies: Vec<Value>,
    dropped: Vec<String>,
    path: String,
}

/// Asks a provider of a kind for a model.
fn ask(
    surface: Surface,
    kind: ProviderKind,
    model: &str,
    body: &Value,
    lossy: bool,
) -> Result<Sent, Rejection> {
    let w = World::new();
    let mut x = w.call(surface, r#"{"model":"alias"}"#);
    let named = Named { model: "alias".into(), stream: false, framing: Framing::Array };
    let named = (surface != Surface::Embeddings).then_some(named);
    x.body = RequestBody::unread(named).read(Bytes::from(body.to_string()), None, surface).unwrap();
    let mut p = provider("p", kind);
    if kind == ProviderKind::Vertex {
        let (project, location) = ("x".to_owned(), "global".to_owned());
        p.settings = KindSettings::Vertex(VertexSettings { project, location, ..VertexSettings::default() });
    }
    let Some(Way::Translated(wire)) = way_of(&p, model, surface) else { panic!("{kind:?} {surface:?}") };
    let back = Way::Translated(wire).back(&p).unwrap();
    let to = Target { provider: p.into(), model: Some(model.into()) };
    let (translation, encoded, operation) = Translation::aside(&x, back, &to, lossy)?;
    let path = address(&to.provider, wire, operation, model, false).unwrap();
    let all = std::iter::once(&encoded.body).chain(&encoded.more);
    let bodies = all.map(|b| serde_json::from_slice(b).unwrap()).collect();
    Ok(Sent { translation, bodies, dropped: encoded.dropped, path })
}

fn told(t: &Translation, answers: &[Value]) -> Result<(Value, Option<u64>), Rejection> {
    let headers = HeaderMap::new();
    let bodies: Vec<String> = answers.iter().map(Value::to_string).collect();
    let answers: Vec<_> = bodies.iter().map(|b| Answer { headers: &headers, body: b.as_bytes() }).collect();
    let told = t.joined(&answers)?;
    Ok((serde_json::from_slice(&told.body).unwrap(), told.tokens.map(|t| t.usage.input)))
}

#[test]
fn a_gemini_client_at_openai_and_its_like() {
    let one = json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3});
    for (kind, path) in [
        (ProviderKind::Openai, "/base/v1/embeddings"),
        (ProviderKind::OpenaiCompatible, "/base/v1/embeddings"),
        (ProviderKind::AzureOpenai, "/base/v1/openai/v1/embeddings"),
    ] {
        let sent = ask(Surface::GeminiEmbed, kind, "real", &one, false).unwrap();
        assert_eq!(sent.path, path);
        let want = json!({"model": "real", "input": ["a"], "dimensions": 3, "encoding_format": "float"});
        assert_eq!((&sent.bodies, &sent.dropped), (&vec![want], &vec!["taskType".to_owned()]));
        let answer = json!({"data": [{"index": 0, "embedding": [0.5, -1]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}});
        let (body, tokens) = told(&sent.translation, &[answer]).unwrap();
        assert_eq!((&body["embedding"], tokens), (&json!({"values": [0.5, -1]}), Some(4)));
    }
    let content = json!({"parts": [{"text": "a"}]});
    let many = json!({"requests": [{"model": "models/alias", "content": content}, {"content": {"parts": [{"text": "b"}]}}]});
    let sent = ask(Surface::GeminiBatchEmbed, ProviderKind::Openai, "real", &many, false).unwrap();
    assert_eq!(sent.bodies[0]["input"], json!(["a", "b"]));
    let shuffled = json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]});
    let (body, tokens) = told(&sent.translation, &[shuffled]).unwrap();
    assert_eq!((body, tokens), (json!({"embeddings": [{"values": [1]}, {"values": [2]}]}), None));
    for wrong in [
        json!({"data": []}),
        json!({"data": [{"embedding": [1]}]}),
        json!({"error": {}}),
        json!({"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": "AAAA"}]}),
    ] {
        assert_eq!(told(&sent.translation, &[wrong]).unwrap_err().code, "upstream_bad_answer");
    }
}

#[test]
fn an_openai_client_at_google() {
    let body = json!({"model": "alias", "input": ["a", "b"], "dimensions": 2, "input_type": "search_query",
        "encoding_format": "base64", "user": "u"});
    let sent = ask(Surface::Embeddings, ProviderKind::Gemini, "gemini-embedding-001", &body, false).unwrap();
    assert_eq!(sent.path, "/base/v1/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(sent.dropped, ["user"]);
    let request = |t: &str| {
        json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": t}]},
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2})
    };
    assert_eq!(sent.bodies, [json!({"requests": [request("a"), request("b")]})]);
    let answer = json!({"embeddings": [{"values": [0.5, -1]}, {"values": [1, 2]}], "usageMetadata": {"promptTokenCount": 5}});
    let (told_body, tokens) = told(&sent.translation, &[answer]).unwrap();
    assert_eq!(told_body["data"][0], json!({"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL8="}));
    assert_eq!((&told_body["model"], &told_body["usage"]["prompt_tokens"]), (&json!("alias"), &json!(5)));
    assert_eq!(tokens, Some(5));

    let sent = ask(Surface::Embeddings, ProviderKind::Vertex, "text-embedding-005", &body, false).unwrap();
    assert!(sent.path.ends_with("/publishers/google/models/text-embedding-005:predict"), "{}", sent.path);
    assert_eq!(
        sent.bodies,
        [
            json!({"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}, {"content": "b", "task_type": "RETRIEVAL_QUERY"}],
            "parameters": {"outputDimensionality": 2, "autoTruncate": false}})
        ]
    );
    let embedding = |v: Value, n: f64| json!({"embeddings": {"values": v, "statistics": {"truncated": false, "token_count": n}}});
    let answer = json!({"predictions": [embedding(json!([1, 2]), 3.0), embedding(json!([3, 4]), 4.0)]});
    let (told_body, tokens) = told(&sent.translation, &[answer]).unwrap();
    assert_eq!((&told_body["data"][1]["index"], tokens), (&json!(1), Some(7)));

    // One text a call, whose answers come back in order.
    let sent = ask(Surface::Embeddings, ProviderKind::Vertex, "gemini-embedding-2", &body, false).unwrap();
    assert!(sent.path.ends_with("/models/gemini-embedding-2:embedContent"), "{}", sent.path);
    assert_eq!(
        sent.bodies[1],
        json!({"content": {"parts": [{"text": "b"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2, "autoTruncate": false})
    );
    let one =
        |v: Value, n: u64| json!({"embedding": {"values": v}, "usageMetadata": {"promptTokenCount": n}});
    let (told_body, tokens) = told(&sent.translation, &[one(json!([1]), 2), one(json!([2]), 3)]).unwrap();
    assert_eq!((&told_body["data"][1]["embedding"], tokens), (&json!("AAAAQA=="), Some(5)));
    let two = ask(Surface::Embeddings, ProviderKind::Vertex, "gemini-embedding-001", &body, false).unwrap();
    assert_eq!((two.bodies.len(), two.bodies[0]["instances"].as_array().unwrap().len()), (2, 1));
    assert!(two.path.ends_with(":predict"));
    assert!(told(&two.translation, &[json!({"predictions": []}), json!({"predictions": []})]).is_err());
}

#[test]
fn both_clients_at_bedrock() {
    let body = json!({"model": "alias", "input": ["a", "b"]});
    let sent = ask(Surface::Embeddings, ProviderKind::Bedrock, "amazon.titan-embed-text-v2:0", &body, false)
        .unwrap();
    assert_eq!(sent.path, "/base/v1/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(sent.bodies, [json!({"inputText": "a"}), json!({"inputText": "b"})]);
    let one = |v: Value| json!({"embedding": v, "inputTextTokenCount": 3});
    let (told_body, tokens) = told(&sent.translation, &[one(json!([1])), one(json!([2]))]).unwrap();
    assert_eq!((&told_body["data"][1]["embedding"], tokens), (&json!([2]), Some(6)));

    let gemini = json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "title": "t"});
    let sent = ask(Surface::GeminiEmbed, ProviderKind::Bedrock, "cohere.embed-v4:0", &gemini, false).unwrap();
    assert_eq!(
        (&sent.bodies[0]["texts"], &sent.bodies[0]["input_type"]),
        (&json!(["a"]), &json!("search_query"))
    );
    assert_eq!(sent.dropped, ["title"]);
    let mut headers = HeaderMap::new();
    headers.insert(bedrock::INPUT_TOKENS, "9".parse().unwrap());
    let answer = json!({"embeddings": {"float": [[7]]}}).to_string();
    let told = sent.translation.joined(&[Answer { headers: &headers, body: answer.as_bytes() }]).unwrap();
    assert_eq!(told.tokens.unwrap().usage.input, 9);
    assert_eq!(serde_json::from_slice::<Value>(&told.body).unwrap()["embedding"]["values"], json!([7]));
}

/// What cannot cross is named in the client's own words, or left out if that is allowed; the input never is.
#[test]
fn what_cannot_cross() {
    use ProviderKind::{Bedrock, Gemini};
    let openai = Surface::Embeddings;
    let semantic = json!({"content": {"parts": [{"text": "a"}]}, "taskType": "SEMANTIC_SIMILARITY"});
    let short = json!({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 3});
    for (surface, kind, model, body, field) in [
        (
            openai,
            Gemini,
            "e",
            json!({"model": "alias", "input": "a", "late_chunking": true}),
            "late_chunking",
        ),
        (openai, Gemini, "e", json!({"model": "alias", "input": "a", "input_type": "x"}), "input_type"),
        (
            openai,
            Bedrock,
            "cohere.embed-english-v3",
            json!({"model": "alias", "input": "a", "dimensions": 5}),
            "dimensions",
        ),
        (Surface::GeminiEmbed, Bedrock, "cohere.embed-v4:0", semantic, "taskType"),
        (Surface::GeminiEmbed, Bedrock, "amazon.titan-embed-text-v1", short, "outputDimensionality"),
    ] {
        let e = ask(surface, kind, model, &body, false).err().unwrap();
        assert_eq!((e.kind.status(), e.param.as_deref()), (400, Some(field)), "{body}");
        let sent = ask(surface, kind, model, &body, true).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(sent.dropped, [field], "{body}");
    }
    for (kind, model) in [(Gemini, "e"), (Bedrock, "cohere.embed-v4:0"), (ProviderKind::Vertex, "e")] {
        for lossy in [false, true] {
            let e =
                ask(openai, kind, model, &json!({"model": "alias", "input": [1, 2]}), lossy).err().unwrap();
            assert_eq!((e.kind.status(), e.param.as_deref()), (400, Some("input")), "{kind:?} {lossy}");
        }
    }
    let many: Vec<String> = (0..2049).map(|n| n.to_string()).collect();
    let e = ask(openai, Gemini, "e", &json!({"model": "alias", "input": many}), false).err().unwrap();
    assert_eq!(e.param.as_deref(), Some("input"));
    assert!(way(ProviderKind::Bedrock, "amazon.nova-lite-v1:0").is_none());
    assert!(way(ProviderKind::Vertex, "claude-sonnet-5").is_none());
    assert!(way(ProviderKind::Anthropic, "x").is_none());
}

proptest! {
    /// No text is lost, doubled or moved, and no portion is larger than it may be.
    #[test]
    fn portions_are_the_list(texts in prop::collection::vec("[a-zé]{0,9}", 0..40), most in 1..9usize, bytes in 0..30usize) {
        let all: Vec<&[String]> = portions(&texts, most, bytes).collect();
        prop_assert_eq!(all.concat(), texts.clone());
        for portion in all {
            prop_assert!(!portion.is_empty() && portion.len() <= most);
            let sum: usize = portion.iter().map(String::len).sum();
            prop_assert!(portion.len() == 1 || sum <= bytes);
        }
    }
}
