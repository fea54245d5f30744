//! A whole answer for a client: what its stream would have ended with.

use super::encoder::Encoder;
use super::object::EncodeReply;
use crate::codec::StreamEncoder;
use crate::ir::stream::StreamEvent;
use crate::ir::{Choice, Reply};
use bytes::BytesMut;

/// Encodes an answer in the client's dialect, under the model that the client asked for.
pub fn encode_reply(r: &Reply, x: &EncodeReply) -> Vec<u8> {
    let Reply { id, model, created, choices, tokens, service_tier, blocked } = r;
    let mut encoder = Encoder::quiet(x.clone());
    let mut nothing = BytesMut::new();
    let mut say = |event: StreamEvent| encoder.event(&event, &mut nothing);
    say(StreamEvent::Start { id: id.clone(), model: model.clone(), created: *created });
    // The format has one answer; the request's encoder has said that more cannot be asked for.
    if let Some(Choice { content, stop, logprobs }) = choices.first() {
        for (index, block) in (0..).zip(content) {
            say(StreamEvent::BlockStart { choice: 0, index, block: block.clone() });
            if let (Some(probs), Some(_)) = (logprobs, block.as_text().filter(|_| index == 0)) {
                say(StreamEvent::Logprobs { choice: 0, content: probs.clone() });
            }
            say(StreamEvent::BlockStop { choice: 0, index });
        }
        if let Some(stop) = stop {
            say(StreamEvent::Stop { choice: 0, stop: stop.clone() });
        }
    }
    if let Some(stop) = blocked {
        say(StreamEvent::Blocked(stop.clone()));
    }
    if let Some(t) = tokens {
        say(StreamEvent::Tokens(*t));
    }
    if let Some(t) = service_tier {
        say(StreamEvent::ServiceTier(t.clone()));
    }
    say(StreamEvent::End);
    encoder.object()
}
