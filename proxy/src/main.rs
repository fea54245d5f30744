//! `sallyport`: one binary for the gateway, the admin service and their commands.

mod cli;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("sallyport: {message}");
            ExitCode::FAILURE
        }
    }
}
