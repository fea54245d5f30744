//! Each front with each kind of upstream, through the real binary: the simulator speaks every provider's own format,
//! refuses what the provider would refuse, and knows its own sealed thoughts again.

use super::support::client::Answer;
use super::support::kinds::front::Front;
use super::support::kinds::{House, Upstream, each};
use super::support::speech::{Format, Said, Stop, ask};
use serde_json::{Value, json as object};

/// Four bytes are a token at the simulator; `"` and `\` are escaped in JSON, others take up to 4 bytes.
const WORDS: &str = "añb👋c \\ \" \u{2028} </end> and so on";

/// What was heard must be what was said, and what was counted what the log says.
async fn agrees(house: &House, upstream: Upstream, got: &Answer, heard: &Said, what: &str) {
    let call = house.gateway.logged(&got.id()).await;
    let u = &call["usage"];
    let [input, cached, output, reasoning] = ["input", "cached_input", "output", "reasoning"]
        .map(|f| u[f].as_u64().unwrap_or_else(|| panic!("{call}")));
    assert_eq!(
        [input, cached, output, reasoning],
        heard.usage,
        "the client's count and the log's: {what} {call}"
    );
    assert!(input > 0 && output > 0, "{what} {call}");
    let nanos = (input - cached) * 1000 + cached * 100 + (output - reasoning) * 10_000 + reasoning * 20_000;
    assert_eq!(call["cost"]["nanos"], nanos, "{what} {call}");
    assert_eq!(
        (&call["status"], &call["provider"]),
        (&object!(200), &object!(upstream.name())),
        "{what} {call}"
    );
    assert!(call["error_code"].is_null(), "{what} {call}");
}

#[tokio::test]
async fn text_whole_and_streamed() {
    each(8, move |house, front, upstream| async move {
        let mut counted = Vec::new();
        for (stream, how) in [(false, "cached=3"), (true, "cached=3;burst=50"), (true, "cached=3;split=1")] {
            let model = format!("{};echo;{how}", upstream.model);
            let got = house.ask(front, &model, &front.text(WORDS, stream)).await;
            let what = format!("{front:?} {model} {}", got.text());
            assert_eq!(got.status(), 200, "{what}");
            let heard = front.hear(&model, &got);
            assert_eq!((heard.text.as_str(), heard.stop), (WORDS, Stop::End), "{what}");
            assert!(heard.calls.is_empty() && heard.thought.is_empty(), "{what}");
            assert_eq!(heard.usage[0], WORDS.len().div_ceil(4) as u64, "{what}");
            assert_eq!((heard.usage[1], heard.usage[3]), (3, 0), "{what}");
            agrees(&house, upstream, &got, &heard, &what).await;
            counted.push(heard.usage);
        }
        assert!(counted.iter().all(|u| *u == counted[0]), "{front:?} {upstream:?} {counted:?}");
    })
    .await;
}

/// Clients quote it to the provider, whose own name for it the SDKs do not know.
#[tokio::test]
async fn the_providers_request_id() {
    each(8, move |house, front, upstream| async move {
        for status in ["", ";status=400"] {
            let model = format!("{}{status}", upstream.model);
            let got = house.ask(front, &model, &front.text("Weather?", false)).await;
            let what = format!("{front:?} {model} {:?}", got.head);
            let shown = got.head.get("x-request-id").unwrap_or_else(|| panic!("{what}"));
            // What Anthropic's SDKs read.
            assert!(front != Front::Of(Format::Messages) || got.head.has("request-id"), "{what}");
            let call = house.gateway.logged(&got.id()).await;
            // Google gives none.
            if upstream.model.contains("gemini") {
                assert!(call["upstream_request_id"].is_null(), "{what} {call}");
                assert_eq!(shown, got.id(), "{what}");
            } else {
                assert_eq!(call["upstream_request_id"], shown, "{what} {call}");
                assert_ne!(shown, got.id(), "{what}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_length_that_ends_it() {
    each(8, move |house, front, upstream| async move {
        for stream in [false, true] {
            let model = format!("{};tokens=50", upstream.model);
            let mut body = front.text("Weather?", stream);
            match front {
                Front::Of(Format::Chat) => body["max_completion_tokens"] = 20.into(),
                Front::Of(Format::Responses) => body["max_output_tokens"] = 20.into(),
                Front::Of(Format::Messages) => body["max_tokens"] = 20.into(),
                Front::Generate => body["generationConfig"]["maxOutputTokens"] = 20.into(),
            }
            let got = house.ask(front, &model, &body).await;
            let what = format!("{front:?} {model} {}", got.text());
            assert_eq!(got.status(), 200, "{what}");
            let heard = front.hear(&model, &got);
            assert_eq!((heard.stop, heard.usage[2]), (Stop::Length, 20), "{what}");
        }
    })
    .await;
}

/// Two calls at once behind a sealed thought, their results, and a word more: the simulator takes the second turn only
/// if calls, results and thoughts come back as its API wants them.
#[tokio::test]
async fn a_loop_of_tools() {
    let asked = r#"[tool:weather {"city":"Zürich"}] [tool:weather {"city":"Bern"}]"#;
    each(8, move |house, front, upstream| async move {
        for (stream, thinks) in [(false, false), (true, false), (false, true), (true, true)] {
            // Nova has its own way to think, which is no matter of budgets.
            let thinks = thinks && !upstream.model.contains("nova");
            let reasoning = if thinks { ";reasoning=6" } else { "" };
            let model = format!("{};echo{reasoning}", upstream.model);
            let first = front.tools(asked, stream, thinks);
            let got = house.ask(front, &model, &first).await;
            let what = format!("{front:?} {model} {stream}: {}", got.text());
            assert_eq!(got.status(), 200, "{what}");
            let heard = front.hear(&model, &got);
            let calls: Vec<Value> =
                heard.calls.iter().map(|c| serde_json::from_str(&c.arguments).unwrap()).collect();
            assert_eq!(calls, [object!({"city": "Zürich"}), object!({"city": "Bern"})], "{what}");
            assert!(heard.calls.iter().all(|c| c.name == "weather"), "{what}");
            assert!(heard.calls[0].id != heard.calls[1].id && !heard.calls[0].id.is_empty(), "{what}");
            assert_eq!((heard.stop, heard.text.as_str()), (Stop::Tools, ""), "{what}");
            agrees(&house, upstream, &got, &heard, &what).await;

            let second = front.after(first, &got, &heard);
            let got = house.ask(front, &model, &second).await;
            let what = format!("{what}\n{second}\n{}", got.text());
            assert_eq!(got.status(), 200, "{what}");
            let heard = front.hear(&model, &got);
            assert_eq!(heard.text, ask::RESULT.repeat(2), "the results went up: {what}");
            assert_eq!(heard.stop, Stop::End, "{what}");
            agrees(&house, upstream, &got, &heard, &what).await;
        }
    })
    .await;
}

/// Models think unasked, too. Then nothing may be sealed, and the loop must go on all the same.
#[tokio::test]
async fn thoughts_that_nobody_asked_for() {
    each(8, move |house, front, upstream| async move {
        let model = format!("{};echo;reasoning=6;forgetful", upstream.model);
        for stream in [false, true] {
            let mut first = front.tools("[tool:weather]", stream, false);
            if let Some(body) = first.as_object_mut() {
                body.remove("include");
            }
            let got = house.ask(front, &model, &first).await;
            let heard = front.hear(&model, &got);
            assert_eq!(heard.calls.len(), 1, "{front:?} {model} {}", got.text());
            let second = front.after(first, &got, &heard);
            let last = house.ask(front, &model, &second).await;
            let what = format!("{front:?} {model}\n{second}\n{}", last.text());
            assert_eq!(last.status(), 200, "{what}");
            assert_eq!(front.hear(&model, &last).text, ask::RESULT, "{what}");
        }
    })
    .await;
}

/// The negative of the above: the simulator does refuse a call that comes back without its thought.
#[tokio::test]
async fn a_lost_thought_would_show() {
    let house = House::new().await;
    let model = "claude-sim;echo;reasoning=6";
    for front in [Front::Of(Format::Messages)] {
        let first = front.tools("[tool:weather]", false, true);
        let got = house.ask(front, model, &first).await;
        let heard = front.hear(model, &got);
        let mut second = front.after(first, &got, &heard);
        let content = second["messages"][1]["content"].as_array_mut().unwrap();
        content.retain(|block| block["type"] != "thinking");
        let got = house.ask(front, model, &second).await;
        assert!(got.expect(400).text().contains("thinking"), "{}", got.text());
    }
}

#[tokio::test]
async fn pictures() {
    let data = "iVBORw0KGgo=";
    each(1, move |house, front, upstream| async move {
        let got = house.ask(front, upstream.model, &front.image(data)).await;
        let what = format!("{front:?} {upstream:?} {}", got.text());
        assert_eq!(got.status(), 200, "{what}");
        let heard = front.hear(upstream.model, &got);
        assert!(!heard.text.is_empty(), "{what}");
        assert!(house.last().await["body"].to_string().contains(data), "{what} {}", house.last().await);
    })
    .await;
}

#[tokio::test]
async fn structured_answers() {
    each(8, move |house, front, upstream| async move {
        for stream in [false, true] {
            let got = house.ask(front, upstream.model, &front.structured(stream)).await;
            let what = format!("{front:?} {upstream:?} {}", got.text());
            assert_eq!(got.status(), 200, "{what}");
            let heard = front.hear(upstream.model, &got);
            let report: Value = serde_json::from_str(&heard.text).unwrap_or_else(|e| panic!("{e}: {what}"));
            assert!(report["city"].is_string(), "the schema reached the provider: {what}");
            agrees(&house, upstream, &got, &heard, &what).await;
        }
    })
    .await;
}
