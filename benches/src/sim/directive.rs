//! Directives: how one answer shall behave.
//!
//! ```text
//! model      = name *( ";" directive )
//! directive  = key [ "=" value ] [ "@" probability ]
//! ```
//! The same directives may be given as flags (`--set "latency=200;gap=20"`, for all requests) and as headers
//! (`x-sim-latency: 200`); a header wins over a flag, the model name over both. A switch is on without a value and
//! off with `=0`.
//!
//! | key | value | meaning |
//! |---|---|---|
//! | `latency` | ms | wait before the response head |
//! | `gap` | ms | wait between two tokens of a stream |
//! | `burst` | n | events sent in one write (default 1: each event is its own write) |
//! | `split` | bytes | ignore event borders, write pieces of this size |
//! | `eol` | `lf` `crlf` `cr` | line ends of the event stream |
//! | `tokens` | n | length of the answer in tokens (default 16) |
//! | `bytes` | n | length of the answer in bytes of text, instead of `tokens` |
//! | `echo` | switch | the answer is the text of the last user message, or of the tools' results behind it |
//! | `unicode` | switch | the answer's words hold characters of 2 to 4 bytes |
//! | `stamp` | switch | each token of a stream is the time of its sending (µs since the epoch, 16 digits) |
//! | `cached` | n | input tokens reported as read from the prompt cache |
//! | `cache_write` | n | input tokens reported as written to the prompt cache |
//! | `reasoning` | n | reasoning (thinking) tokens before the answer |
//! | `redacted` | switch | Anthropic, Bedrock: thoughts are redacted |
//! | `reasoning_content` | switch | chat: thoughts are shown in `reasoning_content`, as DeepSeek and vLLM do |
//! | `strict` | switch | `strict=0`: bodies are not checked, as far as they can be answered |
//! | `forgetful` | switch | results of tools are taken without the thoughts that led to the calls |
//! | `usage` | switch | `usage=0`: the answer says nothing about usage |
//! | `status` | code | answer with this error status |
//! | `error` | type | type of the error body, e.g. `insufficient_quota` |
//! | `retry_after` | s | Retry-After of an error |
//! | `html` | switch | an error's body is a page of HTML, as of a load balancer in front |
//! | `error_event` | n | after n events (default 0: the first one) the stream goes on with an error event |
//! | `drop` | | close the connection before the head |
//! | `cut` | n | close the connection after n events (`cut=0`: after the head) |
//! | `stall` | n | after n events say nothing any more |
//! | `hang` | | never answer |
//! | `first` | n | the errors above happen to the first n requests for this model name only |
//! | `seed` | n | seed of the probabilities |
//!
//! `status`, `error_event`, `drop`, `cut`, `stall` and `hang` take a probability: `status=429@0.1`.
//! On an answer that is not a stream, `cut=n` sends n bytes of the body.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A fault and how often it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance<T> {
    /// The fault's parameter.
    pub value: T,
    /// Probability, 0 to 1.
    pub p: f64,
}

/// Line ends of an event stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eol {
    /// `\n`, as OpenAI and Anthropic send.
    #[default]
    Lf,
    /// `\r\n`.
    Crlf,
    /// `\r`.
    Cr,
}

/// How one answer shall behave. `None` means: as the module that answers likes best.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Wait before the response head.
    pub latency: Option<Duration>,
    /// Wait between two tokens.
    pub gap: Option<Duration>,
    /// Events in one write.
    pub burst: Option<usize>,
    /// Bytes in one write, regardless of event borders.
    pub split: Option<usize>,
    /// Line ends.
    pub eol: Eol,
    /// Length of the answer in tokens.
    pub tokens: Option<u32>,
    /// Length of the answer in bytes.
    pub bytes: Option<u32>,
    /// Answer with the last user message.
    pub echo: bool,
    /// Words with multi-byte characters.
    pub unicode: bool,
    /// Tokens are time stamps.
    pub stamp: bool,
    /// Tokens read from the cache.
    pub cached: u32,
    /// Tokens written to the cache.
    pub cache_write: u32,
    /// Reasoning tokens.
    pub reasoning: Option<u32>,
    /// Thoughts are redacted.
    pub redacted: bool,
    /// Chat shows thoughts.
    pub reasoning_content: bool,
    /// Bodies are not checked.
    pub lax: bool,
    /// Thoughts may be missing.
    pub forgetful: bool,
    /// No usage in the answer.
    pub no_usage: bool,
    /// Error status.
    pub status: Option<Chance<u16>>,
    /// Type of the error.
    pub error: Option<String>,
    /// Retry-After, seconds, verbatim.
    pub retry_after: Option<String>,
    /// Error body in HTML.
    pub html: bool,
    /// Error event after so many events.
    pub error_event: Option<Chance<usize>>,
    /// Close before the head.
    pub drop: Option<Chance<()>>,
    /// Close after so many events (bytes, if not a stream).
    pub cut: Option<Chance<usize>>,
    /// Fall silent after so many events (bytes, if not a stream).
    pub stall: Option<Chance<usize>>,
    /// Never answer.
    pub hang: Option<Chance<()>>,
    /// Errors for the first so many requests only.
    pub first: Option<u32>,
    /// Seed of the probabilities.
    pub seed: u64,
}

/// A directive that is not in the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectiveError(String);

impl fmt::Display for DirectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DirectiveError {}

impl Behaviour {
    /// Applies what follows the first `;` of a model name.
    ///
    /// # Errors
    /// The first directive that is unknown or has a bad value.
    pub fn apply_model(&mut self, model: &str) -> Result<(), DirectiveError> {
        match model.split_once(';') {
            Some((_, directives)) => self.apply_all(directives),
            None => Ok(()),
        }
    }

    /// Applies directives separated by `;`.
    ///
    /// # Errors
    /// The first directive that is unknown or has a bad value.
    pub fn apply_all(&mut self, directives: &str) -> Result<(), DirectiveError> {
        for directive in directives.split(';').map(str::trim).filter(|d| !d.is_empty()) {
            let (key, value) = match directive.split_once('=') {
                Some((key, value)) => (key.trim(), value.trim()),
                // `drop@0.1`: the probability belongs to the value, also where there is none
                None => match directive.find('@') {
                    Some(at) => directive.split_at(at),
                    None => (directive, ""),
                },
            };
            self.apply(key, value)?;
        }
        Ok(())
    }

    /// Applies one directive; an empty value means that none was given.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong type.
    pub fn apply(&mut self, key: &str, value: &str) -> Result<(), DirectiveError> {
        match key.replace('-', "_").as_str() {
            "latency" => self.latency = Some(millis(key, value)?),
            "gap" => self.gap = Some(millis(key, value)?),
            "burst" => self.burst = Some(parse::<usize>(key, value)?.max(1)),
            "split" => self.split = Some(parse::<usize>(key, value)?.max(1)),
            "eol" => {
                self.eol = match value {
                    "lf" => Eol::Lf,
                    "crlf" => Eol::Crlf,
                    "cr" => Eol::Cr,
                    _ => return Err(bad(key, value)),
                }
            }
            "tokens" => self.tokens = Some(parse(key, value)?),
            "bytes" => self.bytes = Some(parse(key, value)?),
            "echo" => self.echo = switch(key, value)?,
            "unicode" => self.unicode = switch(key, value)?,
            "stamp" => self.stamp = switch(key, value)?,
            "cached" => self.cached = parse(key, value)?,
            "cache_write" => self.cache_write = parse(key, value)?,
            "reasoning" => self.reasoning = Some(parse(key, value)?),
            "redacted" => self.redacted = switch(key, value)?,
            "reasoning_content" => self.reasoning_content = switch(key, value)?,
            "strict" => self.lax = !switch(key, value)?,
            "forgetful" => self.forgetful = switch(key, value)?,
            "usage" => self.no_usage = !switch(key, value)?,
            "status" => self.status = Some(chance(key, value, status)?),
            "error" => self.error = Some(value.to_owned()),
            "retry_after" => self.retry_after = Some(value.to_owned()),
            "html" => self.html = switch(key, value)?,
            "error_event" => self.error_event = Some(chance(key, value, count)?),
            "drop" => self.drop = Some(chance(key, value, nothing)?),
            "cut" => self.cut = Some(chance(key, value, count)?),
            "stall" => self.stall = Some(chance(key, value, count)?),
            "hang" => self.hang = Some(chance(key, value, nothing)?),
            "first" => self.first = Some(parse(key, value)?),
            "seed" => self.seed = parse(key, value)?,
            _ => return Err(DirectiveError(format!("unknown directive `{key}`"))),
        }
        Ok(())
    }
}

impl FromStr for Behaviour {
    type Err = DirectiveError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut behaviour = Self::default();
        behaviour.apply_all(s)?;
        Ok(behaviour)
    }
}

fn bad(key: &str, value: &str) -> DirectiveError {
    DirectiveError(format!("bad value `{value}` for directive `{key}`"))
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, DirectiveError> {
    value.parse().map_err(|_| bad(key, value))
}

fn millis(key: &str, value: &str) -> Result<Duration, DirectiveError> {
    let ms: f64 = parse(key, value)?;
    Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| bad(key, value))
}

fn switch(key: &str, value: &str) -> Result<bool, DirectiveError> {
    match value {
        "" | "1" | "true" | "on" => Ok(true),
        "0" | "false" | "off" => Ok(false),
        _ => Err(bad(key, value)),
    }
}

fn chance<T>(key: &str, value: &str, of: fn(&str) -> Option<T>) -> Result<Chance<T>, DirectiveError> {
    let (value, p) = match value.split_once('@') {
        Some((value, p)) => (value, parse(key, p)?),
        None => (value, 1.0),
    };
    if !(0.0..=1.0).contains(&p) {
        return Err(bad(key, &p.to_string()));
    }
    of(value).map(|value| Chance { value, p }).ok_or_else(|| bad(key, value))
}

fn status(value: &str) -> Option<u16> {
    value.parse().ok().filter(|code| (300..=599).contains(code))
}

fn count(value: &str) -> Option<usize> {
    if value.is_empty() { Some(0) } else { value.parse().ok() }
}

fn nothing(value: &str) -> Option<()> {
    matches!(value, "" | "1" | "true" | "on").then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_without_directives_are_left_alone() {
        let mut b = Behaviour::default();
        b.apply_model("gpt-5.1=weird@name").unwrap();
        assert_eq!(b, Behaviour::default());
    }

    #[test]
    fn all_kinds_of_directives() {
        let mut b = Behaviour::default();
        b.apply_model("sim;latency=200;gap=0.5;tokens=100;status=429@0.25;retry_after=1;cut=5;drop@0.1;hang;echo;usage=0")
            .unwrap();
        assert_eq!(b.latency, Some(Duration::from_millis(200)));
        assert_eq!(b.gap, Some(Duration::from_micros(500)));
        assert_eq!(b.tokens, Some(100));
        assert_eq!(b.status, Some(Chance { value: 429, p: 0.25 }));
        assert_eq!(b.retry_after.as_deref(), Some("1"));
        assert_eq!(b.cut, Some(Chance { value: 5, p: 1.0 }));
        assert_eq!(b.drop, Some(Chance { value: (), p: 0.1 }));
        assert_eq!(b.hang, Some(Chance { value: (), p: 1.0 }));
        assert!(b.echo && b.no_usage);
    }

    #[test]
    fn what_comes_later_wins() {
        let mut b: Behaviour = "latency=5;echo".parse().unwrap();
        b.apply("x", "1").unwrap_err();
        b.apply("latency", "7").unwrap();
        b.apply_model("m;echo=0").unwrap();
        assert_eq!((b.latency, b.echo), (Some(Duration::from_millis(7)), false));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "latency",
            "latency=-1",
            "tokens=x",
            "status=200",
            "status=429@2",
            "what=1",
            "echo=maybe",
            "eol=x",
        ] {
            assert!(bad.parse::<Behaviour>().is_err(), "{bad}");
        }
    }
}
