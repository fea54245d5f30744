//! Throwaway Postgres for tests (feature `testing`): the supervisor of [`embedded`](crate::embedded) in a temporary
//! directory, and a fresh migrated database for whoever asks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails by panicking")]

mod deaf;
mod redis;

pub use self::deaf::DeafWay;
pub use self::redis::TestRedis;

use crate::call::{CallRecord, Usage};
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::store::Store;
use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use uuid::Uuid;

/// A Postgres cluster that ends, data and all, when it is dropped.
pub struct TestPg {
    embedded: Option<Embedded>,
    dir: tempfile::TempDir,
    template: Mutex<bool>,
}

/// Migrated once, copied for each test.
const TEMPLATE: &str = "sallyport_template";

impl TestPg {
    /// A cluster of one's own, for tests that stop or kill it.
    pub async fn start() -> Self {
        let dir = temp_dir();
        let embedded = Embedded::start(&EmbeddedOptions::new(dir.path())).await.expect("throwaway Postgres");
        Self { embedded: Some(embedded), dir, template: Mutex::new(false) }
    }

    /// A cluster that tests running at the same time share.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<TestPg>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let new = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&new);
        new
    }

    /// URL of a fresh database with the whole schema.
    pub async fn database(&self) -> String {
        let mut made = self.template.lock().await;
        if !*made {
            self.create(TEMPLATE, "template0").await;
            let store = Store::connect(&self.url_of(TEMPLATE), 1, TIMEOUT).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            *made = true;
        }
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.create(&name, TEMPLATE).await;
        self.url_of(&name)
    }

    /// URL of a fresh database with nothing in it.
    pub async fn empty_database(&self) -> String {
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.create(&name, "template0").await;
        self.url_of(&name)
    }

    /// A store on a fresh database.
    pub async fn store(&self) -> Store {
        Store::connect(&self.database().await, 5, TIMEOUT).await.unwrap()
    }

    /// Runs statements by hand, as a person with psql would.
    pub async fn execute(url: &str, sql: &str) {
        let mut conn = connect(url).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// Every row of every table, as text; bytes in hex.
    pub async fn dump(url: &str) -> String {
        let tables =
            "SELECT string_agg(quote_ident(tablename), ',') FROM pg_tables WHERE schemaname = 'public'";
        let mut dump = String::new();
        for table in Self::value(url, tables).await.split(',') {
            let rows =
                format!("SELECT COALESCE(string_agg(row_to_json(t)::text, E'\\n'), '') FROM {table} t");
            dump.push_str(&Self::value(url, &rows).await);
            dump.push('\n');
        }
        dump
    }

    /// The first column of the first row, as text.
    pub async fn value(url: &str, sql: &str) -> String {
        let mut conn = connect(url).await;
        let sql = sqlx::AssertSqlSafe(format!("SELECT ({sql})::text"));
        let value: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        value.unwrap_or_default()
    }

    /// The data directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The supervisor's handle.
    pub fn embedded(&self) -> &Embedded {
        self.embedded.as_ref().expect("running")
    }

    /// Kills the postmaster (kill -9); the supervisor starts it again.
    pub fn kill9(&self) {
        self.embedded().kill(Signal::SIGKILL);
    }

    /// Stops the cluster; the data stay.
    pub async fn stop(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.shutdown().await;
        }
    }

    /// Starts it again after [`stop`](Self::stop): the URLs stay the same.
    pub async fn start_again(&mut self) {
        let embedded = Embedded::start(&EmbeddedOptions::new(self.dir.path())).await.expect("Postgres again");
        self.embedded = Some(embedded);
    }

    fn url_of(&self, database: &str) -> String {
        self.embedded().url().replacen("/sallyport?", &format!("/{database}?"), 1)
    }

    async fn create(&self, name: &str, template: &str) {
        Self::execute(self.embedded().url(), &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    }
}

/// A call that went well.
pub fn call() -> CallRecord {
    let now = OffsetDateTime::now_utc();
    CallRecord {
        id: Uuid::now_v7(),
        // Postgres keeps microseconds
        started_at: now.replace_microsecond(now.microsecond()).unwrap(),
        instance: "test".into(),
        key_id: None,
        key_prefix: None,
        user_id: None,
        team_id: None,
        labels: None,
        client_ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("curl/8".into()),
        surface: "chat".into(),
        model_asked: Some("gpt-4o".into()),
        model_served: Some("gpt-4o-2024-08-06".into()),
        provider: Some("openai".into()),
        upstream_request_id: Some("req_1".into()),
        object_id: None,
        attempts: 1,
        status: 200,
        error_source: None,
        error_code: None,
        error_detail: None,
        cancelled: false,
        streamed: true,
        dropped: Vec::new(),
        usage: Some(Usage { input: 9, cached_input: 4, output: 12, reasoning: 3, ..Usage::default() }),
        estimated: false,
        cost_nanos: Some(142_500),
        bytes_in: 1000,
        bytes_out: 2000,
        ttft_us: Some(1500),
        duration_us: 90_000,
        follows: None,
        awaited: false,
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);

async fn connect(url: &str) -> PgConnection {
    PgConnectOptions::from_str(url).unwrap().connect().await.unwrap()
}

/// A temporary directory that Postgres's user may pass through when the tests run as root.
pub fn temp_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("sallyport-test-").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

impl Drop for TestPg {
    fn drop(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.stop_now();
        }
    }
}
