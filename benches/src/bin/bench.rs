//! The benchmark runner's command line.
#![allow(clippy::print_stdout, reason = "the table is this tool's output")]

use clap::Parser;
use sallyport_benches::run::{self, Options, Setup, callgrind, memory, summary};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Compares Sallyport with a bare Pingora proxy, nginx and no proxy at all, on this machine.
///
/// Builds nothing: the binaries are taken from beside this one (build them with
/// `cargo build --profile dist --workspace --bins`). Exits with 1 if any answer was wrong.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Directory of sallyport-sim, sallyport-load and bare-proxy. Default: this program's own.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// The gateway's binary. Default: `sallyport` in the same directory.
    #[arg(long)]
    sallyport: Option<PathBuf>,
    /// Arguments that run the gateway.
    #[arg(long, default_value = "run -c {base} -c {overlay}")]
    run_args: String,
    /// Arguments that make a key; the last word of a line that starts with `sp-` is the key.
    #[arg(long, default_value = "keys create -c {base} -c {overlay} --name bench --surfaces * --models *")]
    key_args: String,
    /// The gateway's base configuration; left out if there is no such file.
    #[arg(long, default_value = "config/base.yaml")]
    base: PathBuf,
    /// nginx. Default: from PATH.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// Leave out a target: `nginx` or `sallyport`; repeatable.
    #[arg(long)]
    skip: Vec<String>,
    /// Rounds of each case.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// One round of one second: does everything work?
    #[arg(long)]
    quick: bool,
    /// Instead of the comparison: steady load for so many minutes, and what it does to the memory.
    #[arg(long)]
    memory_minutes: Option<f64>,
    /// Whose memory.
    #[arg(long, default_value = "sallyport")]
    memory_target: String,
    /// Instead of the comparison: instructions a call under valgrind, for a body kind of the load generator.
    #[arg(long, value_name = "BODY", num_args = 0..=1, default_missing_value = "chat-1k")]
    callgrind: Option<String>,
    /// Where results are written.
    #[arg(long, default_value = "benches/results")]
    results: PathBuf,
    /// Keep the temporary directory (logs, generated configuration).
    #[arg(long)]
    keep: bool,
}

async fn bench(args: Args) -> run::Result<bool> {
    let setup = Setup::find(Options {
        bin_dir: args.bin_dir,
        sallyport: args.sallyport,
        run_args: args.run_args,
        key_args: args.key_args,
        base: args.base,
        nginx: args.nginx,
        skip: args.skip,
        rounds: if args.quick { 1 } else { args.rounds.max(1) },
        seconds: if args.quick { 1.0 } else { args.seconds },
        connections: args.connections.max(1),
        keep: args.keep,
    })?;
    let (file, right) = if let Some(minutes) = args.memory_minutes {
        let memory = memory::watch(&setup, &args.memory_target, minutes).await?;
        print!("{memory}");
        let file = summary::save(&args.results, "memory", &memory)?;
        (file, memory.errors == 0)
    } else if let Some(body) = args.callgrind {
        let counts = callgrind::count(&setup, &body).await?;
        for count in &counts {
            println!("{}: {:.0} instructions a call ({})", count.target, count.per_call, count.body);
        }
        (summary::save(&args.results, "callgrind", &counts)?, true)
    } else {
        let summary = run::compare(&setup, |line| eprintln!("{line}")).await?;
        print!("{summary}");
        (summary::save(&args.results, "compare", &summary)?, summary.errors() == 0)
    };
    println!("\nwritten to {}", file.display());
    Ok(right)
}

fn main() -> std::io::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // dropping the benchmark stops every process that it started
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let outcome = tokio::select! {
            outcome = bench(args) => outcome,
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
            _ = terminate.recv() => return Ok(ExitCode::from(143)),
        };
        Ok(match outcome {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => {
                eprintln!("bench: there were wrong answers: the figures are not to be used");
                ExitCode::FAILURE
            }
            Err(failure) => {
                eprintln!("bench: {failure}");
                ExitCode::FAILURE
            }
        })
    })
}
