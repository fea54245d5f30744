//! Which misfortunes happen to a call, and what they do to its answer.

use crate::sim::bedrock::frames;
use crate::sim::body::End;
use crate::sim::directive::{Behaviour, Chance};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::ids::Dice;
use crate::sim::script::{Script, Writer};
use serde_json::json;

/// Which of the possible misfortunes happen to this call.
#[derive(Default)]
pub(super) struct Fate {
    pub(super) hang: bool,
    pub(super) drop: bool,
    pub(super) status: Option<u16>,
    pub(super) error_event: Option<usize>,
    pub(super) cut: Option<usize>,
    pub(super) stall: Option<usize>,
}

impl Fate {
    /// Throws the dice; `before` requests came before for the same model.
    pub(super) fn decide(behaviour: &Behaviour, before: u64, dice: &mut Dice) -> Self {
        if behaviour.first.is_some_and(|first| before >= u64::from(first)) {
            return Self::default();
        }
        fn falls<T: Copy>(chance: Option<Chance<T>>, dice: &mut Dice) -> Option<T> {
            chance.filter(|c| dice.flip(c.p)).map(|c| c.value)
        }
        Self {
            hang: falls(behaviour.hang, dice).is_some(),
            drop: falls(behaviour.drop, dice).is_some(),
            status: falls(behaviour.status, dice),
            error_event: falls(behaviour.error_event, dice),
            cut: falls(behaviour.cut, dice),
            stall: falls(behaviour.stall, dice),
        }
    }
}

impl Fate {
    /// How a stream ends.
    pub(super) fn end(&self) -> End {
        match (self.cut, self.stall) {
            (Some(_), _) => End::Cut,
            (None, Some(_)) => End::Stall,
            (None, None) => End::Clean,
        }
    }

    /// Puts the error event in.
    pub(super) fn spoil(
        &self,
        mut script: Script,
        behaviour: &Behaviour,
        endpoint: Endpoint,
        dialect: Dialect,
        request_id: &str,
    ) -> Script {
        let Some(after) = self.error_event else { return script };
        script.truncate(after);
        let status = match dialect {
            Dialect::Anthropic => 529,
            Dialect::Gemini | Dialect::Bedrock => 503,
            Dialect::OpenAi | Dialect::Azure => 500,
        };
        let fault = Fault::injected(dialect, status, behaviour);
        let mut error = Writer::default();
        match endpoint {
            Endpoint::ConverseStream | Endpoint::InvokeStream => frames::exception(
                &mut error,
                // in streams their names begin in lower case
                &lower(fault.kind(dialect)),
                &fault.body(dialect, request_id),
            ),
            Endpoint::Messages | Endpoint::StreamRawPredict => {
                error.json("error", &fault.body(dialect, request_id))
            }
            Endpoint::Responses => error.json(
                "error",
                &json!({"type": "error", "sequence_number": script.marks.len(), "code": fault.kind(dialect),
                    "message": fault.message, "param": null}),
            ),
            _ => error.json("", &fault.body(dialect, request_id)),
        }
        script.append(&error.finish());
        script
    }
}

fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
