//! Allow-lists: exact names or globs with `*`. Empty matches nothing.

/// A compiled allow-list. Equal whatever the order of the list; small, as there are many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PatternSet {
    /// Sorted, without repetitions.
    exact: Box<[Box<str>]>,
    /// Sorted, without repetitions.
    globs: Box<[Box<str>]>,
    all: bool,
}

impl PatternSet {
    /// Compiles a list; the order does not matter.
    pub fn new<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Self {
        let (mut exact, mut globs, mut all) = (Vec::new(), Vec::new(), false);
        for p in list {
            match p.as_ref() {
                "*" => all = true,
                p if p.contains('*') => globs.push(p.into()),
                p => exact.push(p.into()),
            }
        }
        let sorted = |mut v: Vec<Box<str>>| {
            v.sort_unstable();
            v.dedup();
            v.into_boxed_slice()
        };
        Self { exact: sorted(exact), globs: sorted(globs), all }
    }

    /// Does the list let `name` through? Whole names only: `gpt-4` does not open `gpt-4o`.
    pub fn allows(&self, name: &str) -> bool {
        self.all || self.names(name) || self.globs.iter().any(|g| glob(g, name))
    }

    /// Is `name` itself in the list, not only matched by a pattern?
    pub fn names(&self, name: &str) -> bool {
        self.exact.binary_search_by(|p| (**p).cmp(name)).is_ok()
    }

    /// True if nothing can match.
    pub fn is_empty(&self) -> bool {
        !self.all && self.exact.is_empty() && self.globs.is_empty()
    }

    /// The list again, sorted.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let all = self.all.then_some("*");
        all.into_iter().chain(self.exact.iter().chain(self.globs.iter()).map(|p| &**p))
    }
}

/// Does `pattern` (`*` = any run of characters, also none) match the whole of `text`? Linear back-tracking to the
/// last star only: O(n·m) at worst, no recursion.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        if i < p.len() && p[i] == b'*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && p[i] == t[j] {
            i += 1;
            j += 1;
        } else if let Some((si, sj)) = star {
            i = si + 1;
            j = sj + 1;
            star = Some((si, sj + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_is_not_a_prefix() {
        let s = PatternSet::new(["gpt-4", "claude-*"]);
        assert!(s.allows("gpt-4") && s.allows("claude-opus-5") && s.allows("claude-"));
        assert!(!s.allows("gpt-4o") && !s.allows("GPT-4") && !s.allows("xclaude-1"));
    }

    #[test]
    fn a_list_comes_back_and_its_order_does_not_count() {
        let a = PatternSet::new(["b", "*", "a*", "a", "b"]);
        assert_eq!(a, PatternSet::new(["a", "a*", "b", "*"]));
        assert_eq!(a.patterns().collect::<Vec<_>>(), ["*", "a", "b", "a*"]);
    }

    #[test]
    fn a_name_is_in_the_list_or_only_matched() {
        let s = PatternSet::new(["*", "a*", "b"]);
        assert!(s.names("b") && !s.names("a") && !s.names("*"));
    }

    #[test]
    fn empty_allows_nothing() {
        let s = PatternSet::new(Vec::<String>::new());
        assert!(s.is_empty() && !s.allows("") && !s.allows("gpt-4"));
    }

    #[test]
    fn stars_match_runs() {
        for (p, t, want) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*b*", "abc", true),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
            ("*mini", "gpt-mini-mini", true),
        ] {
            assert_eq!(glob(p, t), want, "{p} {t}");
        }
    }
}
