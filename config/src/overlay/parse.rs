//! YAML text → tree. Built from the parser's events (not its ready-made tree) to see tags, places and doubled keys,
//! and to bound what aliases can blow up.

use super::node::{Data, Entry, Mark, Node, Scalar};
use crate::errors::{Origin, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Bytes of one file at most.
const MAX_BYTES: usize = 16 << 20;
/// Nesting at most.
const MAX_DEPTH: usize = 64;
/// Values of one file at most, aliases expanded.
const MAX_NODES: usize = 500_000;

/// Reads one file. An empty one (or one of comments) is an empty map.
pub fn parse(file: &Arc<Path>, bytes: &[u8]) -> Result<Node, Problem> {
    let place = |line: usize, column: usize| Origin {
        file: file.clone(),
        line: u32::try_from(line.max(1)).unwrap_or(u32::MAX),
        column: u32::try_from(column + 1).unwrap_or(u32::MAX),
    };
    let text =
        check_bytes(bytes).map_err(|(line, message)| Problem::new(Some(place(line, 0)), "", message))?;
    let mut builder = Builder { file: file.clone(), ..Builder::default_in(place(1, 0)) };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.event(event, &span)?,
            Err(e) => {
                let (line, column) = (e.marker().line(), e.marker().col());
                return Err(Problem::new(Some(place(line, column)), "", explain(e.info(), text, line)));
            }
        }
    }
    let root =
        builder.root.unwrap_or(Node { data: Data::Map(Vec::new()), origin: place(1, 0), mark: Mark::Merge });
    match root.data {
        Data::Empty => Ok(Node { data: Data::Map(Vec::new()), ..root }),
        Data::Map(_) if root.mark == Mark::Merge => Ok(root),
        Data::Map(_) => Err(Problem::new(Some(root.origin), "", "the whole document cannot be marked")),
        _ => Err(Problem::new(Some(root.origin), "", "a configuration is a map: write `key: value` lines")),
    }
}

fn check_bytes(bytes: &[u8]) -> Result<&str, (usize, String)> {
    if bytes.len() > MAX_BYTES {
        return Err((1, format!("the file is larger than {} MiB", MAX_BYTES >> 20)));
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err((1, "the file begins with a byte order mark; save it as UTF-8 without BOM".into()));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err((1, "the file is UTF-16; save it as UTF-8".into()));
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        (line, "not UTF-8; save the file as UTF-8".into())
    })
}

/// The scanner's words, or a plainer sentence for what happens most.
fn explain(info: &str, text: &str, line: usize) -> String {
    let tab = |n: usize| {
        let l = text.lines().nth(n.saturating_sub(1)).unwrap_or_default();
        l[..l.len() - l.trim_start().len()].contains('\t')
    };
    if info.contains("tab") || tab(line) || (line > 1 && tab(line - 1)) {
        return "a tab in the indentation; YAML wants spaces".into();
    }
    if info.contains("recursion limit") {
        return format!("nested more than {MAX_DEPTH} deep");
    }
    let hint = match text.lines().nth(line.saturating_sub(1)) {
        Some(l) if l.contains("${") => "; inside {…} and […] a value with `${…}` needs quotes",
        _ => "",
    };
    format!("not valid YAML: {info}{hint}")
}

/// An open list or map.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Origin, bool)>,
    /// Values inside so far (for the bound on aliases).
    nodes: usize,
    keys: HashMap<String, Origin>,
    /// Maps of `<<`.
    inherited: Vec<Entry>,
}

struct Builder {
    file: Arc<Path>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn default_in(origin: Origin) -> Self {
        Self {
            file: origin.file,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
            root: None,
        }
    }

    fn origin(&self, span: &Span) -> Origin {
        Origin {
            file: self.file.clone(),
            line: u32::try_from(span.start.line().max(1)).unwrap_or(u32::MAX),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
        }
    }

    fn fail<T>(&self, origin: Origin, message: impl Into<String>) -> Result<T, Problem> {
        let mut path = String::new();
        for open in &self.open {
            match (&open.key, &open.node.data) {
                (Some((key, ..)), _) if path.is_empty() => path.push_str(key),
                (Some((key, ..)), _) => path.push_str(&format!(".{key}")),
                (None, Data::List(items)) => path.push_str(&format!("[{}]", items.len())),
                _ => {}
            }
        }
        Err(Problem::new(Some(origin), path, message))
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let origin = self.origin(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.fail(origin, "a second document (`---`); put it into a file of its own");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let (mark, forced) = self.mark(tag.as_deref(), &origin)?;
                let plain = style == ScalarStyle::Plain && !forced;
                let expects_key =
                    self.open.last().is_some_and(|o| o.key.is_none() && matches!(o.node.data, Data::Map(_)));
                if expects_key {
                    if mark != Mark::Merge {
                        return self.fail(origin, "the tag belongs behind the colon: `key: !delete`");
                    }
                    return self.key(text.into_owned(), plain, origin);
                }
                let data = if plain && text.is_empty() {
                    Data::Empty
                } else {
                    Data::Scalar(Scalar { text: text.into_owned(), plain, sources: Vec::new() })
                };
                if mark == Mark::Replace {
                    return self.fail(
                        origin,
                        "`!replace` belongs in front of a map or a list; a scalar replaces anyway",
                    );
                }
                self.close(Node { data, origin, mark }, anchor, 1)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(Data::List(Vec::new()), anchor, tag.as_deref(), origin)?
            }
            Event::MappingStart(anchor, tag) => {
                self.start(Data::Map(Vec::new()), anchor, tag.as_deref(), origin)?
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((node, size)) => {
                    let (node, size) = (node.clone(), *size);
                    if self.open.len() + depth(&node) > MAX_DEPTH {
                        return self.fail(origin, format!("nested more than {MAX_DEPTH} deep"));
                    }
                    self.close(node, 0, size)?;
                }
                None => return self.fail(origin, "an alias of a value that is not complete yet"),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// What a tag says: the mark, and whether the scalar is text whatever it looks like.
    fn mark(&self, tag: Option<&Tag>, origin: &Origin) -> Result<(Mark, bool), Problem> {
        let Some(tag) = tag else { return Ok((Mark::Merge, false)) };
        match (tag.handle.as_str(), tag.suffix.as_str()) {
            ("!", "delete") => Ok((Mark::Delete, false)),
            ("!", "replace") => Ok((Mark::Replace, false)),
            ("tag:yaml.org,2002:", "str") | ("", "!") => Ok((Mark::Merge, true)),
            ("tag:yaml.org,2002:", "null" | "bool" | "int" | "float" | "seq" | "map") => {
                Ok((Mark::Merge, false))
            }
            _ => {
                self.fail(origin.clone(), format!("unknown tag `{tag}`; there are `!delete` and `!replace`"))
            }
        }
    }

    fn key(&mut self, text: String, plain: bool, origin: Origin) -> Result<(), Problem> {
        if text.is_empty() {
            return self.fail(origin, "an empty key");
        }
        let merge = plain && text == "<<";
        if !merge {
            let message = match text.as_str() {
                "$delete" => Some("to remove a value write the tag `!delete` in front of it".to_owned()),
                "$replace" => Some("to replace a value write the tag `!replace` in front of it".to_owned()),
                _ => None,
            };
            if let Some(message) = message {
                return self.fail(origin, message);
            }
        }
        let earlier = self.open.last().and_then(|o| o.keys.get(&text)).cloned();
        if let Some(earlier) = earlier {
            return self
                .fail(origin, format!("key `{text}` is there twice; the first is in line {}", earlier.line));
        }
        if let Some(open) = self.open.last_mut() {
            open.keys.insert(text.clone(), origin.clone());
            open.key = Some((text, origin, merge));
        }
        Ok(())
    }

    fn start(&mut self, data: Data, anchor: usize, tag: Option<&Tag>, origin: Origin) -> Result<(), Problem> {
        let (mark, _) = self.mark(tag, &origin)?;
        if self.open.len() >= MAX_DEPTH {
            return self.fail(origin, format!("nested more than {MAX_DEPTH} deep"));
        }
        if self.open.last().is_some_and(|o| o.key.is_none() && matches!(o.node.data, Data::Map(_))) {
            return self.fail(origin, "a key must be a text");
        }
        let node = Node { data, origin, mark };
        self.open.push(Open {
            node,
            anchor,
            key: None,
            nodes: 1,
            keys: HashMap::new(),
            inherited: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        if let Data::Map(entries) = &mut open.node.data {
            // Own keys win over those of `<<`, and an earlier `<<` map over a later one.
            for entry in open.inherited {
                if open.keys.insert(entry.key.clone(), entry.key_origin.clone()).is_none() {
                    entries.push(entry);
                }
            }
        }
        if open.node.is_named_list()
            && let Data::List(items) = &open.node.data
        {
            let mut seen: HashMap<&str, &Origin> = HashMap::new();
            for item in items {
                let name = item.item_name().unwrap_or_default();
                if let Some(first) = seen.insert(name, &item.origin) {
                    let message = format!("`{name}` is listed twice; the first is in line {}", first.line);
                    return self.fail(item.origin.clone(), message);
                }
            }
        }
        self.close(open.node, open.anchor, open.nodes)
    }

    /// A complete value goes into the container that is open.
    fn close(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Problem> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values (aliases count as often as they are used)");
            return self.fail(node.origin, message);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.nodes += size;
        match &mut open.node.data {
            Data::List(items) => items.push(node),
            Data::Map(entries) => match open.key.take() {
                Some((key, key_origin, false)) => entries.push(Entry { key, key_origin, value: node }),
                Some((_, key_origin, true)) => match inherit(node) {
                    Some(more) => open.inherited.extend(more),
                    None => return self.fail(key_origin, "`<<` wants an alias of a map, or a list of such"),
                },
                None => return self.fail(node.origin, "a key must be a text"),
            },
            _ => {}
        }
        Ok(())
    }
}

fn inherit(node: Node) -> Option<Vec<Entry>> {
    match node.data {
        Data::Map(entries) => Some(entries),
        Data::List(items) => items
            .into_iter()
            .map(|i| match i.data {
                Data::Map(entries) => Some(entries),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(|maps| maps.into_iter().flatten().collect()),
        _ => None,
    }
}

fn depth(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Data::Map(entries) => 1 + entries.iter().map(|e| depth(&e.value)).max().unwrap_or(0),
        _ => 0,
    }
}
