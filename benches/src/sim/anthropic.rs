//! Anthropic's API.

mod messages;
mod models;

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use serde_json::json;

/// Answers any call of this dialect.
pub(crate) fn answer(turn: Turn<'_>) -> Result<Answer, Fault> {
    if !turn.headers.contains_key("anthropic-version") {
        return Err(Fault::new(400, "anthropic-version: header is required"));
    }
    match turn.endpoint {
        Endpoint::Models => Ok(models::list(&turn)),
        Endpoint::Model => Ok(models::get(&turn)),
        Endpoint::CountTokens => {
            require_messages(&turn)?;
            Ok(Answer::json(&json!({"input_tokens": turn.ask.tally().tokens()})))
        }
        _ => {
            require_messages(&turn)?;
            if turn.ask.max_tokens.is_none() {
                return Err(Fault::missing(Dialect::Anthropic, "max_tokens"));
            }
            Ok(messages::answer(turn))
        }
    }
}

fn require_messages(turn: &Turn<'_>) -> Result<(), Fault> {
    match turn.ask.messages {
        None => Err(Fault::missing(Dialect::Anthropic, "messages")),
        Some(raw) if !raw.get().starts_with('[') => {
            Err(Fault::new(400, "messages: Input should be a valid array"))
        }
        Some(raw) if raw.get()[1..].trim_start().starts_with(']') => {
            Err(Fault::new(400, "messages: at least one message is required"))
        }
        Some(_) => Ok(()),
    }
}
