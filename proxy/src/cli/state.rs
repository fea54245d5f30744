//! The database as commands and `run` need it: a configured one, or the private Postgres.

use super::Failure;
use sallyport_config::model::{Config, Secret};
use sallyport_schema::embedded::{Access, Embedded, EmbeddedOptions};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::store::Store;

/// A store, and the private Postgres if this process started it.
pub(super) struct Database {
    pub(super) store: Store,
    pub(super) embedded: Option<Embedded>,
}

impl Database {
    /// Lets go; stops the private Postgres if this process started it.
    pub(super) async fn close(self) {
        self.store.close().await;
        if let Some(pg) = self.embedded {
            pg.shutdown().await;
        }
    }
}

fn options(config: &Config) -> EmbeddedOptions {
    EmbeddedOptions {
        bin_dir: config.database.binaries.clone(),
        ..EmbeddedOptions::new(config.data_dir.0.clone())
    }
}

/// Where the database is: the configured one, or the private Postgres, joined if another process runs it, else started.
async fn locate(config: &Config) -> Result<(String, Option<Embedded>), Failure> {
    if let Some(url) = &config.database.url {
        return Ok((url.expose().to_owned(), None));
    }
    Ok(match Embedded::open(&options(config)).await.map_err(|e| e.to_string())? {
        Access::Attached(url) => (url, None),
        Access::Owned(pg) => (pg.url().to_owned(), Some(pg)),
    })
}

/// Connects for a command: joins the private Postgres of a running `sallyport run`, or starts it for a moment.
pub(super) async fn connect(config: &Config) -> Result<Database, Failure> {
    let (url, embedded) = locate(config).await?;
    let d = &config.database;
    let store = Store::connect(&url, d.max_connections, d.timeout.get()).await.map_err(|e| e.to_string())?;
    Ok(Database { store, embedded })
}

/// Connects for a command and brings the schema up to date.
pub(super) async fn open(config: &Config) -> Result<Database, Failure> {
    let db = connect(config).await?;
    match db.store.migrate().await {
        Ok(_) => Ok(db),
        Err(e) => {
            db.close().await;
            Err(e.to_string())
        }
    }
}

/// Starts the private Postgres for `run`, or gets ready to connect to the configured one: which may be away, the
/// last-good snapshot serves meanwhile. A second process on one data directory joins the first one's.
pub(super) async fn start(config: &Config) -> Result<Database, Failure> {
    let d = &config.database;
    let (url, embedded) = locate(config).await?;
    let store = Store::connect_lazy(&url, d.max_connections, d.timeout.get()).map_err(|e| e.to_string())?;
    Ok(Database { store, embedded })
}

/// The keys that encrypt secrets at rest. Beside the private Postgres one is made at first start; with a database of
/// one's own it must be configured, because all instances need the same.
pub(super) fn key_ring(config: &Config) -> Result<KeyRing, Failure> {
    let parse = |s: &Secret| MasterKey::from_base64(s.expose()).map_err(|e| format!("encryption: {e}"));
    let file = config.data_dir.0.join("master.key");
    let current = match &config.encryption.master_key {
        Some(key) => parse(key)?,
        None if config.database.url.is_none() || file.exists() => {
            MasterKey::from_file_or_generate(&file).map_err(|e| e.to_string())?
        }
        None => {
            return Err("encryption.master_key is not set: with a database of your own all instances need the same \
                        key. Make one with `openssl rand -base64 32` and give it as ${SALLYPORT_MASTER_KEY} or \
                        file:/path"
                .into());
        }
    };
    let previous = config.encryption.previous_keys.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(KeyRing { current, previous })
}
