//! A way to Postgres on which everything works but LISTEN, as through a proxy that pools transactions.

use super::temp_dir;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The way; it is closed when dropped.
#[derive(Debug)]
pub struct DeafWay {
    url: String,
    _dir: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl DeafWay {
    /// A way to the database at `url` (of a [`TestPg`](super::TestPg)).
    pub fn to(url: &str) -> Self {
        let dir = temp_dir();
        let (base, socket_dir) = url.split_once("?host=").expect("the URL of a test's cluster");
        let real = Path::new(socket_dir).join(".s.PGSQL.5432");
        let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).expect("a socket");
        let url = format!("{base}?host={}", dir.path().display());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, real.clone()));
            }
        });
        Self { url, _dir: dir, task }
    }

    /// The database's URL on this way.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for DeafWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: UnixStream, real: PathBuf) {
    let Ok(mut server) = UnixStream::connect(real).await else { return };
    let (mut there, mut back) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            n = client.read(&mut there) => {
                let Ok(n @ 1..) = n else { return };
                if there[..n].windows(7).any(|w| w == b"LISTEN ") {
                    // open, and silent for ever
                    return std::future::pending().await;
                }
                if server.write_all(&there[..n]).await.is_err() {
                    return;
                }
            }
            n = server.read(&mut back) => {
                let Ok(n @ 1..) = n else { return };
                if client.write_all(&back[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
