//! `sallyport audit`: the trail of the control plane.

use super::{Failure, Files, load, print, runtime, state};
use clap::Subcommand;
use sallyport_schema::audit::Verified;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Follow the chain of hashes from the first event to the last
    #[command(
        after_help = "Exit code 1 if an event was changed, taken out or put in. The printed head, kept elsewhere, \
        proves later\nthat nothing was cut off at the end."
    )]
    Verify {
        #[command(flatten)]
        files: Files,
    },
}

pub(super) fn run(command: &Audit) -> Result<ExitCode, Failure> {
    let Audit::Verify { files } = command;
    let loaded = load(&files.config)?;
    runtime(2)?.block_on(async {
        let db = state::connect(&loaded.config).await?;
        let found = db.store.audit_verify().await.map_err(|e| e.to_string());
        db.close().await;
        match found? {
            Verified::Whole { rows, head } => {
                print(&format!("The audit trail is whole: {rows} events, head {head}.\n"))
            }
            Verified::Broken { seq, why } => Err(format!("the audit trail is broken at event {seq}: {why}")),
        }
    })
}
