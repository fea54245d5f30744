//! The bootstrap token: the one credential of the admin API until people can sign in.
//!
//! It is made at first start, opens everything until there is a super admin and nothing from then on. It is told to the operator once (by the binary) and kept as SHA-256 only. 256 random bits
//! need no slow hash. A token of the configuration wins over the kept one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sallyport_config::model::Secret;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;

/// Where the hash is kept, inside the data directory.
pub const FILE: &str = "admin.token.sha256";

/// A configured token must have at least so many characters.
pub const SHORTEST: usize = 16;

/// Why there is no bootstrap token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The configured token would be guessed.
    #[error(
        "admin.token has {0} characters; use at least {SHORTEST} random ones (`openssl rand -base64 32`)"
    )]
    TooShort(usize),
    /// The configured token cannot travel in an HTTP header.
    #[error("admin.token may hold only visible ASCII characters, no spaces")]
    NotAscii,
    /// The file does not hold a hash.
    #[error("{0} is damaged; delete it and start again to get a new admin token")]
    Damaged(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot keep the admin token in {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("no random numbers from OpenSSL: {0}")]
    Random(#[from] openssl::error::ErrorStack),
}

/// The token that the API accepts, as its hash.
#[derive(Clone)]
pub struct Bootstrap {
    hash: [u8; 32],
    /// It opens nothing any more once there is a super admin: it was there to make one. A configured one stays.
    lapses: bool,
    /// The token itself, if this start made it: show it once and drop it.
    pub newly_made: Option<Secret>,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("newly_made", &self.newly_made.is_some()).finish_non_exhaustive()
    }
}

impl Bootstrap {
    /// The configured token, or the one kept in `data_dir`, or a new one.
    pub fn ensure(data_dir: &Path, configured: Option<&Secret>) -> Result<Self, TokenError> {
        if let Some(token) = configured {
            return Self::configured(token);
        }
        let path = data_dir.join(FILE);
        if let Some(hash) = read(&path)? {
            return Ok(Self { hash, lapses: true, newly_made: None });
        }
        let mut random = [0_u8; 32];
        openssl::rand::rand_bytes(&mut random)?;
        let token = Secret::new(format!("spa-{}", URL_SAFE_NO_PAD.encode(random)));
        let hash = digest(token.expose());
        let io = |source| TokenError::Io { path: path.clone(), source };
        match write_new(data_dir, &path, &hash).map_err(io)? {
            Written::Ours => Ok(Self { hash, lapses: true, newly_made: Some(token) }),
            // Another process of the same data directory was faster: its token counts.
            Written::Theirs => match read(&path)? {
                Some(hash) => Ok(Self { hash, lapses: true, newly_made: None }),
                None => Err(TokenError::Damaged(path)),
            },
        }
    }

    fn configured(token: &Secret) -> Result<Self, TokenError> {
        let text = token.expose();
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::NotAscii);
        }
        if text.len() < SHORTEST {
            return Err(TokenError::TooShort(text.len()));
        }
        Ok(Self { hash: digest(text), lapses: false, newly_made: None })
    }

    /// Whether it ends with the set-up.
    pub(crate) const fn lapses(&self) -> bool {
        self.lapses
    }

    /// Whether this is the token. Takes the same time for every wrong one.
    pub fn matches(&self, presented: &str) -> bool {
        digest(presented).ct_eq(&self.hash).into()
    }
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn read(path: &Path) -> Result<Option<[u8; 32]>, TokenError> {
    let io = |source| TokenError::Io { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(TokenError::Damaged(path.to_owned())),
        Err(e) => return Err(io(e)),
    };
    // Whoever can write the file can choose the token: keep it to ourselves.
    let mode = fs::metadata(path).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "admin token file was open to others; now 0600");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    }
    from_hex(text.trim()).map(Some).ok_or_else(|| TokenError::Damaged(path.to_owned()))
}

enum Written {
    Ours,
    Theirs,
}

/// Writes the whole file or nothing, and never over another one.
fn write_new(dir: &Path, path: &Path, hash: &[u8; 32]) -> io::Result<Written> {
    fs::create_dir_all(dir)?;
    let part = dir.join(format!("{FILE}.{}", uuid::Uuid::new_v4()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        writeln!(file, "{}", to_hex(hash))?;
        file.sync_all()?;
        match fs::hard_link(&part, path) {
            Ok(()) => Ok(Written::Ours),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Written::Theirs),
            Err(e) => Err(e),
        }
    })();
    let _ = fs::remove_file(&part);
    File::open(dir)?.sync_all()?;
    written
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0_u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_kept_hashed_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Bootstrap::ensure(dir.path(), None).unwrap();
        let token = first.newly_made.clone().unwrap();
        assert!(token.expose().starts_with("spa-"));
        assert_eq!(token.expose().len(), 4 + 43, "256 bits in base64");
        assert!(first.matches(token.expose()));
        assert!(!first.matches("spa-"));

        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&path).unwrap().contains(&token.expose()[4..]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no half-written file stays");

        let again = Bootstrap::ensure(dir.path(), None).unwrap();
        assert!(again.newly_made.is_none());
        assert!(again.matches(token.expose()));
        assert!(!format!("{first:?}").contains(token.expose()));
    }

    #[test]
    fn processes_that_start_together_agree() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> =
                (0..8).map(|_| s.spawn(|| Bootstrap::ensure(dir.path(), None).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let made: Vec<_> = all.iter().filter_map(|b| b.newly_made.as_ref()).collect();
        assert_eq!(made.len(), 1);
        assert!(all.iter().all(|b| b.matches(made[0].expose())));
    }

    #[test]
    fn a_configured_token_wins_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Bootstrap::ensure(dir.path(), None).unwrap().newly_made.unwrap();
        let configured = Secret::new("a-token-of-my-own-choice");
        let b = Bootstrap::ensure(dir.path(), Some(&configured)).unwrap();
        assert!(b.matches(configured.expose()) && !b.matches(kept.expose()) && b.newly_made.is_none());

        let empty = tempfile::tempdir().unwrap();
        Bootstrap::ensure(empty.path(), Some(&configured)).unwrap();
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }

    #[test]
    fn bad_tokens_and_files_are_refused_with_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let e = |t: &str| Bootstrap::ensure(dir.path(), Some(&Secret::new(t))).unwrap_err().to_string();
        assert!(e("short").contains("at least 16"));
        assert!(e("").contains("at least 16"));
        assert!(e("with a space in the middle of it").contains("visible ASCII"));
        fs::write(dir.path().join(FILE), "not a hash").unwrap();
        let e = Bootstrap::ensure(dir.path(), None).unwrap_err();
        assert!(e.to_string().contains("damaged"), "{e}");
    }

    #[test]
    fn a_file_open_to_others_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        Bootstrap::ensure(dir.path(), None).unwrap();
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        Bootstrap::ensure(dir.path(), None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
