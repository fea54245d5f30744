//! Building the command of a Postgres program: as the right user, out of the terminal's reach, and not outliving us.

use super::identity::RunAs;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Whether util-linux's `setpriv` can set a parent-death signal (2.33 and later; not BusyBox).
static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
    Command::new("setpriv")
        .args(["--pdeathsig", "INT", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
});

/// A command that runs `program` as `run_as` in `dir`.
///
/// With `setpriv` the child gets SIGINT (for Postgres: a fast shutdown) when the thread that spawned it dies, so the
/// caller must spawn from a thread that lives as long as the child should.
pub(super) fn command(program: &Path, run_as: &RunAs, dir: &Path) -> Command {
    let mut command = if *SETPRIV {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if let Some(other) = &run_as.other {
            command.args(["--reuid", &other.uid.to_string(), "--regid", &other.gid.to_string()]);
            command.arg("--clear-groups");
        }
        command.arg("--").arg(program);
        command
    } else {
        let mut command = Command::new(program);
        if let Some(other) = &run_as.other {
            // std also drops the supplementary groups when it changes the user
            command.uid(other.uid).gid(other.gid);
        }
        command
    };
    // PGDATA, PGHOST and their like must not reach it
    let kept = ["PATH", "LD_LIBRARY_PATH"].map(|name| (name, std::env::var_os(name)));
    command.env_clear();
    for (name, value) in kept {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC");
    // Ctrl-C in a terminal goes to the whole foreground group: ours drains first and then stops Postgres itself.
    command.process_group(0).current_dir(dir).stdin(Stdio::null());
    command
}

/// Arguments of the server: a socket and no port, small, and durable.
pub(super) fn server_args(pgdata: &Path, socket_dir: &Path) -> Vec<std::ffi::OsString> {
    let mut args = vec![OsStr::new("-D").to_owned(), pgdata.as_os_str().to_owned()];
    let mut set = |setting: &str| args.extend([OsStr::new("-c").to_owned(), OsStr::new(setting).to_owned()]);
    set("listen_addresses=");
    set("port=5432");
    // quoted: the setting is a list, and a directory's name may hold a comma
    set(&format!("unix_socket_directories=\"{}\"", socket_dir.display().to_string().replace('"', "\"\"")));
    set("unix_socket_permissions=0700");
    set("fsync=on");
    set("max_connections=50");
    set("shared_buffers=24MB");
    set("max_wal_size=256MB");
    set("min_wal_size=32MB");
    // no replicas and no parallel plans in a private store of this size
    set("wal_level=minimal");
    set("max_wal_senders=0");
    set("max_worker_processes=2");
    set("max_parallel_workers=0");
    set("max_parallel_workers_per_gather=0");
    set("jit=off");
    set("idle_in_transaction_session_timeout=60s");
    set("timezone=UTC");
    // its output comes to us, and we log it
    set("logging_collector=off");
    set("log_destination=stderr");
    set("log_line_prefix=");
    set("log_checkpoints=off");
    args
}
