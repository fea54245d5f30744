//! The setting `openai_compatible.reasoning_field`: the second turn of a tool loop, from every front that is
//! translated.

use super::call::{Upstream, begin, whole};
use super::data::{Answers, requests};
use super::second;
use sallyport_config::model::ReasoningField;
use sallyport_filters::codec::Wire;
use serde_json::Value;

/// The names under which the server reads the thought that it gave in the first turn.
fn names(front: Wire, field: Option<ReasoningField>) -> Vec<&'static str> {
    let up = Upstream::reading(field);
    let (ask, answers) = (&requests(front)["thinking"], Answers::of("compatible", up.wire));
    let begun = begin((front, &up), ask, false, true).map_err(|e| e.to_string()).unwrap();
    let answer: Value = serde_json::from_slice(&whole(&begun, &answers, "thinking").unwrap().body).unwrap();
    let next = second::request(front, ask, &answer, false);
    let begun = begin((front, &up), &next, false, false).map_err(|e| e.to_string()).unwrap();
    let body: Value = serde_json::from_slice(&begun.encoded.body).unwrap();
    let turns = body["messages"].as_array().unwrap().iter();
    let turn = turns.clone().find(|m| m["role"] == "assistant").unwrap();
    assert_eq!(turn["tool_calls"][0]["function"]["name"], "weather", "{front:?}");
    ["reasoning_content", "reasoning"].into_iter().filter(|n| turn[*n] == "Oslo it is.").collect()
}

#[test]
fn thoughts_go_back_under_the_name_that_the_server_reads() {
    for front in [Wire::Responses, Wire::Messages, Wire::Gemini] {
        for (field, want) in [
            (None, &["reasoning_content"][..]),
            (Some(ReasoningField::ReasoningContent), &["reasoning_content"]),
            (Some(ReasoningField::Reasoning), &["reasoning"]),
            (Some(ReasoningField::Both), &["reasoning_content", "reasoning"]),
        ] {
            assert_eq!(names(front, field), want, "{front:?} {field:?}");
        }
    }
}
