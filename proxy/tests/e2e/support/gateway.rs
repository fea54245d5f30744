//! The real binary, started with a configuration of the test's, on ports, a database and a directory of its own.

use super::client::{Answer, Client, request};
use super::database::Database;
use super::ports::Port;
use super::process::Process;
use super::wait::{until, within};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Token of the admin API in every test.
pub(crate) const ADMIN_TOKEN: &str = "test-admin-token-0123456789abcdef";
/// Token of `/metrics` in every test.
pub(crate) const METRICS_TOKEN: &str = "test-metrics-token-0123456789abcdef";
/// The key that encrypts secrets at rest in every test.
pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The key that the gateway shows to upstreams in every test.
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-secret";

/// A gateway to be started.
#[derive(Debug)]
pub(crate) struct Setup {
    overlay: Value,
    database: Option<Database>,
    embedded: bool,
    directory: Option<TempDir>,
    env: Vec<(String, String)>,
    role: Option<&'static str>,
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Port of the gateway's listener.
    pub(crate) port: u16,
    /// Port of the admin service.
    pub(crate) admin_port: u16,
    /// A key that may use everything; empty if none was made.
    pub(crate) key: String,
    /// The process.
    pub(crate) process: Process,
    /// Its database, unless it keeps a private one.
    pub(crate) database: Option<Database>,
    directory: TempDir,
    env: Vec<(String, String)>,
    _ports: [Port; 2],
}

impl Setup {
    /// The defaults of config/base.yaml, what every test needs, and `overlay` on top.
    pub(crate) fn new(overlay: Value) -> Self {
        Self { overlay, database: None, embedded: false, directory: None, env: Vec::new(), role: None }
    }
    /// Keeps its state in a private Postgres of its own.
    pub(crate) fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }
    /// On this database instead of a fresh one.
    pub(crate) fn on(mut self, database: &Database) -> Self {
        self.database = Some(database.clone());
        self
    }
    /// In a directory that a former gateway left behind.
    pub(crate) fn in_directory(mut self, directory: TempDir) -> Self {
        self.directory = Some(directory);
        self
    }
    /// With `--role`.
    pub(crate) fn role(mut self, role: &'static str) -> Self {
        self.role = Some(role);
        self
    }
    /// With an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the files and starts the process; does not wait.
    pub(crate) async fn spawn(self) -> Gateway {
        let ports = [Port::reserve(), Port::reserve()];
        let directory = self.directory.unwrap_or_else(sallyport_schema::testing::temp_dir);
        let database = match (self.embedded, self.database) {
            (true, _) => None,
            (false, Some(database)) => Some(database),
            (false, None) => Some(Database::fresh().await),
        };
        let mut test = json!({
            "data_dir": directory.path().join("data"),
            "server": {"listen": [format!("127.0.0.1:{}", ports[0].number())], "threads": 1},
            "admin": {"listen": format!("127.0.0.1:{}", ports[1].number()), "token": ADMIN_TOKEN,
                // tests look into the call log as fast as they can
                "rate_limit": {"address": 0, "account": 0}},
            "metrics": {"token": METRICS_TOKEN},
            "upstream": {"allow_networks": ["127.0.0.0/8", "::1/128"], "backoff": "1ms"},
        });
        if let Some(database) = &database {
            test["database"] = json!({"url": database.url()});
            test["encryption"] = json!({"master_key": MASTER_KEY});
        }
        write(directory.path(), "test.yaml", &test);
        write(directory.path(), "overlay.yaml", &self.overlay);
        let words: Vec<&str> =
            std::iter::once("run").chain(self.role.iter().flat_map(|r| ["--role", *r])).collect();
        let mut process = Process::start(&command(directory.path(), &self.env, &words));
        process.gently = self.embedded;
        let [port, admin_port] = [ports[0].number(), ports[1].number()];
        Gateway {
            port,
            admin_port,
            key: String::new(),
            process,
            database,
            directory,
            env: self.env,
            _ports: ports,
        }
    }

    /// Starts it, waits until it is ready, and makes a key that may use everything.
    pub(crate) async fn start(self) -> Gateway {
        let mut gateway = self.spawn().await;
        gateway.ready().await;
        gateway.key = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
        gateway
    }
}

impl Gateway {
    /// Starts one with `overlay`, ready and with a key.
    pub(crate) async fn start(overlay: Value) -> Self {
        Setup::new(overlay).start().await
    }

    /// Waits until somebody listens on its port; fails at once if the process ends.
    pub(crate) async fn listening(&mut self) {
        within("the gateway to listen", async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                if let Some(status) = self.process.ended() {
                    panic!("the gateway ended ({status}) instead of listening:\n{}", self.process.said());
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Waits until `/health/ready` says yes.
    pub(crate) async fn ready(&mut self) {
        self.listening().await;
        let port = self.port;
        until("the gateway to be ready", || async move {
            // On its way up a connection may come to nothing.
            let mut client = Client::connect(port).await;
            client.try_send(request("GET", "/health/ready", &[], b"")).await.ok()?;
            (client.try_answer().await?.status() == 200).then_some(())
        })
        .await;
    }

    /// Runs the binary with `words`, this gateway's configuration files, and `options`.
    pub(crate) async fn cli(&self, words: &[&str], options: &[&str]) -> Output {
        let mut command = command(self.directory.path(), &self.env, words);
        command.args(options);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// The same, with something on its standard input.
    pub(crate) async fn cli_told(&self, words: &[&str], options: &[&str], input: &str) -> Output {
        let mut command = command(self.directory.path(), &self.env, words);
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // one that fails before it reads closes the pipe
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap()
    }

    /// The same; fails unless it succeeds. Its standard output.
    pub(crate) async fn cli_ok(&self, words: &[&str], options: &[&str]) -> String {
        let output = self.cli(words, options).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Makes a key; its secret. The gateway may not know it yet.
    pub(crate) async fn make_key(&self, options: &[&str]) -> String {
        let mut all = vec!["--quiet", "--name", "test"];
        all.extend_from_slice(options);
        let secret = self.cli_ok(&["keys", "create"], &all).await.trim().to_owned();
        assert!(secret.starts_with("sp-") && secret.len() > 20, "{secret:?}");
        secret
    }

    /// Makes a key and waits until the gateway has heard of it.
    pub(crate) async fn new_key(&self, options: &[&str]) -> String {
        let secret = self.make_key(options).await;
        self.until_status(&secret, |status| status != 401).await;
        secret
    }

    /// Waits until a call with `key` is answered with a status that `right` agrees with.
    pub(crate) async fn until_status(&self, key: &str, right: impl Fn(u16) -> bool) {
        let (port, right) = (self.port, &right);
        let bearer = format!("Bearer {key}");
        let bearer = bearer.as_str();
        until("the gateway to hear of a change", || async move {
            right(get(port, "/v1/models", &[("authorization", bearer)]).await.status()).then_some(())
        })
        .await;
    }

    /// POST with the gateway's own key on a connection of its own.
    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// The same with more headers.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let bearer = self.bearer();
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        Client::connect(self.port).await.call("POST", path, &all, body.as_ref()).await
    }

    /// The value of `Authorization` for the gateway's own key.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    /// A connection to the gateway.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.port).await
    }

    /// GET on the gateway's port.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        get(self.port, path, headers).await
    }

    /// GET on the admin service with its token.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        get(self.admin_port, path, &[("authorization", &bearer)]).await
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let bearer = format!("Bearer {METRICS_TOKEN}");
        self.get("/metrics", &[("authorization", &bearer)]).await.expect(200).text()
    }

    /// The call log's record of the call that got `id`, as soon as it is there.
    pub(crate) async fn logged(&self, id: &str) -> Value {
        let path = format!("/api/calls/{id}");
        let path = path.as_str();
        until(&format!("call {id} in the log"), || async move {
            let answer = self.admin(path).await;
            (answer.status() == 200).then(|| answer.json())
        })
        .await
    }

    /// The newest call that `right` agrees with, as soon as it is there.
    pub(crate) async fn last_logged(&self, right: impl Fn(&Value) -> bool) -> Value {
        let right = &right;
        until("a call in the log", || async move {
            let page = self.admin("/api/calls?limit=1000").await;
            let page = page.expect(200).json();
            page["calls"].as_array().unwrap().iter().find(|call| right(call)).cloned()
        })
        .await
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes another overlay.
    pub(crate) fn write_overlay(&self, overlay: &Value) {
        write(self.directory.path(), "overlay.yaml", overlay);
    }

    /// Ends the process and gives back its directory and database for a next one.
    pub(crate) async fn stop(mut self) -> (TempDir, Option<Database>) {
        self.process.signal(nix::sys::signal::Signal::SIGTERM);
        self.process.end().await;
        (self.directory, self.database)
    }

    /// Kills the process group (`kill -9`) and gives back its directory and database for a next one.
    pub(crate) fn crash(mut self) -> (TempDir, Option<Database>) {
        self.process.kill();
        (self.directory, self.database)
    }
}

/// The binary under test: the one built with the tests, unless SALLYPORT_BIN names another.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SALLYPORT_BIN").map_or_else(|| env!("CARGO_BIN_EXE_sallyport").into(), PathBuf::from)
}

/// GET on any local port.
pub(crate) async fn get(port: u16, path: &str, headers: &[(&str, &str)]) -> Answer {
    Client::connect(port).await.call("GET", path, headers, b"").await
}

fn write(directory: &Path, name: &str, document: &Value) {
    // JSON is YAML. Renamed into place, as editors and configuration managers do.
    let temporary = directory.join(format!(".{name}.new"));
    std::fs::write(&temporary, serde_json::to_vec_pretty(document).unwrap()).unwrap();
    std::fs::rename(temporary, directory.join(name)).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/base.yaml");
    [base, directory.join("test.yaml"), directory.join("overlay.yaml")]
        .into_iter()
        .flat_map(|file| [PathBuf::from("-c"), file])
        .collect()
}

fn command(directory: &Path, env: &[(String, String)], words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).args(files(directory)).envs(env.iter().cloned());
    command
}
