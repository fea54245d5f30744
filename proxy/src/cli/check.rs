//! `sallyport check`.

use super::{Failure, load, print};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn check(files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let loaded = load(files)?;
    print(&sallyport_config::check::render(&loaded))?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("the configuration is good");
    Ok(ExitCode::SUCCESS)
}
