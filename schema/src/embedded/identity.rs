//! Whom Postgres runs as. It refuses root, so as root another user must be found, and let in.

use super::error::EmbeddedError;
use nix::unistd::{Gid, Uid, User};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// The user of the Postgres processes.
#[derive(Clone, Debug)]
pub(super) struct RunAs {
    /// Set when it is not the user of this process.
    pub(super) other: Option<Other>,
}

/// A user that this process, being root, becomes for Postgres.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl RunAs {
    /// Ourselves; as root the owner of existing data, else `postgres`, else `nobody`.
    pub(super) fn choose(data_dir: &Path) -> Result<Self, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(Self { other: None });
        }
        let owner = std::fs::metadata(data_dir.join("postgres/data")).ok().map(|m| (m.uid(), m.gid()));
        let other = match owner {
            Some((uid, gid)) if uid != 0 => {
                let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|u| u.name);
                Other { name: name.unwrap_or_else(|| uid.to_string()), uid, gid }
            }
            _ => ["postgres", "nobody"]
                .into_iter()
                .find_map(|name| User::from_name(name).ok().flatten())
                .map(|u| Other { name: u.name, uid: u.uid.as_raw(), gid: u.gid.as_raw() })
                .ok_or(EmbeddedError::NoUser)?,
        };
        Ok(Self { other: Some(other) })
    }

    /// Uid of the Postgres processes.
    pub(super) fn uid(&self) -> u32 {
        self.other.as_ref().map_or_else(|| Uid::effective().as_raw(), |o| o.uid)
    }

    /// Makes a file or directory theirs.
    pub(super) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        let (uid, gid) = match &self.other {
            Some(other) => (other.uid, other.gid),
            None => (Uid::effective().as_raw(), Gid::effective().as_raw()),
        };
        let meta = std::fs::symlink_metadata(path).map_err(|e| EmbeddedError::io("reading", path, e))?;
        if meta.uid() == uid {
            return Ok(());
        }
        chown(path, Some(uid), Some(gid)).map_err(|e| EmbeddedError::io("taking over", path, e))
    }

    /// Whether they can get to `dir` at all: the first directory on the way that bars them is the error.
    pub(super) fn can_enter(&self, dir: &Path) -> Result<(), EmbeddedError> {
        let Some(other) = &self.other else { return Ok(()) };
        let real = dir.canonicalize().map_err(|e| EmbeddedError::io("finding", dir, e))?;
        let mut way: Vec<&Path> = real.ancestors().collect();
        way.reverse();
        for step in way {
            let meta = std::fs::metadata(step).map_err(|e| EmbeddedError::io("reading", step, e))?;
            if !other.may_enter(meta.uid(), meta.gid(), meta.mode()) {
                return Err(EmbeddedError::NotTraversable { dir: step.to_owned(), user: other.name.clone() });
            }
        }
        Ok(())
    }
}

impl Other {
    fn may_enter(&self, uid: u32, gid: u32, mode: u32) -> bool {
        let shift = if uid == self.uid {
            6
        } else if gid == self.gid {
            3
        } else {
            0
        };
        mode >> shift & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_bit_of_the_right_class_counts() {
        let other = Other { name: "postgres".into(), uid: 101, gid: 104 };
        assert!(other.may_enter(0, 0, 0o755));
        assert!(!other.may_enter(0, 0, 0o700));
        assert!(other.may_enter(101, 0, 0o700));
        assert!(
            !other.may_enter(101, 0, 0o077),
            "the owner's class is the only one that counts for the owner"
        );
        assert!(other.may_enter(0, 104, 0o710));
        assert!(!other.may_enter(0, 104, 0o705));
    }
}
