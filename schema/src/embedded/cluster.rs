//! The cluster on disk: made once by `initdb`, with one role and one database.

use super::binaries::{Binaries, data_version};
use super::error::EmbeddedError;
use super::identity::RunAs;
use super::place::{NAME, Place};
use super::process::{command, server_args};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// Binaries, user and data that belong together.
#[derive(Clone)]
pub(super) struct Cluster {
    binaries: Binaries,
    run_as: RunAs,
}

impl Cluster {
    pub(super) fn find(place: &Place, run_as: &RunAs, bin_dir: Option<&Path>) -> Result<Self, EmbeddedError> {
        let pgdata = place.pgdata();
        let binaries = Binaries::find(bin_dir, &pgdata, data_version(&pgdata))?;
        Ok(Self { binaries, run_as: run_as.clone() })
    }

    /// Runs initdb where there are no data yet. Into a directory beside, which is renamed when it is complete: a run that
    /// is killed in the middle leaves nothing that looks like data.
    pub(super) async fn create_if_missing(&self, place: &Place) -> Result<(), EmbeddedError> {
        let pgdata = place.pgdata();
        if data_version(&pgdata).is_some() {
            return Ok(());
        }
        let new = place.base().join("data.new");
        if new.exists() {
            std::fs::remove_dir_all(&new).map_err(|e| EmbeddedError::io("removing", &new, e))?;
        }
        tracing::info!(dir = %pgdata.display(), version = self.binaries.major, "creating the private PostgreSQL");
        let mut initdb = command(&self.binaries.dir.join("initdb"), &self.run_as, place.base());
        initdb.arg("-D").arg(&new).args(["-U", NAME, "--encoding=UTF8", "--locale=C", "--data-checksums"]);
        // whoever reaches the socket is trusted: only one user (and root) can
        initdb.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
        initdb.stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = self.binaries.dir.join("initdb");
        let output = tokio::task::spawn_blocking(move || initdb.output())
            .await
            .map_err(|e| EmbeddedError::io("running", &program, std::io::Error::other(e)))?
            .map_err(|e| EmbeddedError::io("running", &program, e))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(EmbeddedError::from_output(words, place.base(), EmbeddedError::Initdb));
        }
        std::fs::rename(&new, &pgdata).map_err(|e| EmbeddedError::io("renaming", &new, e))
    }

    /// The server's command.
    pub(super) fn server(&self, place: &Place) -> Command {
        let mut server = command(&self.binaries.dir.join("postgres"), &self.run_as, place.base());
        server.args(server_args(&place.pgdata(), place.socket_dir()));
        server.stdout(Stdio::null()).stderr(Stdio::piped());
        server
    }
}

/// One connection to a database of the cluster.
pub(super) async fn connect(place: &Place, database: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(&place.url_of(database))?.connect().await
}

/// Makes our database in a fresh cluster.
pub(super) async fn create_database(place: &Place) -> Result<(), EmbeddedError> {
    let create = async {
        let mut conn = connect(place, "postgres").await?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(NAME)
            .fetch_one(&mut conn)
            .await?;
        if !there {
            let sql = format!("CREATE DATABASE {NAME}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await?;
        }
        conn.close().await
    };
    create.await.map_err(EmbeddedError::Setup)
}
