//! What a scalar without quotes means: YAML 1.2's core schema. (`yes`, `on` and `0123` are text, not booleans or
//! octal numbers.)

/// A scalar with its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text,
}

/// The type of a scalar without quotes.
pub(crate) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        _ => {}
    }
    number(text).map_or(Plain::Text, Plain::Number)
}

fn number(text: &str) -> Option<serde_json::Number> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Into::into);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Into::into);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `inf`, `nan` and `1_000`, which Rust's parser or other YAML readers take, are text here.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
    {
        return None;
    }
    if digits.bytes().all(|c| c.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        if let Ok(n) = unsigned.parse::<u64>() {
            return Some(n.into());
        }
        if let Ok(n) = unsigned.parse::<i64>() {
            return Some(n.into());
        }
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_of_yaml_1_2() {
        for (text, want) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("true", Plain::Bool(true)),
            ("FALSE", Plain::Bool(false)),
            ("yes", Plain::Text),
            ("on", Plain::Text),
            ("12", Plain::Number(12.into())),
            ("-3", Plain::Number((-3).into())),
            ("+3", Plain::Number(3.into())),
            ("0x1F", Plain::Number(31.into())),
            ("0o17", Plain::Number(15.into())),
            ("0123", Plain::Text),
            (".nan", Plain::Text),
            ("inf", Plain::Text),
            ("1_000", Plain::Text),
            ("1.2.3", Plain::Text),
            ("127.0.0.1", Plain::Text),
            ("-", Plain::Text),
            (".", Plain::Text),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
        assert_eq!(plain("0.25"), Plain::Number(serde_json::Number::from_f64(0.25).unwrap()));
        assert_eq!(plain("1e3"), Plain::Number(serde_json::Number::from_f64(1000.0).unwrap()));
    }
}
