//! `${NAME}`, `${NAME:-default}`, `${NAME:+text}` and `$${` inside a scalar.

/// A scalar with its variables filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The text.
    pub(crate) text: String,
    /// Names of the variables that were read, as written (`${NAME}`).
    pub(crate) variables: Vec<String>,
}

/// Fills in the variables of `text`. The error never holds a variable's value.
pub(crate) fn fill(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Filled, String> {
    let mut out = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.text.push_str(before);
            out.text.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.text.push_str(before);
        let Some(end) = from.find('}') else {
            return Err("`${` without a closing `}`; for a literal `${` write `$${`".into());
        };
        let inner = &from[2..end];
        let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
        let (name, how) = inner.split_at(length);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("`${` must be followed by the name of an environment variable; for a literal `${` write `$${`"
                .into());
        }
        let value = env(name);
        let filled = |v: &Option<String>| v.as_deref().is_some_and(|v| !v.is_empty());
        match (how.is_empty(), how.strip_prefix(":-"), how.strip_prefix(":+")) {
            (true, _, _) => match value {
                Some(v) => out.text.push_str(&v),
                None => {
                    return Err(format!(
                        "environment variable {name} is not set; set it, or write `${{{name}:-default}}`"
                    ));
                }
            },
            (_, Some(default), _) if !filled(&value) => out.text.push_str(default),
            (_, Some(_), _) => out.text.push_str(&value.unwrap_or_default()),
            (_, _, Some(text)) if filled(&value) => out.text.push_str(text),
            (_, _, Some(_)) => {}
            _ => {
                return Err(format!(
                    "`${{{name}…}}` is none of `${{{name}}}`, `${{{name}:-default}}` and `${{{name}:+text}}`"
                ));
            }
        }
        out.variables.push(format!("${{{name}}}"));
        rest = &from[end + 1..];
    }
    out.text.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}".into()),
            _ => None,
        }
    }

    #[test]
    fn forms() {
        for (text, want) in [
            ("plain $ and $$ {x}", "plain $ and $$ {x}"),
            ("${A}", "1"),
            ("x${A}y${A}z", "x1y1z"),
            ("${B:-two}", "two"),
            ("${B:-}", ""),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${A:+yes}", "yes"),
            ("${B:+yes}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("${NESTED}", "${A}"),
            ("ü${A}ü", "ü1ü"),
        ] {
            assert_eq!(fill(text, &env).map(|f| f.text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn slips_are_named() {
        for (text, part) in [
            ("${B}", "B is not set"),
            ("${A", "closing"),
            ("${}", "name of an environment variable"),
            ("${1A}", "name of an environment variable"),
            ("${A-x}", "none of"),
            ("${ A }", "name of an environment variable"),
        ] {
            let e = fill(text, &env).unwrap_err();
            assert!(e.contains(part), "{text}: {e}");
        }
    }
}
