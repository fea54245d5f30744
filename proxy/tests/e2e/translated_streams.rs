//! Streams that change their format on the way: event by event, and no longer than the client listens.

use super::support::answer::{LAST_CHUNK, sse_head};
use super::support::ask::{ask, with_tools};
use super::support::client::{Client, request};
use super::support::gateway::Gateway;
use super::support::scene::{Scene, Stop, TRANSLATED, Upstream, Wire, everything};
use super::support::stub::{Call, Stub};
use super::support::tell::events;
use super::support::wait::until;

/// Pieces that are found again in any format, and are no word of it.
const PIECES: Scene = Scene {
    thinking: None,
    text: &["alpha ", "beta ", "gamma "],
    calls: &[
        ("call_a1", "weather", &["{\"city\":", "\"dog", "epsilon\"}"]),
        ("call_b2", "clock", &["{\"zeta\":1}"]),
    ],
    stop: Stop::Tools,
};

async fn begin(front: Wire, up: Upstream) -> (Stub, Gateway, Client, Call) {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(everything(&stub.url())).await;
    let (bearer, mut client) = (gateway.bearer(), gateway.client().await);
    let body = with_tools(front, ask(front, up.model, true)).to_string();
    client.send(request("POST", front.path(), &[("authorization", &bearer)], body.as_bytes())).await;
    let mut call = stub.next().await;
    call.send(sse_head()).await;
    (stub, gateway, client, call)
}

/// LESSONS.md, Protocol: "Buffering an SSE stream (16 KB blocks: first token after 16 s instead of 0.5 s)". The upstream
/// says the next piece only after the client has heard the one before: any buffering anywhere hangs.
#[tokio::test]
async fn pieces_arrive_one_by_one() {
    let words = ["alpha", "beta", "gamma", "weather", "dog", "epsilon", "clock", "zeta"];
    for (front, up) in TRANSLATED {
        let (_stub, _gateway, mut client, mut call) = begin(front, up).await;
        let (mut heard, mut answered) = (String::new(), false);
        for event in events(up.wire, &PIECES) {
            call.chunk(&event).await;
            for word in words {
                // What repeats a piece (the whole at an item's end) has been heard long before.
                while event.contains(word) && !heard.contains(word) {
                    if !answered {
                        assert_eq!(client.head().await.status(), 200);
                        answered = true;
                    }
                    heard.push_str(std::str::from_utf8(&client.chunk().await.unwrap()).unwrap());
                }
            }
        }
        call.send(LAST_CHUNK).await;
        loop {
            let chunk = client.chunk().await.unwrap();
            if chunk.is_empty() {
                break;
            }
            heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let end = match front {
            Wire::Chat => "data: [DONE]\n\n",
            Wire::Responses => "}\n\n",
            Wire::Messages => "{\"type\":\"message_stop\"}\n\n",
        };
        assert!(heard.ends_with(end), "{front:?} to {}: {heard}", up.kind);
        call.done();
    }
}

/// LESSONS.md, Protocol: "upstream not cancelled when the client leaves".
#[tokio::test]
async fn a_client_that_leaves() {
    for (front, up) in TRANSLATED {
        for after in [0, 5] {
            let (_stub, gateway, mut client, mut call) = begin(front, up).await;
            for event in &events(up.wire, &PIECES)[..after] {
                call.chunk(event).await;
            }
            if after > 0 {
                assert_eq!(client.head().await.status(), 200);
            }
            drop(client);
            call.closed().await;
            let logged = gateway.last_logged(|call| call["cancelled"] == true).await;
            assert_eq!(logged["error_source"], "client", "{logged}");
            assert_eq!(
                (&logged["model_asked"], &logged["attempts"]),
                (&up.model.into(), &1.into()),
                "{logged}"
            );
            if after > 0 && up.wire == Wire::Messages {
                assert_eq!(
                    logged["usage"]["cached_input"], 40,
                    "what was told until then is counted: {logged}"
                );
            }
        }
    }
}

/// Leaving a stream that is not a stream: a whole answer that is on its way.
#[tokio::test]
async fn a_client_that_does_not_wait_for_a_whole_answer() {
    for (front, up) in TRANSLATED {
        let mut stub = Stub::manual().await;
        let gateway = Gateway::start(everything(&stub.url())).await;
        let (bearer, mut client) = (gateway.bearer(), gateway.client().await);
        let body = ask(front, up.model, false).to_string();
        client.send(request("POST", front.path(), &[("authorization", &bearer)], body.as_bytes())).await;
        let mut call = stub.next().await;
        call.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\":",
        )
        .await;
        drop(client);
        call.closed().await;
        until("the call in the log", || async {
            let page = gateway.admin("/api/calls?limit=10").await.json();
            (page["calls"][0]["cancelled"] == true).then_some(())
        })
        .await;
    }
}
