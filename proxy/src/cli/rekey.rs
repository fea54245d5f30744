//! `sallyport rekey`: everything that is sealed, sealed anew under the current master key.

use super::{Failure, Files, load, print, runtime, state};
use sallyport_schema::audit::Actor;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) fn run(files: &Files) -> Result<ExitCode, Failure> {
    let loaded = load(&files.config)?;
    let ring = state::key_ring(&loaded.config)?;
    runtime(2)?.block_on(async {
        let db = state::open(&loaded.config).await?;
        let done = db.store.rekey(&ring, &Actor::cli()).await.map_err(|e| e.to_string());
        db.close().await;
        let mut out = String::new();
        let mut unopened = 0;
        for column in done? {
            let _ = writeln!(
                out,
                "{}.{}: {} sealed anew under key {}",
                column.column.table,
                column.column.column,
                column.sealed,
                ring.current.id()
            );
            for (row, why) in column.unopened.iter().take(20) {
                let _ = writeln!(out, "  {row}: left as it is: {why}");
            }
            unopened += column.unopened.len();
        }
        let shown = print(&out)?;
        match unopened {
            0 => Ok(shown),
            n => Err(format!(
                "{n} envelopes do not open with any configured key: add the key that sealed them to \
                 encryption.previous_keys, and run this again"
            )),
        }
    })
}
