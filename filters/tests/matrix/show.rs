//! JSON for readers: what fits on a line stays on it.

use serde_json::Value;

/// Widest line, in characters.
const WIDTH: usize = 140;

/// `text`: JSON; its order stays.
pub(crate) fn json(text: &[u8]) -> String {
    let v: Value =
        serde_json::from_slice(text).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)));
    let mut out = String::new();
    write(&v, 0, 0, &mut out);
    out.push('\n');
    out
}

/// `used`: characters on the line before the value, without the indent.
fn write(v: &Value, depth: usize, used: usize, out: &mut String) {
    let flat = v.to_string();
    let inside: Vec<(String, &Value)> = match v {
        Value::Array(list) => list.iter().map(|v| (String::new(), v)).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (format!("{}:", Value::from(k.as_str())), v)).collect(),
        _ => Vec::new(),
    };
    if inside.is_empty() || depth * 2 + used + flat.len() <= WIDTH {
        out.push_str(&flat);
        return;
    }
    let (open, close) = if v.is_array() { ('[', ']') } else { ('{', '}') };
    out.push(open);
    for (i, (key, v)) in inside.iter().enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        out.push_str(&"  ".repeat(depth + 1));
        out.push_str(key);
        write(v, depth + 1, key.len(), out);
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(close);
}
