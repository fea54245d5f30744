//! Streamed answers: the upstream's bytes in, the client's out.

use super::error::{for_client, stream_fault};
use super::reply::unreadable;
use super::request::Translation;
use super::way::{Back, Framing};
use crate::codec::converse::invoke::{self, Unwrapper};
use crate::codec::custom_tools;
use crate::codec::eventstream::{FrameDecoder, Kind};
use crate::codec::{
    DecodeError, StreamDecoder, StreamEncoder, Wire, chat, converse, gemini, messages, responses,
};
use crate::dialect::fault::{Fault, UpstreamError};
use crate::estimate::Delivered;
use crate::event::{Fate, Piece};
use crate::ir::{StreamEvent, Tokens};
use crate::rejection::{ErrorKind, Rejection};
use crate::sse::EventStream;
use bytes::{Bytes, BytesMut};

/// Cuts an upstream's bytes into events.
#[derive(Debug)]
enum Cutter {
    Sse(EventStream),
    Frames(FrameDecoder),
    Chunks(FrameDecoder, Unwrapper),
}

/// An answer on its way.
#[derive(Debug)]
pub struct Stream {
    translation: Translation,
    cutter: Cutter,
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    custom: Option<custom_tools::Unwrapper>,
    events: Vec<StreamEvent>,
    unwrapped: Vec<StreamEvent>,
    out: BytesMut,
    tokens: Option<Tokens>,
    delivered: Delivered,
    /// The upstream's own error, once it has told one.
    error: Option<UpstreamError>,
    ended: bool,
}

fn cutter(framing: Framing) -> Cutter {
    match framing {
        Framing::Sse => Cutter::Sse(EventStream::new()),
        Framing::Frames => Cutter::Frames(FrameDecoder::new()),
        Framing::Chunks => Cutter::Chunks(FrameDecoder::new(), Unwrapper::default()),
    }
}

fn decoder(back: Wire, model: &str, id: &str) -> Box<dyn StreamDecoder> {
    match back {
        Wire::Chat => Box::new(chat::Decoder::new()),
        Wire::Responses => Box::new(responses::Decoder::new()),
        Wire::Messages => Box::new(messages::Decoder::new()),
        Wire::Gemini => Box::new(gemini::Decoder::new()),
        Wire::Converse => Box::new(converse::Decoder::new(model, id)),
    }
}

/// Shows what is complete in `chunk` to `decoder`.
fn feed(
    cutter: &mut Cutter,
    decoder: &mut dyn StreamDecoder,
    chunk: Bytes,
    events: &mut Vec<StreamEvent>,
) -> Result<(), DecodeError> {
    match cutter {
        Cutter::Sse(sse) => {
            let mut failed = None;
            sse.push(chunk, |event| {
                event.fate = Fate::Drop;
                if let (Piece::Sse { name, data }, None) = (event.piece, &failed) {
                    failed = decoder.event(name, data, events).err();
                }
            })
            .map_err(|e| DecodeError::new("", e.to_string()))?;
            failed.map_or(Ok(()), Err)
        }
        Cutter::Frames(frames) => {
            frames.push(&chunk);
            while let Some(frame) = frames.next_frame().map_err(|e| DecodeError::new("", e.to_string()))? {
                match frame.kind() {
                    Kind::Event(name) | Kind::Exception(name) => {
                        decoder.event(name.as_bytes(), &frame.payload, events)?;
                    }
                    Kind::Error { code, message } => events.push(StreamEvent::Error(UpstreamError {
                        kind: Some(code.to_owned()),
                        message: Some(message.to_owned()),
                        ..UpstreamError::default()
                    })),
                    Kind::Other => {}
                }
            }
            Ok(())
        }
        Cutter::Chunks(frames, unwrapper) => {
            frames.push(&chunk);
            while let Some(frame) = frames.next_frame().map_err(|e| DecodeError::new("", e.to_string()))? {
                match frame.kind() {
                    Kind::Event("chunk") => {
                        let (name, json) = unwrapper.chunk(&frame.payload)?;
                        decoder.event(name.as_bytes(), json, events)?;
                    }
                    _ => {
                        // An exception is told in AWS's words whatever the model's format is.
                        if let invoke::Unwrapped::Error(e) = unwrapper.frame(&frame, &mut BytesMut::new())? {
                            events.push(StreamEvent::Error(e));
                        }
                    }
                }
            }
            Ok(())
        }
    }
}

/// Claude's own events out of AWS's frames, byte for byte.
#[derive(Debug, Default)]
pub struct Unwrapped {
    frames: FrameDecoder,
    unwrapper: Unwrapper,
}

impl Unwrapped {
    /// Takes the next bytes and gives the events that are complete, as Anthropic would have sent them.
    ///
    /// # Errors
    /// A broken frame, or the provider's own error.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Bytes, Rejection> {
        let broken = |e: String| unreadable(&DecodeError::new("", e));
        let mut out = BytesMut::new();
        self.frames.push(chunk);
        while let Some(frame) = self.frames.next_frame().map_err(|e| broken(e.to_string()))? {
            let unwrapped = self.unwrapper.frame(&frame, &mut out).map_err(|e| unreadable(&e))?;
            if let invoke::Unwrapped::Error(e) = unwrapped {
                return Err(failure(&e));
            }
        }
        Ok(out.freeze())
    }
}

/// The provider's own error in mid-stream.
pub fn failure(e: &UpstreamError) -> Rejection {
    let (_, kind, _) = stream_fault(e);
    Rejection::upstream(kind, "upstream_error", "The model provider failed.")
        .detail(format!("error event: {}", e.word().unwrap_or_default()))
}

impl Translation {
    /// For an answer that is a stream.
    pub fn into_stream(self) -> Stream {
        let encoder: Box<dyn StreamEncoder> = match self.front {
            Wire::Chat => Box::new(chat::Encoder::new(self.chat())),
            Wire::Responses => Box::new(responses::Encoder::new(self.responses())),
            Wire::Messages => Box::new(messages::Encoder::new(self.messages())),
            Wire::Gemini | Wire::Converse => Box::new(gemini::Encoder::new(self.gemini(), self.framing)),
        };
        Stream {
            cutter: cutter(self.back.framing),
            decoder: decoder(self.back.wire, &self.served, &self.id),
            encoder,
            custom: (!self.custom.is_empty()).then(|| self.custom.clone().unwrapper()),
            events: Vec::new(),
            unwrapped: Vec::new(),
            out: BytesMut::new(),
            tokens: None,
            // Words are kept where usage may not come.
            delivered: Delivered::new(self.back.wire == Wire::Chat),
            error: None,
            ended: false,
            translation: self,
        }
    }
}

impl Stream {
    /// Takes the next bytes and gives what goes to the client for them (may be empty).
    ///
    /// # Errors
    /// The upstream sent what is not its format; what came before it is in [`Stream::take`].
    pub fn push(&mut self, chunk: Bytes) -> Result<Bytes, Rejection> {
        let fed = feed(&mut self.cutter, &mut *self.decoder, chunk, &mut self.events);
        self.encode();
        fed.map_err(|e| unreadable(&e))?;
        Ok(self.take())
    }

    /// The upstream's bytes are at their end.
    ///
    /// # Errors
    /// It is not the end of an answer.
    pub fn finish(&mut self) -> Result<Bytes, Rejection> {
        if let Cutter::Sse(sse) = &mut self.cutter {
            let (decoder, events, mut failed) = (&mut self.decoder, &mut self.events, None);
            sse.finish(|event| {
                if let Piece::Sse { name, data } = event.piece {
                    failed = decoder.event(name, data, events).err();
                }
            });
            if let Some(e) = failed {
                self.encode();
                return Err(unreadable(&e));
            }
        }
        self.decoder.finish(&mut self.events);
        self.encode();
        if self.ended || self.error.is_some() {
            return Ok(self.take());
        }
        Err(Rejection::upstream(
            ErrorKind::Upstream,
            "upstream_connection_error",
            "The connection to the model provider failed.",
        )
        .detail("the stream ended before the answer did"))
    }

    /// What was encoded before an error.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// The last element of a Gemini client's array, where the gateway must end it with an error; None: the stream is
    /// one of events.
    pub fn break_off(&mut self, why: &Rejection) -> Option<Bytes> {
        if !self.translation.array() {
            return None;
        }
        let (code, status) = gemini::words(why.kind);
        // A word that tells of no kind is told as the kind of its number.
        let kind = if why.kind == ErrorKind::Upstream { "INTERNAL" } else { status };
        self.say(StreamEvent::Error(UpstreamError {
            kind: Some(kind.to_owned()),
            code: Some(code.to_string()),
            detail_code: Some(why.code.to_owned()),
            message: Some(why.message.clone()),
        }));
        Some(self.take())
    }

    /// What the answer cost, as far as the upstream has said it.
    pub fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Is [`Stream::tokens`] all that will be said? Anthropic's first report is of the input, its last of the output;
    /// others' reports count what has come with them.
    pub fn tokens_final(&self) -> bool {
        let counted = self.tokens.is_some_and(|t| t.usage.output > 0);
        self.ended || (counted && self.translation.back.wire != Wire::Messages)
    }

    /// What the client was told since the last time.
    pub fn delivered(&mut self) -> &mut Delivered {
        &mut self.delivered
    }

    /// The number that an event behind all that was written so far would have.
    pub fn next_sequence(&self) -> u64 {
        self.encoder.next_sequence()
    }

    /// The whole answer, once, where the gateway keeps it: [`Translation::kept`](super::Translation).
    pub fn take_object(&mut self) -> Option<Vec<u8>> {
        self.encoder.take_object()
    }

    /// Has the answer come to its own end?
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The provider has told an error in mid-stream. The client has been told it; nothing more comes.
    pub fn failed(&self) -> Option<Rejection> {
        self.error.as_ref().map(failure)
    }

    fn encode(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for mut event in events.drain(..) {
            self.translation.names.restore_event(&mut event);
            match &mut self.custom {
                None => self.say(event),
                Some(custom) => {
                    let mut unwrapped = std::mem::take(&mut self.unwrapped);
                    custom.event(event, &mut unwrapped);
                    unwrapped.drain(..).for_each(|e| self.say(e));
                    self.unwrapped = unwrapped;
                }
            }
        }
        self.events = events;
    }

    fn say(&mut self, mut event: StreamEvent) {
        if self.error.is_some() {
            return;
        }
        match &mut event {
            StreamEvent::Tokens(t) => self.tokens = Some(*t),
            StreamEvent::End => self.ended = true,
            StreamEvent::Error(e) => {
                let told = for_client(self.translation.front, e);
                self.error = Some(std::mem::replace(e, told));
            }
            _ => {}
        }
        if let StreamEvent::Start { id, .. } = &mut event {
            self.translation.own_id(id);
        }
        self.delivered.said(&event);
        if self.translation.signs_in_ids() {
            gemini::embed_event(&mut event);
        }
        self.encoder.event(&event, &mut self.out);
    }
}

/// What the beginning of a stream says.
#[derive(Debug)]
pub enum First {
    /// Nothing yet.
    NeedMore,
    /// A normal answer.
    Fine,
    /// An error, as if the head had said so.
    Error {
        /// Whose fault.
        fault: Fault,
        /// What it says.
        error: UpstreamError,
    },
}

/// Judges the beginning of an upstream's stream: all bytes that were held so far.
pub fn first(back: Back, held: &[Bytes]) -> First {
    let (mut cutter, mut decoder) = (cutter(back.framing), decoder(back.wire, "", ""));
    let mut events = Vec::new();
    for chunk in held {
        if feed(&mut cutter, &mut *decoder, chunk.clone(), &mut events).is_err() {
            // The engine finds it again, and tells it.
            return First::Fine;
        }
    }
    for event in events {
        match event {
            StreamEvent::Start { .. }
            | StreamEvent::Ping
            | StreamEvent::Tokens(_)
            | StreamEvent::ServiceTier(_) => {}
            StreamEvent::Error(error) => {
                let (_, _, fault) = stream_fault(&error);
                return First::Error { fault, error };
            }
            _ => return First::Fine,
        }
    }
    First::NeedMore
}
