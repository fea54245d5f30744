//! Filters and paths (RFC 7644, 3.4.2.2 and figure 7 of 3.5.2). Length and depth are bounded.

use serde_json::Value;
use std::fmt;

/// Longest filter or path, in bytes.
const LONGEST: usize = 4096;
/// Deepest nesting.
const DEEPEST: usize = 20;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at}")]
pub(crate) struct Bad {
    what: &'static str,
    at: usize,
}

/// Name of an attribute: `userName`, `name.givenName`, `urn:…:User:userName`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attr {
    /// What stands before the last colon.
    pub(crate) schema: Option<String>,
    /// The attribute.
    pub(crate) name: String,
    /// Its part.
    pub(crate) sub: Option<String>,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    /// One of them.
    Or(Box<Filter>, Box<Filter>),
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(Attr),
    /// The attribute compares so with a value that is no array and no object.
    Compare(Attr, Op, Value),
    /// One element of the attribute fits the filter.
    Element(Attr, Box<Filter>),
}

/// A place in a resource: `members`, `name.givenName`, `emails[type eq "work"].value`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// The attribute.
    pub(crate) attr: Attr,
    /// Which elements of it.
    pub(crate) filter: Option<Filter>,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let mut reader = Reader::new(text)?;
        let filter = reader.or(0)?;
        reader.end()?;
        Ok(filter)
    }

    /// Whether an attribute of this name occurs.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Or(a, b) | Self::And(a, b) => a.mentions(name) || b.mentions(name),
            Self::Not(a) => a.mentions(name),
            Self::Present(attr) | Self::Compare(attr, ..) | Self::Element(attr, _) => {
                attr.name.eq_ignore_ascii_case(name)
            }
        }
    }
}

impl Place {
    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let mut reader = Reader::new(text)?;
        let mut attr = reader.attr()?;
        let mut filter = None;
        if reader.take('[') {
            if attr.sub.is_some() {
                return Err(reader.bad("brackets behind a part"));
            }
            filter = Some(reader.or(0)?);
            reader.space();
            if !reader.take(']') {
                return Err(reader.bad("a missing `]`"));
            }
            if reader.take('.') {
                attr.sub = Some(reader.name()?);
            }
        }
        reader.end()?;
        Ok(Self { attr, filter })
    }
}

impl Attr {
    /// From `userName`, `name.givenName`, `urn:…:User:name.givenName`.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let mut reader = Reader::new(text)?;
        let attr = reader.attr()?;
        reader.end()?;
        Ok(attr)
    }
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.name)?;
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Result<Self, Bad> {
        if text.len() > LONGEST {
            return Err(Bad { what: "more than 4096 bytes", at: LONGEST });
        }
        let mut reader = Self { text, at: 0 };
        reader.space();
        Ok(reader)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn bad(&self, what: &'static str) -> Bad {
        Bad { what, at: self.text.get(..self.at).map_or(0, |t| t.chars().count()) + 1 }
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.rest().starts_with(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    fn end(&mut self) -> Result<(), Bad> {
        self.space();
        if self.rest().is_empty() { Ok(()) } else { Err(self.bad("something that does not belong there")) }
    }

    /// A run of such characters; may be empty.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    /// Takes this word, in whatever case, if it stands here whole.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let there = rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word))
            && rest.get(word.len()..).is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric()));
        if there {
            self.at += word.len();
        }
        there
    }

    fn or(&mut self, depth: usize) -> Result<Filter, Bad> {
        let mut left = self.and(depth)?;
        let mut long = depth;
        loop {
            self.space();
            if !self.word("or") {
                return Ok(left);
            }
            long += 1;
            let right = self.and(depth)?;
            left = Filter::Or(Box::new(left), Box::new(right));
            self.bounded(long)?;
        }
    }

    fn and(&mut self, depth: usize) -> Result<Filter, Bad> {
        let mut left = self.one(depth)?;
        let mut long = depth;
        loop {
            self.space();
            if !self.word("and") {
                return Ok(left);
            }
            long += 1;
            let right = self.one(depth)?;
            left = Filter::And(Box::new(left), Box::new(right));
            self.bounded(long)?;
        }
    }

    /// A chain of `or` is a tree as deep as it is long.
    fn bounded(&self, depth: usize) -> Result<(), Bad> {
        if depth > DEEPEST * 10 { Err(self.bad("too many terms")) } else { Ok(()) }
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Bad> {
        if depth > DEEPEST {
            return Err(self.bad("too deep a nesting"));
        }
        self.space();
        let start = self.at;
        if self.word("not") {
            self.space();
            if self.take('(') {
                return Ok(Filter::Not(Box::new(self.closed(depth)?)));
            }
            self.at = start;
        }
        if self.take('(') {
            return self.closed(depth);
        }
        let attr = self.attr()?;
        if self.take('[') {
            let inner = self.or(depth + 1)?;
            self.space();
            if !self.take(']') {
                return Err(self.bad("a missing `]`"));
            }
            return Ok(Filter::Element(attr, Box::new(inner)));
        }
        self.space();
        if self.word("pr") {
            return Ok(Filter::Present(attr));
        }
        let op = match self.run(|c| c.is_ascii_alphabetic()).to_ascii_lowercase().as_str() {
            "eq" => Op::Eq,
            "ne" => Op::Ne,
            "co" => Op::Co,
            "sw" => Op::Sw,
            "ew" => Op::Ew,
            "gt" => Op::Gt,
            "ge" => Op::Ge,
            "lt" => Op::Lt,
            "le" => Op::Le,
            _ => return Err(self.bad("no operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr)")),
        };
        if !self.rest().starts_with(char::is_whitespace) {
            return Err(self.bad("no space behind the operator"));
        }
        self.space();
        let value = self.value()?;
        let ordered = matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le);
        let inside = matches!(op, Op::Co | Op::Sw | Op::Ew);
        if ordered && !(value.is_string() || value.is_number()) || inside && !value.is_string() {
            return Err(self.bad("a value that the operator does not compare"));
        }
        Ok(Filter::Compare(attr, op, value))
    }

    /// What stands behind an opening parenthesis.
    fn closed(&mut self, depth: usize) -> Result<Filter, Bad> {
        let inner = self.or(depth + 1)?;
        self.space();
        if self.take(')') { Ok(inner) } else { Err(self.bad("a missing `)`")) }
    }

    fn attr(&mut self) -> Result<Attr, Bad> {
        let start = self.at;
        let word = self.run(|c| c.is_ascii_alphanumeric() || "_-$:./".contains(c));
        let (schema, path) = match word.rsplit_once(':') {
            Some((schema, path)) => (Some(schema.to_owned()), path),
            None => (None, word),
        };
        let (name, sub) = match path.split_once('.') {
            Some((name, sub)) => (name, Some(sub.to_owned())),
            None => (path, None),
        };
        if !is_name(name) || sub.as_deref().is_some_and(|s| !is_name(s)) {
            self.at = start;
            return Err(self.bad("no attribute"));
        }
        Ok(Attr { schema, name: name.to_owned(), sub })
    }

    fn name(&mut self) -> Result<String, Bad> {
        let name = self.run(|c| c.is_ascii_alphanumeric() || "_-$".contains(c));
        if is_name(name) { Ok(name.to_owned()) } else { Err(self.bad("no part of an attribute")) }
    }

    /// A value of JSON that is no array and no object.
    fn value(&mut self) -> Result<Value, Bad> {
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if self.word(word) {
                return Ok(value);
            }
        }
        let rest = self.rest();
        let end = if rest.starts_with('"') {
            closing(rest).ok_or_else(|| self.bad("a text without an end"))?
        } else {
            rest.find(|c: char| c.is_whitespace() || ")]".contains(c)).unwrap_or(rest.len())
        };
        match rest.get(..end).map(serde_json::from_str::<Value>) {
            Some(Ok(value @ (Value::String(_) | Value::Number(_)))) => {
                self.at += end;
                Ok(value)
            }
            _ => Err(self.bad("no value")),
        }
    }
}

/// Where the JSON string at the beginning ends.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `ATTRNAME`; `$ref` is one as well.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
mod tests;
