//! The string in `{"input":"…"}`, taken out while it is being written.

/// Where the reading stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the string's first quote: what has come.
    #[default]
    Before,
    /// Inside the string.
    In,
    /// Inside it, after a backslash: the escape so far.
    Escape(String),
    /// After the string's last quote.
    After,
    /// It is no such object: kept whole until its end.
    Other,
}

/// Reads the arguments of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct InputText {
    state: State,
    /// In `Before` and `Other`: everything so far.
    held: String,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
}

const HEAD: [&str; 4] = ["{", "\"input\"", ":", "\""];

/// Does the text begin `{"input":"`? None: it may yet.
fn head(text: &str) -> Option<Result<usize, ()>> {
    let mut rest = text;
    for token in HEAD {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        if let Some(more) = rest.strip_prefix(token) {
            rest = more;
        } else {
            return if token.starts_with(rest) { None } else { Some(Err(())) };
        }
    }
    Some(Ok(text.len() - rest.len()))
}

impl InputText {
    /// More of the arguments; what is new of the text.
    pub(super) fn push(&mut self, more: &str) -> String {
        let mut out = String::with_capacity(more.len());
        match self.state {
            State::Other => self.held.push_str(more),
            State::Before => {
                self.held.push_str(more);
                match head(&self.held) {
                    None => {}
                    Some(Err(())) => self.state = State::Other,
                    Some(Ok(at)) => {
                        self.state = State::In;
                        let rest = self.held.split_off(at);
                        self.held.clear();
                        self.read(&rest, &mut out);
                    }
                }
            }
            _ => self.read(more, &mut out),
        }
        out
    }

    fn read(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            match &mut self.state {
                State::In => match c {
                    '"' => {
                        self.lone(out);
                        self.state = State::After;
                    }
                    '\\' => self.state = State::Escape(String::new()),
                    c => {
                        self.lone(out);
                        out.push(c);
                    }
                },
                State::Escape(so_far) => {
                    so_far.push(c);
                    let unicode = so_far.starts_with('u');
                    if !unicode || so_far.len() >= 5 {
                        let escape = std::mem::take(so_far);
                        self.state = State::In;
                        self.escape(&escape, out);
                    }
                }
                _ => return,
            }
        }
    }

    /// A high surrogate without its low one.
    fn lone(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn escape(&mut self, escape: &str, out: &mut String) {
        let Some(digits) = escape.strip_prefix('u') else {
            self.lone(out);
            match escape {
                "n" => out.push('\n'),
                "t" => out.push('\t'),
                "r" => out.push('\r'),
                "b" => out.push('\u{8}'),
                "f" => out.push('\u{c}'),
                // A quote, a backslash, a slash; and whatever a model escapes without need.
                other => out.push_str(other),
            }
            return;
        };
        let Ok(unit) = u16::from_str_radix(digits, 16) else {
            self.lone(out);
            out.push(char::REPLACEMENT_CHARACTER);
            return;
        };
        if let Some(high) = self.high.take() {
            match char::decode_utf16([high, unit]).next() {
                Some(Ok(c)) => return out.push(c),
                _ => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
        match char::from_u32(u32::from(unit)) {
            Some(c) => out.push(c),
            None if (0xD800..0xDC00).contains(&unit) => self.high = Some(unit),
            None => out.push(char::REPLACEMENT_CHARACTER),
        }
    }

    /// The arguments are at their end; what is left of the text.
    pub(super) fn finish(mut self) -> String {
        let mut out = String::new();
        match self.state {
            // Cut, or something else: an `input` further inside, a bare string, or the text as it is.
            State::Before | State::Other => {
                let text = |v: serde_json::Value| match v {
                    serde_json::Value::String(s) => Some(s),
                    serde_json::Value::Object(mut o) => match o.remove("input") {
                        Some(serde_json::Value::String(s)) => Some(s),
                        _ => None,
                    },
                    _ => None,
                };
                return serde_json::from_str(&self.held).ok().and_then(text).unwrap_or(self.held);
            }
            _ => self.lone(&mut out),
        }
        out
    }
}
