//! The conversation IR: what every dialect decodes to and encodes from (N + M, never N × M).
//!
//! A [`Conversation`] is a request, a [`Reply`] a whole answer, a [`StreamEvent`] a piece of a streamed one. They are
//! used only where client and upstream speak different dialects; the same dialect passes verbatim.
//!
//! Three rules keep translation honest:
//! - **Nothing is lost in silence.** What an encoder cannot say it reports as a [`loss::Loss`], named by the client's
//!   own field; the caller refuses the call or, where the configuration allows it, drops the field and says so.
//!   What a decoder does not know stays in [`Conversation::extra`] or as [`block::Block::Opaque`].
//! - **One canonical form.** Each dialect has several spellings of one thing (a string, or an array with one text
//!   part). Decoders normalise; the laws (`decode ∘ encode = identity`, stream = whole) hold on the canonical form.
//! - **Raw stays raw.** JSON that only passes (tool arguments, schemas, unknown fields) is kept as the text it came
//!   as, so that key order and numbers survive.

pub mod block;
pub mod collect;
pub mod conversation;
pub mod loss;
pub mod raw;
pub mod reply;
pub mod settings;
pub mod signature;
pub mod stream;
pub mod tool;

pub use block::{Block, Media, Source};
pub use conversation::{Conversation, Message, Role};
pub use loss::{Loss, Losses, Spot};
pub use raw::Raw;
pub use reply::{Choice, Reply, Stop, StopReason, Tokens};
pub use settings::Settings;
pub use signature::{Origin, Signature};
pub use stream::StreamEvent;
pub use tool::{Tool, ToolChoice};
