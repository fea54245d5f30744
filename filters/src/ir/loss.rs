//! What cannot cross, and where it stood in the client's request.

use std::fmt;

/// Where something stood in the client's request, in the client's own notation (`messages[2].content[0]`,
/// `messages.2.content.0`, `contents[2].parts[0]`). Not part of a value's meaning: two values that differ only in it
/// are equal. Empty where the value does not come from a client (an upstream's answer, a test).
#[derive(Clone, Default, Eq)]
pub struct Spot(pub Box<str>);

impl Spot {
    /// A spot.
    pub fn new(path: impl Into<Box<str>>) -> Self {
        Self(path.into())
    }
}

impl PartialEq for Spot {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that an encoder could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The client's field (`top_k`, `messages[2].content[0].cache_control`).
    pub field: String,
    /// Why, as half a sentence for the client: `"the model's provider has no such setting"`.
    pub reason: &'static str,
    /// Nothing is lost in meaning when it is dropped (a hint such as `prompt_cache_key`, which changes cost or
    /// bookkeeping but never the answer): such a loss is reported in header and log, never refused.
    pub harmless: bool,
}

/// All that an encoder could not say, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(pub Vec<Loss>);

impl Losses {
    /// Notes something that changes what the model is asked.
    pub fn add(&mut self, field: impl Into<String>, reason: &'static str) {
        self.0.push(Loss { field: field.into(), reason, harmless: false });
    }

    /// Notes a hint that changes at most cost or bookkeeping.
    pub fn hint(&mut self, field: impl Into<String>, reason: &'static str) {
        self.0.push(Loss { field: field.into(), reason, harmless: true });
    }

    /// The first loss that must be refused unless the configuration allows losses.
    pub fn first_serious(&self) -> Option<&Loss> {
        self.0.iter().find(|l| !l.harmless)
    }
}
