//! What the simulated model says: text in tokens.
//!
//! A word of the vocabulary is exactly 4 bytes, so that the rule "4 bytes are 1 token" gives the number of tokens
//! whether one counts words or bytes.

/// Three letters and a space.
const WORDS: [&str; 16] = [
    "The ", "old ", "sea ", "has ", "its ", "own ", "way ", "and ", "the ", "sun ", "may ", "set ", "far ",
    "out ", "but ", "not ",
];

/// Four bytes each, made of characters of 1 to 4 bytes.
const UNICODE: [&str; 8] = ["éé", "né ", "日 ", "🌊", "ßß", "的 ", "ön ", "🏰"];

/// Text and where its tokens end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    /// The whole.
    pub(crate) string: String,
    ends: Vec<usize>,
}

impl Text {
    /// `tokens` words.
    pub(crate) fn words(tokens: u32, unicode: bool) -> Self {
        let mut text = Self::with_capacity(tokens as usize);
        for i in 0..tokens as usize {
            text.push(if unicode { UNICODE[i % UNICODE.len()] } else { WORDS[i % WORDS.len()] });
        }
        text
    }

    /// Words of `bytes` bytes; the last token may be shorter.
    pub(crate) fn bytes(bytes: u32) -> Self {
        let mut text = Self::words(bytes / 4, false);
        if !bytes.is_multiple_of(4) {
            text.push(&WORDS[0][..(bytes % 4) as usize]);
        }
        text
    }

    /// Some given text, in tokens of at most 4 bytes that cut no character.
    pub(crate) fn of(string: &str) -> Self {
        let mut text = Self::with_capacity(string.len() / 4 + 1);
        let mut rest = string;
        while !rest.is_empty() {
            let mut end = rest.len().min(4);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (token, tail) = rest.split_at(end);
            text.push(token);
            rest = tail;
        }
        text
    }

    /// `tokens` places of 16 digits and a space for time stamps that are filled in when they are sent.
    pub(crate) fn stamps(tokens: u32) -> Self {
        let mut text = Self::with_capacity(tokens as usize * 4);
        for _ in 0..tokens {
            text.push(STAMP);
        }
        text
    }

    fn with_capacity(tokens: usize) -> Self {
        Self { string: String::with_capacity(tokens * 4), ends: Vec::with_capacity(tokens) }
    }

    fn push(&mut self, token: &str) {
        self.string.push_str(token);
        self.ends.push(self.string.len());
    }

    /// Cuts after `tokens` tokens; true if there was more.
    pub(crate) fn truncate(&mut self, tokens: u32) -> bool {
        let tokens = tokens as usize;
        if self.ends.len() <= tokens {
            return false;
        }
        self.ends.truncate(tokens);
        self.string.truncate(self.ends.last().copied().unwrap_or(0));
        true
    }

    /// Number of tokens.
    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The tokens in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| &self.string[start..end])
    }
}

/// Mark and place of a time stamp; the digits are replaced when the event is sent.
pub(crate) const STAMP: &str = "t=0000000000000000 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_are_a_token() {
        assert!(WORDS.iter().all(|w| w.len() == 4));
        assert!(UNICODE.iter().all(|w| w.len() == 4));
        let text = Text::bytes(10);
        assert_eq!((text.string.as_str(), text.len()), ("The old Th", 3));
        assert_eq!(Text::words(100, false).string.len(), 400);
    }

    #[test]
    fn given_text_survives_in_pieces() {
        let text = Text::of("héllo wörld 🌊🌊 的");
        assert_eq!(text.tokens().collect::<String>(), "héllo wörld 🌊🌊 的");
        assert!(text.tokens().all(|t| t.len() <= 4 && !t.is_empty()));
    }

    #[test]
    fn truncation_says_whether_something_was_lost() {
        let mut text = Text::words(3, false);
        assert!(!text.truncate(3));
        assert!(text.truncate(1));
        assert_eq!((text.string.as_str(), text.len()), ("The ", 1));
        assert!(text.truncate(0));
        assert_eq!(text.string, "");
    }
}
