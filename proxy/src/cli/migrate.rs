//! `sallyport migrate`.

use super::{Failure, load, print, runtime, state};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn run(files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let loaded = load(files)?;
    runtime(2)?.block_on(async {
        let db = state::connect(&loaded.config).await?;
        let done = db.store.migrate().await.map_err(|e| e.to_string());
        db.close().await;
        print(&format!("The database is at version {}.\n", done?))
    })
}
