//! Ports for servers that cannot be told to take any free one.
//!
//! Taken from below the range that the kernel hands to outgoing connections, and each held by a lock file, so that
//! tests in other processes keep away from it for as long as this one may need it.

use std::fs::File;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// A port of 127.0.0.1 that is ours until this value is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub(crate) fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let directory = std::env::temp_dir().join("sallyport-test-ports");
        std::fs::create_dir_all(&directory).unwrap();
        let start = (std::process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = FIRST + (start.wrapping_add(step)) % COUNT;
            let lock = File::options().create(true).append(true).open(directory.join(number.to_string()));
            let Ok(lock) = lock else { continue };
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port among {COUNT} from {FIRST} on");
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
