//! Translated streams on their way: one by one, and what a client learns when the upstream breaks off.

use super::support::answer::{LAST_CHUNK, chunk, sse_head};
use super::support::client::{Client, request};
use super::support::gateway::Gateway;
use super::support::setups::error_type;
use super::support::speech::{Format, Said, ask, back, error_event, hear, say, translated};
use super::support::stub::{Call, Stub};
use super::translated::{House, kinds};
use serde_json::{Value, json as object};

/// A client that has asked for a stream, and the provider's side of it, its head sent.
async fn begin(gateway: &Gateway, stub: &mut Stub, front: Format, kind: &str) -> (Client, Call) {
    let mut body = ask::tools(front, true);
    body["model"] = kind.into();
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    let headers = [("authorization", bearer.as_str())];
    client.send(request("POST", front.path(), &headers, body.to_string().as_bytes())).await;
    let mut call = stub.next().await;
    call.send(sse_head()).await;
    (client, call)
}

async fn manual() -> (Stub, Gateway) {
    let stub = Stub::manual().await;
    let gateway = Gateway::start(kinds(&stub.url(), object!({}))).await;
    (stub, gateway)
}

/// Lessons, Protocol: "Buffering an SSE stream". Each word is sent only after the client has heard the one before.
#[tokio::test]
async fn words_arrive_one_by_one() {
    let (mut stub, gateway) = manual().await;
    for (front, kind) in translated() {
        let (mut client, mut call) = begin(&gateway, &mut stub, front, kind).await;
        let words = Said::text("aaaabbbbccccdddd").call("call_1", "weather", r#"{"city":"xyz"}"#);
        let mut heard = String::new();
        let mut answered = false;
        for event in say::events(back(front, kind), &words) {
            call.chunk(&event).await;
            // The pieces of the text and of the arguments: each is one word.
            let word = ["aaaa", "bbbb", "cccc", "dddd", "\"ci", "ty\"", ":\"x", "yz\"", "}"];
            let Some(word) = word.iter().find(|w| delta_of(&event).as_deref() == Some(**w)) else { continue };
            if !answered {
                assert_eq!(client.head().await.status(), 200);
                answered = true;
            }
            let quoted = Value::from(*word).to_string();
            heard.push_str(&client.chunks_until(|text| text.contains(&quoted)).await);
        }
        call.send(LAST_CHUNK).await;
        heard.push_str(&client.rest_of_chunks().await);
        call.done();
        let heard = heard.replace(&format!("\"model\":\"{kind}\""), "\"model\":\"m\"");
        assert_eq!(hear::stream(front, &heard).text, words.text, "{front:?} {kind}");
    }
}

/// The piece of text or arguments in a provider's event.
fn delta_of(event: &str) -> Option<String> {
    let data = event.lines().find_map(|l| l.strip_prefix("data: "))?;
    let e: Value = serde_json::from_str(data).ok()?;
    let found = [
        "/choices/0/delta/content",
        "/choices/0/delta/tool_calls/0/function/arguments",
        "/delta/text",
        "/delta/partial_json",
        "/delta",
    ];
    found.iter().find_map(|p| e.pointer(p)?.as_str()).map(str::to_owned)
}

/// However the bytes are cut: in mid-character, in mid-line, all at once.
#[tokio::test]
async fn any_pieces() {
    let (mut stub, gateway) = manual().await;
    let said = Said::text("Grüße, 世界 👋").thinking("Hmm 👋", "c2ln").call(
        "call_1",
        "weather",
        r#"{"city":"Zürich 👋"}"#,
    );
    for (front, kind) in translated() {
        for (size, eol) in [(1, "\n"), (7, "\r\n"), (1 << 20, "\n")] {
            let (mut client, mut call) = begin(&gateway, &mut stub, front, kind).await;
            let text = say::events(back(front, kind), &said).concat().replace('\n', eol);
            // One write, many chunks: reads come as they come.
            let bytes: Vec<u8> = text.as_bytes().chunks(size).flat_map(chunk).collect();
            call.send(bytes).await;
            call.send(LAST_CHUNK).await;
            let mut got = client.answer().await;
            call.done();
            got.body = got.text().replace(&format!("\"model\":\"{kind}\""), "\"model\":\"m\"").into();
            let heard = hear::answer(front, &got);
            assert_eq!((&heard.text, &heard.calls), (&said.text, &said.calls), "{front:?} {kind} {size}");
            assert_eq!(heard.thought, said.thought, "{front:?} {kind} {size}");
        }
    }
}

/// How a stream can go wrong in the middle.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// The connection is closed.
    Cut,
    /// The answer ends in order, but is not complete.
    Ends,
    /// The provider tells an error.
    Told,
    /// What comes is no event of the format.
    Nonsense,
}

/// Lessons, Protocol: "Streams that emit OpenAI chunks". Whatever happens, the client reads an error event of its own
/// dialect behind what came before, and never a clean end.
#[tokio::test]
async fn what_breaks_off_is_told() {
    let (mut stub, gateway) = manual().await;
    for (front, kind) in translated() {
        for wrong in [Wrong::Cut, Wrong::Ends, Wrong::Told, Wrong::Nonsense] {
            let (mut client, mut call) = begin(&gateway, &mut stub, front, kind).await;
            let format = back(front, kind);
            let events = say::events(format, &Said::text("aaaabbbbcccc"));
            let upto = events.iter().position(|e| e.contains("bbbb")).unwrap();
            call.chunk(events[..=upto].concat()).await;
            let head = client.head().await;
            assert_eq!(head.status(), 200);
            let mut text = client.chunks_until(|t| t.contains("bbbb")).await;
            match wrong {
                Wrong::Cut => call.cut(),
                Wrong::Ends => {
                    call.send(LAST_CHUNK).await;
                    call.done();
                }
                Wrong::Told => {
                    call.chunk(error_event(format, "overloaded_error", "Overloaded")).await;
                    call.send(LAST_CHUNK).await;
                    call.done();
                }
                Wrong::Nonsense => {
                    let name = match format {
                        Format::Chat => "",
                        Format::Responses => "event: response.output_text.delta\n",
                        Format::Messages => "event: content_block_delta\n",
                    };
                    call.chunk(format!("{name}data: {{\"oh\": <html>\n\n")).await;
                    call.cut();
                }
            }
            text.push_str(&client.rest_of_chunks().await);
            let what = format!("{front:?} {kind} {wrong:?}: {text}");
            tells_an_error(front, &text, matches!(wrong, Wrong::Told), &what);
            let record = gateway.logged(head.id()).await;
            assert_eq!(record["error_source"], "upstream", "{what} {record}");
            assert_eq!(record["cancelled"], false, "{what} {record}");
        }
    }
    assert!(!gateway.process.said().contains("panicked"));
}

/// The last event is an error of the dialect, and nothing says that all is well.
fn tells_an_error(front: Format, text: &str, told: bool, what: &str) {
    for clean in ["[DONE]", "message_stop", "response.completed", "\"finish_reason\":\"", "message_delta"] {
        assert!(!text.contains(clean), "a broken stream must not look complete: {what}");
    }
    let events = hear::cut(text);
    let (name, data) = events.last().unwrap();
    let data: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {what}"));
    let message = match front {
        Format::Responses => {
            assert_eq!(data["type"], **name, "{what}");
            assert_eq!(data["sequence_number"], events.len() - 1, "numbered on: {what}");
            match &**name {
                "error" => data["message"].clone(),
                "response.failed" => data["response"]["error"]["message"].clone(),
                _ => panic!("no error: {what}"),
            }
        }
        _ => {
            error_type(front.path(), &data);
            assert_eq!(name, if front == Format::Messages { "error" } else { "" }, "{what}");
            data["error"]["message"].clone()
        }
    };
    assert!(message.as_str().is_some_and(|m| !m.is_empty()), "{what}");
    if told {
        assert_eq!(message, "Overloaded", "{what}");
    }
}

/// Lessons, Protocol: "upstream not cancelled when the client leaves".
#[tokio::test]
async fn a_client_that_leaves() {
    let (mut stub, gateway) = manual().await;
    for (front, kind) in translated() {
        // Before the first word, and after it.
        for begun in [false, true] {
            let (mut client, mut call) = begin(&gateway, &mut stub, front, kind).await;
            let mut id = None;
            if begun {
                let events = say::events(back(front, kind), &Said::text("aaaabbbb"));
                let upto = events.iter().position(|e| e.contains("aaaa")).unwrap();
                call.chunk(events[..=upto].concat()).await;
                id = Some(client.head().await.id().to_owned());
                client.chunks_until(|t| t.contains("aaaa")).await;
            }
            drop(client);
            call.closed().await;
            if let Some(id) = id {
                let record = gateway.logged(&id).await;
                assert_eq!(
                    (&record["cancelled"], &record["error_source"]),
                    (&object!(true), &object!("client")),
                    "{record}"
                );
            }
        }
    }
}

/// A picture of 20 MB goes through, to the byte.
#[tokio::test]
async fn a_large_picture() {
    let house = House::new(object!({})).await;
    let data = "iVBORw0KGgo".repeat(20 * 1024 * 1024 / 11);
    for (front, kind) in
        [(Format::Chat, "anthropic"), (Format::Messages, "openai"), (Format::Responses, "openai-compatible")]
    {
        let (got, sent) = house.ask(front, kind, ask::image(front, &data)).await;
        assert_eq!(got.expect(200).status(), 200);
        let body = sent.json();
        let at = match back(front, kind) {
            Format::Chat => "/messages/0/content/1/image_url/url",
            Format::Responses => "/input/0/content/1/image_url",
            Format::Messages => "/messages/0/content/1/source/data",
        };
        let there = body.pointer(at).and_then(Value::as_str).unwrap();
        assert!(there.strip_prefix("data:image/png;base64,").unwrap_or(there) == data, "{front:?} {kind}");
    }
}
