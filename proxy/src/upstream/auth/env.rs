//! Environment variables, which the clouds' own SDKs read too. Behind a function: tests have environments of their own.

use std::path::PathBuf;
use std::sync::Arc;

/// Looks a variable up.
type LookUp = dyn Fn(&str) -> Option<String> + Send + Sync;

/// An environment.
#[derive(Clone)]
pub(crate) struct Env(Arc<LookUp>);

impl Env {
    /// That of this process.
    pub(crate) fn process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&'static str, String)]) -> Self {
        let pairs = pairs.to_vec();
        Self(Arc::new(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())))
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|v| !v.is_empty())
    }

    /// A file that a variable names.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}

/// Values may be secrets.
impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
