//! What is wrong with a configuration, where, and what to write instead. All problems of a document are reported
//! together, so that one run of `sallyport check` is enough to mend it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as named on the command line.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1 (characters).
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written; None: nowhere (a default, or a file that cannot be read).
    pub origin: Option<Origin>,
    /// The setting (`providers[openai].base_url`); empty = the document.
    pub path: String,
    /// What is wrong and what to write. Never a secret.
    pub message: String,
}

impl Problem {
    /// A problem of the setting `path`.
    pub fn new(origin: Option<Origin>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All that is wrong with a configuration, in the order of the files and lines; one line each when displayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct Errors(pub Vec<Problem>);

impl Errors {
    fn lines(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Sorted by place, without repetitions; problems without a place first.
    pub(crate) fn sorted(mut problems: Vec<Problem>, files: &[Arc<Path>]) -> Vec<Problem> {
        let rank = |p: &Problem| {
            p.origin.as_ref().map(|o| (files.iter().position(|f| *f == o.file), o.line, o.column))
        };
        problems.sort_by_key(rank);
        problems.dedup();
        problems
    }
}

impl From<Problem> for Errors {
    fn from(p: Problem) -> Self {
        Self(vec![p])
    }
}
