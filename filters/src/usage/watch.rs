//! Sees a response of the background end, in an answer that passes unread: `GET /v1/responses/{id}`, whole or as a
//! stream, or `cancel`. Sources: <https://platform.openai.com/docs/guides/background>,
//! <https://platform.openai.com/docs/api-reference/responses/object>.

use super::scan::{BodyScan, Wanted};
use super::{kind, openai};
use crate::event::{Event, Piece};
use crate::sse::EventStream;
use bytes::Bytes;
use sallyport_schema::call::Usage;

/// Longest event that is looked at: the last one has the whole response in it.
const MOST: usize = 8 * 1024 * 1024;

/// How a response has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The API's word: `completed`, `incomplete`, `failed`, `cancelled`.
    pub status: String,
    /// It was made in the background.
    pub background: bool,
    /// Its tokens, where they were told.
    pub usage: Option<Usage>,
}

/// Looks at an answer as it passes, and keeps next to nothing of it.
#[derive(Debug)]
pub struct Watch {
    form: Form,
    status: Option<String>,
    background: bool,
    usage: Option<Usage>,
}

#[derive(Debug)]
enum Form {
    Body(BodyScan),
    Events(Box<EventStream>),
    /// It could not be read on.
    Lost,
}

impl Watch {
    /// For a JSON body, or a stream of events.
    pub fn new(stream: bool) -> Self {
        let form = match stream {
            false => Form::Body(BodyScan::default()),
            true => Form::Events(Box::new(EventStream::with_max(MOST))),
        };
        Self { form, status: None, background: false, usage: None }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &Bytes) {
        let Self { form, status, background, usage } = self;
        let lost = match form {
            Form::Body(scan) => {
                scan.push(piece, |wanted, value| match wanted {
                    Wanted::Status => *status = serde_json::from_slice(value).ok(),
                    Wanted::Background => *background = value.trim_ascii() == b"true",
                    Wanted::Usage => *usage = openai::usage(value).map(|s| s.usage),
                    _ => {}
                });
                false
            }
            Form::Events(stream) => {
                let look = |event: &mut Event<'_>| {
                    let Piece::Sse { name, data } = event.piece else { return };
                    let last = matches!(
                        kind(name, data),
                        Some(
                            b"response.completed"
                                | b"response.incomplete"
                                | b"response.failed"
                                | b"response.cancelled"
                        )
                    );
                    if let Some(r) = last.then(|| openai::response(data)).flatten() {
                        (*status, *usage) = (r.status, r.usage);
                        *background = r.background == Some(true);
                    }
                };
                stream.push(piece.clone(), look).is_err()
            }
            Form::Lost => false,
        };
        if lost {
            *form = Form::Lost;
        }
    }

    /// How the response has ended; None: it goes on, or the answer was none.
    pub fn ended(self) -> Option<Ended> {
        let whole = match &self.form {
            Form::Body(scan) => scan.ended(),
            // A later event would have said otherwise.
            Form::Events(_) => true,
            Form::Lost => false,
        };
        let over = |s: &String| matches!(s.as_str(), "completed" | "incomplete" | "failed" | "cancelled");
        let status = self.status.filter(over).filter(|_| whole)?;
        Some(Ended { status, background: self.background, usage: self.usage })
    }
}

#[cfg(test)]
mod tests;
