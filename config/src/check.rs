//! The merged configuration as YAML, each value with the file and line that it came from. What it prints is itself a
//! configuration (but for the secrets, which are masked).

use crate::document::Step;
use crate::load::Loaded;
use crate::overlay::{Data, Node};
use serde_yaml::Value;
use std::fmt::Write as _;

/// Renders the configuration: `listen: 127.0.0.1:3001  # overlays/prod.yaml:12`; what no file says is marked
/// `# default`, what came out of variables names them, secrets are `***`.
pub fn render(loaded: &Loaded) -> String {
    let mut out = String::new();
    // serde keeps the order of the types' fields, which is the order of the documentation.
    if let Ok(Value::Mapping(map)) = serde_yaml::to_value(&*loaded.config) {
        let mut printer = Printer { loaded, out: &mut out };
        printer.map(&map, 0, &mut Vec::new());
    }
    out
}

struct Printer<'a, 'o> {
    loaded: &'a Loaded,
    out: &'o mut String,
}

impl<'a> Printer<'a, '_> {
    fn map(&mut self, map: &serde_yaml::Mapping, indent: usize, path: &mut Vec<Step>) {
        for (i, (key, value)) in map.iter().enumerate() {
            let Value::String(key) = key else { continue };
            // The first key of a list's item stands behind its dash.
            if i > 0 || !self.out.ends_with("- ") {
                self.indent(indent);
            }
            let _ = write!(self.out, "{}:", text(key));
            path.push(Step::Key(key.clone()));
            self.value(value, indent, path);
            path.pop();
        }
    }

    fn value(&mut self, value: &Value, indent: usize, path: &mut Vec<Step>) {
        match value {
            Value::Mapping(map) if !map.is_empty() => {
                self.out.push('\n');
                self.map(map, indent + 2, path);
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.out.push('\n');
                for (i, item) in items.iter().enumerate() {
                    self.indent(indent + 2);
                    self.out.push('-');
                    path.push(Step::Index(i));
                    match item {
                        Value::Mapping(map) if !map.is_empty() => {
                            self.out.push(' ');
                            self.map(map, indent + 4, path);
                        }
                        scalar => self.value(scalar, indent + 2, path),
                    }
                    path.pop();
                }
            }
            Value::Mapping(_) => self.scalar("{}", path),
            Value::Sequence(_) => self.scalar("[]", path),
            Value::Null => self.scalar("null", path),
            Value::Bool(b) => self.scalar(if *b { "true" } else { "false" }, path),
            Value::Number(n) => self.scalar(&n.to_string(), path),
            Value::String(s) => self.scalar(&text(s), path),
            Value::Tagged(t) => self.value(&t.value, indent, path),
        }
    }

    fn scalar(&mut self, shown: &str, path: &[Step]) {
        let _ = write!(self.out, " {shown}");
        match self.origin(path) {
            Some(node) => {
                let _ = write!(self.out, "  # {}:{}", node.origin.file.display(), node.origin.line);
                if let Data::Scalar(s) = &node.data
                    && !s.sources.is_empty()
                {
                    let _ = write!(self.out, " ({})", s.sources.join(", "));
                }
            }
            None => self.out.push_str("  # default"),
        }
        self.out.push('\n');
    }

    fn origin(&self, path: &[Step]) -> Option<&'a Node> {
        let loaded: &'a Loaded = self.loaded;
        let (_, node, whole) = loaded.document.locate(path);
        whole.then_some(node)
    }

    fn indent(&mut self, n: usize) {
        self.out.extend(std::iter::repeat_n(' ', n));
    }
}

/// A string as YAML writes it: bare where nothing can be mistaken, else in double quotes.
fn text(s: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,~".contains(c);
    let ambiguous = !matches!(crate::overlay::plain(s), crate::overlay::Plain::Text);
    let starts = s.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '.' || c == '_');
    // YAML 1.1 readers take these for booleans.
    let old = ["yes", "no", "on", "off", "y", "n"].contains(&s.to_ascii_lowercase().as_str());
    if starts && s.chars().all(bare) && !ambiguous && !old && !s.ends_with(':') && !s.contains("::") {
        return s.to_owned();
    }
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    // Pasted back, a `${` must stay one.
    let mut out = out.replace("${", "$${");
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
