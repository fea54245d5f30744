//! Pieces of texts and arguments: nearly all of a stream. Their events are written as any other, but what is the same in
//! all pieces of a part is not built anew.

use crate::codec::text;
use bytes::BytesMut;

/// What kind of piece it is.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The event up to its number.
    head: &'static [u8],
    /// The event after the piece.
    tail: &'static [u8],
}

macro_rules! kind {
    ($kind:literal, $tail:literal) => {
        Kind {
            head: concat!("event: ", $kind, "\ndata: {\"type\":\"", $kind, "\",\"sequence_number\":")
                .as_bytes(),
            tail: concat!("\"", $tail, "}\n\n").as_bytes(),
        }
    };
}

pub(super) const TEXT: Kind = kind!("response.output_text.delta", ",\"logprobs\":[]");
pub(super) const REFUSAL: Kind = kind!("response.refusal.delta", "");
pub(super) const SUMMARY: Kind = kind!("response.reasoning_summary_text.delta", "");
pub(super) const ARGUMENTS: Kind = kind!("response.function_call_arguments.delta", "");
pub(super) const INPUT: Kind = kind!("response.custom_tool_call_input.delta", "");

/// Where pieces belong: their events between number and piece.
#[derive(Debug)]
pub(super) struct Place(Vec<u8>);

impl Place {
    /// The item of this id at this index of the output, and in it the part that a member names.
    pub(super) fn new(item_id: &str, output_index: usize, part: Option<(&str, usize)>) -> Self {
        let mut digits = itoa::Buffer::new();
        let mut json = Vec::with_capacity(item_id.len() + 96);
        json.extend_from_slice(b",\"item_id\":");
        text::quote(item_id, &mut json);
        json.extend_from_slice(b",\"output_index\":");
        json.extend_from_slice(digits.format(output_index).as_bytes());
        if let Some((member, index)) = part {
            json.push(b',');
            text::quote(member, &mut json);
            json.push(b':');
            json.extend_from_slice(digits.format(index).as_bytes());
        }
        json.extend_from_slice(b",\"delta\":\"");
        Self(json)
    }
}

/// Appends the event of a piece.
pub(super) fn write(kind: Kind, sequence_number: u64, place: &Place, piece: &str, out: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    let number = digits.format(sequence_number).as_bytes();
    out.reserve(kind.head.len() + number.len() + place.0.len() + piece.len() + kind.tail.len());
    out.extend_from_slice(kind.head);
    out.extend_from_slice(number);
    out.extend_from_slice(&place.0);
    text::escape(piece, out);
    out.extend_from_slice(kind.tail);
}

#[cfg(test)]
mod tests;
