use super::bedrock::{Kind, decode_replies, encode_requests};
use super::*;
use crate::ir::Losses;
use proptest::prelude::*;
use serde_json::{Value, json};

fn request(v: &Value) -> Request {
    decode_request(v.to_string().as_bytes()).unwrap()
}

fn bodies(v: &Value, kind: Kind) -> (Vec<Value>, Losses) {
    let mut losses = Losses::default();
    let bodies = encode_requests(&request(v), kind, &mut losses);
    (bodies.iter().map(|b| serde_json::from_slice(b).unwrap()).collect(), losses)
}

#[test]
fn requests_are_read() {
    let r = request(&json!({"model": "m", "input": "a", "encoding_format": "base64", "x": 1}));
    assert_eq!((r.input, r.base64), (Input::Texts(vec!["a".into()]), true));
    assert_eq!(r.extra, [("x".to_owned(), Raw::parse("1").unwrap())]);
    assert_eq!(request(&json!({"model": "m", "input": [1, 2]})).input, Input::Tokens(vec![vec![1, 2]]));
    assert_eq!(
        request(&json!({"model": "m", "input": [[1], [2]]})).input,
        Input::Tokens(vec![vec![1], vec![2]])
    );
    let wrong = |v: Value| decode_request(v.to_string().as_bytes()).unwrap_err().field;
    assert_eq!(wrong(json!({"model": "m", "input": []})), "input");
    assert_eq!(wrong(json!({"model": "m", "input": ["a", ""]})), "input");
    assert_eq!(wrong(json!({"model": "m", "input": "a", "encoding_format": "hex"})), "encoding_format");
    assert!(decode_request(br#"{"model":"m","input":{}}"#).unwrap_err().why.contains("list of tokens"));
}

#[test]
fn titan_takes_one_text_a_call() {
    let (said, losses) =
        bodies(&json!({"model": "m", "input": ["a", "b"], "dimensions": 256, "user": "u"}), Kind::Titan2);
    assert_eq!(
        said,
        [json!({"inputText": "a", "dimensions": 256}), json!({"inputText": "b", "dimensions": 256})]
    );
    assert!(losses.first_serious().is_none() && losses.0.len() == 1);
    let (said, losses) = bodies(&json!({"model": "m", "input": "a", "dimensions": 256}), Kind::Titan1);
    assert_eq!(said, [json!({"inputText": "a"})]);
    assert_eq!(losses.first_serious().unwrap().field, "dimensions");
    let answers = [
        r#"{"embedding":[0.5,-1],"inputTextTokenCount":3}"#,
        r#"{"embedding":[1,2],"inputTextTokenCount":4}"#,
    ];
    let reply = decode_replies(Kind::Titan2, answers.iter().map(|a| (a.as_bytes(), None))).unwrap();
    let said = encode_reply(&reply, "alias", false).unwrap();
    assert_eq!(
        std::str::from_utf8(&said).unwrap(),
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[1,2]}],"model":"alias","usage":{"prompt_tokens":7,"total_tokens":7}}"#
    );
    let said: Value = serde_json::from_slice(&encode_reply(&reply, "alias", true).unwrap()).unwrap();
    assert_eq!(said["data"][0]["embedding"], "AAAAPwAAgL8=");
}

#[test]
fn cohere_takes_many() {
    let many: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    let (said, losses) = bodies(
        &json!({"model": "m", "input": many, "input_type": "search_query", "dimensions": 512}),
        Kind::Cohere4,
    );
    assert_eq!((said.len(), losses.0.len()), (2, 0));
    assert_eq!(said[1]["texts"], json!(["t96", "t97", "t98", "t99"]));
    assert_eq!((&said[0]["input_type"], &said[0]["output_dimension"]), (&json!("search_query"), &json!(512)));
    let plain = br#"{"embeddings":[[1],[2]],"id":"x","response_type":"embeddings_floats","texts":["a","b"]}"#;
    let typed = br#"{"embeddings":{"float":[[3]]},"id":"x","response_type":"embeddings_by_type"}"#;
    let reply = decode_replies(Kind::Cohere3, [(&plain[..], Some(5)), (&typed[..], Some(6))]).unwrap();
    assert_eq!(reply.vectors.iter().map(Raw::text).collect::<Vec<_>>(), ["[1]", "[2]", "[3]"]);
    assert_eq!(reply.input_tokens, Some(11));
    let (said, losses) = bodies(&json!({"model": "m", "input": [[1]]}), Kind::Cohere3);
    assert!(said.is_empty() && losses.first_serious().unwrap().field == "input");
}

#[test]
fn kinds() {
    assert_eq!(Kind::of("amazon.titan-embed-text-v2:0"), Some(Kind::Titan2));
    assert_eq!(Kind::of("amazon.titan-embed-text-v1"), Some(Kind::Titan1));
    assert_eq!(Kind::of("us.cohere.embed-v4:0"), Some(Kind::Cohere4));
    assert_eq!(Kind::of("cohere.embed-multilingual-v3"), Some(Kind::Cohere3));
    assert_eq!(Kind::of("amazon.nova-lite-v1:0"), None);
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode_request(&bytes);
        let _ = decode_replies(Kind::Titan1, [(&bytes[..], None)]);
        let _ = decode_replies(Kind::Cohere4, [(&bytes[..], None)]);
    }
}
