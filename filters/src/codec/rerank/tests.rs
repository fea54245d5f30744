use super::*;
use crate::ir::Losses;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn cohere_by_bedrock() {
    let body = json!({
        "model": "rerank", "query": "q", "documents": ["a", {"text": "b"}, {"title": "c", "n": 1.0}], "top_n": 9,
        "return_documents": true, "max_tokens_per_doc": 5,
    });
    let r = decode_request(body.to_string().as_bytes()).unwrap();
    let mut losses = Losses::default();
    let arn = bedrock::arn("cohere.rerank-v3-5:0", "eu-central-1");
    let said: Value = serde_json::from_slice(&bedrock::encode_request(&r, &arn, &mut losses)).unwrap();
    assert_eq!(
        said,
        json!({
            "queries": [{"type": "TEXT", "textQuery": {"text": "q"}}],
            "sources": [
                {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "a"}}},
                {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "b"}}},
                {"type": "INLINE", "inlineDocumentSource": {"type": "JSON", "jsonDocument": {"title": "c", "n": 1.0}}},
            ],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "modelConfiguration": {
                        "modelArn": "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0",
                    },
                    "numberOfResults": 3,
                },
            },
        })
    );
    assert_eq!(losses.first_serious().unwrap().field, "max_tokens_per_doc");
    let reply = bedrock::decode_reply(
        br#"{"results":[{"index":2,"relevanceScore":0.75},{"index":0,"relevanceScore":0.5}]}"#,
    );
    let said: Value = serde_json::from_slice(&encode_reply(&reply.unwrap(), &r, "call")).unwrap();
    assert_eq!(
        said,
        json!({
            "id": "call",
            "results": [
                {"index": 2, "relevance_score": 0.75, "document": {"title": "c", "n": 1.0}},
                {"index": 0, "relevance_score": 0.5, "document": {"text": "a"}},
            ],
            "meta": {"billed_units": {"search_units": 1}},
        })
    );
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
