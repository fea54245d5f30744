//! A throwaway Redis: Debian's binary on a socket in a directory of its own.

use super::temp_dir;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A Redis server that ends when it is dropped.
#[derive(Debug)]
pub struct TestRedis {
    dir: tempfile::TempDir,
    server: Option<Child>,
}

impl TestRedis {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let mut redis = Self { dir: temp_dir(), server: None };
        redis.start_again().await;
        redis
    }

    /// Its URL: `redis+unix:///…`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Kills it at once (kill -9).
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts it again after [`kill`](Self::kill), with nothing in it.
    pub async fn start_again(&mut self) {
        // so that what answers is the new one
        let _ = std::fs::remove_file(self.socket());
        let log = self.dir.path().join("log");
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--logfile")
            .arg(&log)
            .arg("--dir")
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (deploy/bootstrap.sh test)");
        self.server = Some(server);
        let up = async {
            while tokio::net::UnixStream::connect(self.socket()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), up)
            .await
            .unwrap_or_else(|_| panic!("redis-server: {:?}", std::fs::read_to_string(&log)));
    }

    /// Publishes anything anywhere, as whoever can reach Redis may.
    pub async fn publish(&self, channel: &str, message: &[u8]) {
        let client = redis::Client::open(self.url()).expect("its own URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("running");
        redis::cmd("PUBLISH").arg(channel).arg(message).exec_async(&mut connection).await.expect("published");
    }

    /// The channels that somebody has subscribed to.
    pub async fn channels(&self) -> Vec<String> {
        let client = redis::Client::open(self.url()).expect("its own URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("running");
        redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut connection).await.expect("channels")
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
