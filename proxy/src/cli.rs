//! The command line.

mod admin;
mod audit;
mod bring_up;
mod check;
mod keys;
mod logging;
mod migrate;
mod models;
mod outside;
mod people;
mod redis;
mod rekey;
mod run;
mod state;
mod transfer;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The gate through which a company's AI traffic leaves.
#[derive(Debug, Parser)]
#[command(name = "sallyport", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Configuration files, lowest first.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// YAML file; give it again for each overlay, in order: later files win
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        required = true,
        env = "SALLYPORT_CONFIG",
        value_delimiter = ':'
    )]
    pub(crate) config: Vec<PathBuf>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Gateway and admin service
    All,
    /// The gateway only
    Proxy,
    /// The admin service only
    Admin,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway and the admin service
    #[command(
        after_help = "Example:\n  sallyport run -c config/base.yaml -c config/overlays/production.yaml\n\n\
        SIGHUP reloads the configuration (a change of a file does too), SIGTERM drains and ends."
    )]
    Run {
        #[command(flatten)]
        files: Files,
        /// What this process does
        #[arg(long, value_enum, default_value = "all")]
        role: Role,
    },
    /// Check configuration files and print the merged document with the origin of each value
    #[command(after_help = "Exit code 1 if anything is wrong. Secrets are masked.")]
    Check {
        #[command(flatten)]
        files: Files,
    },
    /// Create, list and revoke virtual keys
    Keys {
        #[command(subcommand)]
        command: keys::Keys,
    },
    /// Make people who can sign in to the admin API, and reset their passwords
    Admin {
        #[command(subcommand)]
        command: people::Admin,
    },
    /// Verify the audit trail of the control plane
    Audit {
        #[command(subcommand)]
        command: audit::Audit,
    },
    /// Seal all secrets anew under the current master key, while gateways run
    #[command(
        after_help = "To change the master key: set the new one as encryption.master_key and the old one in \
        encryption.previous_keys\non every instance, run this, then take the old one out."
    )]
    Rekey {
        #[command(flatten)]
        files: Files,
    },
    /// Print the stored providers, models and settings as a YAML overlay; variables stand for the secrets
    #[command(
        after_help = "Example:\n  sallyport export -c config/base.yaml --secrets secrets.env > console.yaml"
    )]
    Export(transfer::Export),
    /// Store the providers, models and settings of YAML overlays; what they do not name stays
    #[command(after_help = "Example:\n  sallyport import -c config/base.yaml --dry-run console.yaml\n\n\
        All of it is stored or nothing. What a -c file has is left out: it holds.")]
    Import(transfer::Import),
    /// Ask providers which models they have
    Models {
        #[command(subcommand)]
        command: models::Models,
    },
    /// Bring the database to this version's schema
    Migrate {
        #[command(flatten)]
        files: Files,
    },
    /// Tell about the configuration format
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  sallyport completions bash > /etc/bash_completion.d/sallyport")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the JSON Schema of the configuration (for editors)
    Schema,
}

/// What a command fails with: a sentence for a person.
pub(crate) type Failure = String;

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Run { files, role } => run::run(&files.config, role),
        Command::Check { files } => check::check(&files.config),
        Command::Keys { command } => keys::run(command),
        Command::Admin { command } => people::run(command),
        Command::Audit { command } => audit::run(&command),
        Command::Rekey { files } => rekey::run(&files),
        Command::Export(command) => transfer::export(&command),
        Command::Import(command) => transfer::import(&command),
        Command::Models { command } => models::run(command),
        Command::Migrate { files } => migrate::run(&files.config),
        Command::Config { command: ConfigCommand::Schema } => print(&sallyport_config::json_schema_text()),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sallyport", &mut out);
            print(&String::from_utf8_lossy(&out))
        }
        Command::Version => print(concat!("sallyport ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Prints to stdout; a closed pipe (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(e) => Err(format!("cannot write: {e}")),
    }
}

/// Loads the configuration, or tells everything that is wrong with it.
pub(crate) fn load(files: &[PathBuf]) -> Result<sallyport_config::Loaded, Failure> {
    sallyport_config::load(files, &sallyport_config::process_env)
        .map_err(|e| format!("the configuration cannot be used:\n{e}"))
}

/// A runtime for commands that need one.
pub(crate) fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("control")
        // Where cores are few, shipping the call log gives way to the calls. (Linux: niceness is a thread's own.)
        .on_thread_start(|| {
            let _ = rustix::process::nice(5);
        })
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))
}
