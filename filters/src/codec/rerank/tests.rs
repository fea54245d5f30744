use super::*;
use crate::ir::Losses;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn by_bedrock() {
    let body = json!({
        "model": "rerank", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 9,
        "return_documents": true, "max_tokens_per_doc": 5,
    });
    let r = decode_request(body.to_string().as_bytes()).unwrap();
    let said = |kind| {
        let mut losses = Losses::default();
        let said: Value = serde_json::from_slice(&bedrock::encode_request(&r, kind, &mut losses)).unwrap();
        (said, losses.first_serious().map(|l| l.field.clone()))
    };
    assert_eq!(
        said(bedrock::Kind::Cohere),
        (
            json!({"query": "q", "documents": ["a", "b"], "top_n": 2, "max_tokens_per_doc": 5, "api_version": 2}),
            None
        )
    );
    assert_eq!(
        said(bedrock::Kind::Amazon),
        (json!({"query": "q", "documents": ["a", "b"], "top_n": 2}), Some("max_tokens_per_doc".to_owned()))
    );
    let reply = bedrock::decode_reply(
        br#"{"results":[{"index":1,"relevance_score":0.75},{"index":0,"relevance_score":0.5}]}"#,
    );
    let said: Value = serde_json::from_slice(&encode_reply(&reply.unwrap(), &r, "call")).unwrap();
    assert_eq!(
        said,
        json!({
            "id": "call",
            "results": [
                {"index": 1, "relevance_score": 0.75, "document": {"text": "b"}},
                {"index": 0, "relevance_score": 0.5, "document": {"text": "a"}},
            ],
            "meta": {"billed_units": {"search_units": 1}},
        })
    );
}

/// Objects are no texts: what a model would make of them is not known.
#[test]
fn objects_are_refused() {
    let body = json!({"model": "m", "query": "q", "documents": ["a", {"title": "c", "n": 1.0}]});
    let r = decode_request(body.to_string().as_bytes()).unwrap();
    let mut losses = Losses::default();
    bedrock::encode_request(&r, bedrock::Kind::Cohere, &mut losses);
    assert_eq!(losses.first_serious().unwrap().field, "documents[1]");
    assert_eq!(
        bedrock::Kind::of("arn:aws:bedrock:eu-central-1::foundation-model/amazon.rerank-v1:0"),
        Some(bedrock::Kind::Amazon)
    );
    assert_eq!(bedrock::Kind::of("cohere.embed-v4:0"), None);
}

#[test]
fn wrong_requests_name_the_field() {
    let field = |v: Value| decode_request(v.to_string().as_bytes()).unwrap_err().field;
    assert_eq!(field(json!({"model": "m", "query": "q", "documents": []})), "documents");
    assert_eq!(field(json!({"model": "m", "query": "q", "documents": ["a", 1]})), "documents[1]");
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode_request(&bytes);
        let _ = bedrock::decode_reply(&bytes);
    }
}
