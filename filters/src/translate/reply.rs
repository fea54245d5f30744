//! Whole answers.

use super::aside::{Aside, count};
use super::request::Translation;
use crate::codec::{DecodeError, Wire, chat, converse, gemini, messages, responses};
use crate::ir::{Reply, Tokens};
use crate::rejection::{ErrorKind, Rejection};

/// An answer in the client's format.
#[derive(Debug)]
pub struct Translated {
    /// The body.
    pub body: Vec<u8>,
    /// What it cost, where the upstream says it.
    pub tokens: Option<Tokens>,
}

impl Translation {
    /// Translates a whole answer.
    ///
    /// # Errors
    /// The upstream sent what is no answer of its format.
    pub fn reply(&self, body: &[u8]) -> Result<Translated, Rejection> {
        if let Some(Aside::Count(front)) = self.aside {
            return count::reply(front, self.back.wire, body);
        }
        let mut reply = self.decode_reply(body).map_err(|e| unreadable(&e))?;
        self.names.restore(&mut reply);
        self.custom.unwrap_reply(&mut reply);
        self.own_id(&mut reply.id);
        let tokens = reply.tokens;
        let mut body = self.encode_reply(&mut reply);
        if self.one_event() {
            body = [b"data: ", &*body, b"\r\n\r\n"].concat();
        } else if self.array() {
            body = [b"[", &*body, b"]"].concat();
        }
        Ok(Translated { body, tokens })
    }

    fn decode_reply(&self, body: &[u8]) -> Result<Reply, DecodeError> {
        match self.back.wire {
            Wire::Chat => chat::decode_reply(body),
            Wire::Responses => responses::decode_reply(body),
            Wire::Messages => messages::decode_reply(body),
            Wire::Gemini => gemini::decode_reply(body),
            Wire::Converse => converse::decode_reply_of(body, converse::Model::of(&self.served)),
        }
    }

    fn encode_reply(&self, reply: &mut Reply) -> Vec<u8> {
        if self.signs_in_ids() {
            gemini::embed_reply(reply);
        }
        match self.front {
            Wire::Chat => chat::encode_reply(reply, &self.chat()),
            Wire::Responses => responses::encode_reply(reply, &self.responses()),
            Wire::Messages => messages::encode_reply(reply, &self.messages()),
            Wire::Gemini | Wire::Converse => gemini::encode_reply(reply, &self.gemini()),
        }
    }

    /// An id that does not look like one of the client's format is the gateway's business only: the answer gets one of
    /// its own.
    pub(super) fn own_id(&self, id: &mut String) {
        let prefix = match self.front {
            Wire::Chat => "chatcmpl-",
            Wire::Responses => "resp_",
            Wire::Messages => "msg_",
            // Any text.
            Wire::Gemini | Wire::Converse => return,
        };
        if !id.starts_with(prefix) {
            id.clear();
        }
    }

    /// Clients of Chat give back nothing but a call's id: a signature must travel in it.
    pub(super) fn signs_in_ids(&self) -> bool {
        self.front == Wire::Chat
    }

    pub(super) fn chat(&self) -> chat::EncodeReply {
        chat::EncodeReply {
            model: self.asked.clone(),
            created: self.created,
            id: format!("chatcmpl-{}", self.id),
            include_usage: self.stream_usage,
            function_call: self.function_call,
        }
    }

    pub(super) fn responses(&self) -> responses::EncodeReply {
        responses::EncodeReply {
            model: self.asked.clone(),
            id: self.id.clone(),
            created: self.created,
            echo: self.echo.clone(),
            kept: self.kept.clone(),
        }
    }

    pub(super) fn messages(&self) -> messages::EncodeReply {
        messages::EncodeReply { model: self.asked.clone(), id: format!("msg_{}", self.id) }
    }

    pub(super) fn gemini(&self) -> gemini::EncodeReply {
        gemini::EncodeReply { model: self.asked.clone(), id: self.id.clone() }
    }
}

/// An answer that is not the format's.
pub(super) fn unreadable(e: &DecodeError) -> Rejection {
    Rejection::upstream(
        ErrorKind::Upstream,
        "upstream_bad_answer",
        "The model provider sent an answer that cannot be read.",
    )
    .detail(e.to_string())
}
