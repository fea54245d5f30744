//! One event of an answer on its way to the client.

use bytes::Bytes;

/// What an [`Event`] is a piece of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// One whole server-sent event.
    Sse {
        /// `event:` field; empty if there is none.
        name: &'a [u8],
        /// `data:` field (of several lines: joined by LF).
        data: &'a [u8],
    },
    /// A piece of a body that is not a stream of events; its borders mean nothing.
    Body(&'a [u8]),
}

/// What goes out instead of the bytes that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// The bytes as they came.
    #[default]
    Keep,
    /// Nothing.
    Drop,
    /// These bytes (a whole event, its blank line included).
    Replace(Bytes),
}

/// An event that filters look at.
#[derive(Debug)]
pub struct Event<'a> {
    /// What it is.
    pub piece: Piece<'a>,
    /// What becomes of it.
    pub fate: Fate,
}
