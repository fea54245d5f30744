//! The master key and its file.

use super::EnvelopeError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Separates the key id's hash from every other use of the key.
const ID_DOMAIN: &[u8] = b"sallyport master key id v1\0";
/// A file longer than this is not a key.
const FILE_MAX: u64 = 4096;

/// 32 random bytes that seal secrets. Wiped when dropped; never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Names a master key without giving anything of it away: 8 bytes of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not 32 bytes of base64.
    #[error("a master key is 32 bytes in base64 (44 characters): make one with `openssl rand -base64 32`")]
    NotAKey,
    /// Somebody else could read it.
    #[error(
        "the master key {path} can be read or changed by others (mode {mode:o}): run `chmod 600 {path}`, \
         and replace the key if somebody may have read it"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is one already.
    #[error("{0} exists already: a new master key in its place would make every stored secret unreadable")]
    Exists(PathBuf),
    /// Reading or writing failed.
    #[error("the master key {path} cannot be {what}: {source}")]
    Io {
        /// `read` or `written`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] EnvelopeError),
}

impl MasterKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0).map_err(|e| EnvelopeError::NoRandom(e.to_string()))?;
        Ok(key)
    }

    /// A key for one other purpose, named by `label`: HMAC-SHA256 of the label under this key. It gives nothing of the
    /// master key away.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        // a key shorter than a block of the hash is filled up with zeros (RFC 2104)
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// From 32 bytes in (standard, padded) base64; white space around it is ignored.
    pub fn from_base64(text: &str) -> Result<Self, KeyFileError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyFileError::NotAKey)?);
        let mut key = Self([0; 32]);
        if bytes.len() != key.0.len() {
            return Err(KeyFileError::NotAKey);
        }
        key.0.copy_from_slice(&bytes);
        Ok(key)
    }

    /// From a file with base64 in it. Refused when others than owner and group can read it, or others than the owner
    /// can write it. (The group may read: Kubernetes hands secrets to an unprivileged process that way.)
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io { what: "read", path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        // of the open file, not of the path: nobody can change it in between
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o027 != 0 {
            return Err(KeyFileError::Open { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::from_base64(&text)
    }

    /// Makes a key and writes it to a new file of mode 0600, at once or not at all. An existing file stays:
    /// [`KeyFileError::Exists`].
    pub fn generate_file(path: &Path) -> Result<Self, KeyFileError> {
        let key = Self::generate()?;
        key.write_new(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => KeyFileError::Io { what: "written", path: path.to_owned(), source },
        })?;
        Ok(key)
    }

    /// The key in the file, which is made if there is none. Two processes that start together get the same key.
    pub fn from_file_or_generate(path: &Path) -> Result<Self, KeyFileError> {
        match Self::from_file(path) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match Self::generate_file(path) {
            Err(KeyFileError::Exists(_)) => Self::from_file(path),
            other => other,
        }
    }

    fn write_new(&self, path: &Path) -> io::Result<()> {
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(self.0)));
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = dir.join(format!(".master-key-{}", uuid::Uuid::new_v4().simple()));
        let written = (|| {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // a link, not a rename: it fails where a file exists already
            std::fs::hard_link(&temporary, path)?;
            std::fs::File::open(dir)?.sync_all()
        })();
        // gone already if it was never made
        let _ = std::fs::remove_file(&temporary);
        written
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new_with_prefix(ID_DOMAIN).chain_update(self.0).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        KeyId(id)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_file_is_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let key = MasterKey::from_file_or_generate(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKey::from_file_or_generate(&path).unwrap().id(), key.id());
        assert!(matches!(MasterKey::generate_file(&path), Err(KeyFileError::Exists(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::generate_file(&path).unwrap();
        for (mode, fine) in [(0o644, false), (0o604, false), (0o660, false), (0o640, true), (0o400, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = MasterKey::from_file(&path);
            assert_eq!(read.is_ok(), fine, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for text in ["", "hunter2", "aHVudGVyMg==", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"] {
            let error = MasterKey::from_base64(text).err().unwrap().to_string();
            assert!(!error.contains("hunter2") && error.contains("openssl rand"), "{error}");
        }
        let key = MasterKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(&STANDARD.encode(key.0)));
    }
}
