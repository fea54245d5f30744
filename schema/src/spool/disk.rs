//! The file operations that can fail for want of space, behind a trait so that a test can fill the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) trait Disk: Send + Sync {
    /// A new file to append to.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Writes all of it. On an error some of it may be there.
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()>;
}

pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)
    }

    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
}
