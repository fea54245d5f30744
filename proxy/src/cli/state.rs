//! The database as commands and `run` need it: a configured one, or the private Postgres.

use super::Failure;
use sallyport_config::model::Config;
use sallyport_schema::embedded::{Embedded, Options};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::store::Store;
use std::path::Path;

/// A store, and the private Postgres if this process started it.
pub(super) struct Database {
    pub(super) store: Store,
    embedded: Option<Embedded>,
}

impl Database {
    /// Lets go; stops the private Postgres if this process started it.
    pub(super) async fn close(self) {
        self.store.close().await;
        if let Some(pg) = self.embedded {
            pg.shutdown().await;
        }
    }

    /// The parts.
    pub(super) fn split(self) -> (Store, Option<Embedded>) {
        (self.store, self.embedded)
    }
}

fn options(config: &Config) -> Options {
    Options::new(config.data_dir.0.clone()).binaries(config.database.binaries.clone())
}

/// Connects for a command: joins the private Postgres of a running `sallyport run`, or starts it for a moment.
pub(super) async fn connect(config: &Config) -> Result<Database, Failure> {
    let (url, embedded) = match &config.database.url {
        Some(url) => (url.expose().to_owned(), None),
        None => match Embedded::attach(&options(config)).await.map_err(|e| e.to_string())? {
            Some(url) => (url, None),
            None => {
                let pg = Embedded::start(options(config)).await.map_err(|e| e.to_string())?;
                (pg.url().to_owned(), Some(pg))
            }
        },
    };
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
/// last-good snapshot serves meanwhile.
pub(super) async fn start(config: &Config) -> Result<Database, Failure> {
    let d = &config.database;
    let (url, embedded) = match &d.url {
        Some(url) => (url.expose().to_owned(), None),
        None => {
            let pg = Embedded::start(options(config)).await.map_err(|e| e.to_string())?;
            (pg.url().to_owned(), Some(pg))
        }
    };
    let store = Store::connect_lazy(&url, d.max_connections, d.timeout.get()).map_err(|e| e.to_string())?;
    Ok(Database { store, embedded })
}

/// The keys that encrypt secrets at rest. Beside the private Postgres one is made at first start; with a database of
/// one's own it must be configured, because all instances need the same.
pub(super) fn key_ring(config: &Config) -> Result<KeyRing, Failure> {
    let parse = |s: &sallyport_config::model::Secret| MasterKey::from_base64(s.expose()).map_err(|e| e.to_string());
    let file = config.data_dir.0.join("master.key");
    let current = match (&config.encryption.master_key, &config.database.url) {
        (Some(key), _) => parse(key)?,
        (None, None) => own_key(&file)?,
        (None, Some(_)) if file.exists() => own_key(&file)?,
        (None, Some(_)) => {
            return Err("encryption.master_key is not set: with a database of your own all instances need the same \
                        key. Make one with `openssl rand -base64 32` and give it as ${SALLYPORT_MASTER_KEY} or \
                        file:/path"
                .into());
        }
    };
    let previous = config.encryption.previous_keys.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(KeyRing::new(current, previous))
}

fn own_key(file: &Path) -> Result<MasterKey, Failure> {
    MasterKey::load_or_generate(file).map_err(|e| e.to_string())
}
