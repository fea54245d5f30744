//! Finding PostgreSQL's programs, and the right version of them.

use super::error::EmbeddedError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The binaries for data of version `data`, or the newest where there are no data yet.
    pub(super) fn find(
        given: Option<&Path>,
        pgdata: &Path,
        data: Option<u32>,
    ) -> Result<Self, EmbeddedError> {
        let mut found = match given {
            Some(dir) if is_bin_dir(dir) => vec![Self::look(dir)?],
            Some(dir) => return Err(EmbeddedError::NoBinariesIn(dir.to_owned())),
            None => system_dirs().iter().filter_map(|dir| Self::look(dir).ok()).collect(),
        };
        found.sort_by_key(|b| std::cmp::Reverse(b.major));
        let Some(newest) = found.first().cloned() else { return Err(EmbeddedError::BinariesMissing) };
        let Some(data) = data else { return Ok(newest) };
        found.iter().find(|b| b.major == data).cloned().ok_or_else(|| {
            let mut majors: Vec<String> = found.iter().map(|b| b.major.to_string()).collect();
            majors.dedup();
            EmbeddedError::VersionMismatch { dir: pgdata.to_owned(), data, binaries: majors.join(", ") }
        })
    }

    fn look(dir: &Path) -> Result<Self, EmbeddedError> {
        let path = dir.join("postgres");
        let bad = |detail: String| EmbeddedError::BadBinary { path: path.clone(), detail };
        let output = Command::new(&path).arg("--version").output().map_err(|e| bad(e.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let major = parse_major(&text).ok_or_else(|| bad(format!("`--version` said `{}`", text.trim())))?;
        Ok(Self { dir: dir.to_owned(), major })
    }
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` → 15
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn is_bin_dir(dir: &Path) -> bool {
    dir.join("initdb").is_file() && dir.join("postgres").is_file()
}

/// PATH first, then where Debian keeps them (it puts neither program into PATH).
fn system_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path().join("bin")));
    std::env::split_paths(&path).chain(debian).filter(|dir| is_bin_dir(dir)).collect()
}

/// Major version that the data were made with (the file `PG_VERSION`); None where there are no data.
pub(super) fn data_version(pgdata: &Path) -> Option<u32> {
    std::fs::read_to_string(pgdata.join("PG_VERSION")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_kinds() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("postgres: not found"), None);
    }

    #[test]
    fn a_directory_without_binaries_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Binaries::find(Some(dir.path()), dir.path(), None).unwrap_err();
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn data_of_another_version_are_refused_with_a_remedy() {
        let error = Binaries::find(None, Path::new("/data"), Some(9)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("PostgreSQL 9") && text.contains("apt-get install postgresql-9"), "{text}");
    }
}
