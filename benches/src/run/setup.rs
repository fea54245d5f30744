//! What the benchmark needs: binaries, cores, a directory.

use crate::run::{Context, Failure, Result};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Choices of whoever starts the benchmark.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of `sallyport-sim`, `sallyport-load` and `bare-proxy`; `None`: where this program is.
    pub bin_dir: Option<PathBuf>,
    /// The gateway; `None`: `sallyport` beside the others. Left out with a note if it is not there.
    pub sallyport: Option<PathBuf>,
    /// Arguments that run the gateway; `{base}` and `{overlay}` are replaced.
    pub run_args: String,
    /// Arguments that make a key; the last word of its output that starts with `sp-` is the key.
    pub key_args: String,
    /// The gateway's base configuration.
    pub base: PathBuf,
    /// nginx; `None`: from PATH or /usr/sbin. Left out with a note if it is not there.
    pub nginx: Option<PathBuf>,
    /// Targets to leave out.
    pub skip: Vec<String>,
    /// Rounds of each case.
    pub rounds: usize,
    /// Seconds of each round.
    pub seconds: f64,
    /// Connections of the closed loop.
    pub connections: usize,
    /// Keep the temporary directory.
    pub keep: bool,
}

/// Everything found and made ready.
#[derive(Debug)]
pub struct Setup {
    pub(crate) options: Options,
    pub(crate) sim: PathBuf,
    pub(crate) load: PathBuf,
    pub(crate) bare: PathBuf,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) sallyport: Option<PathBuf>,
    /// The target's core, and the one of simulator and load.
    pub(crate) target_core: Option<usize>,
    pub(crate) load_core: Option<usize>,
    pub(crate) dir: Scratch,
    /// What whoever reads the results should know.
    pub notes: Vec<String>,
}

/// A temporary directory that others may read: a gateway that drops its privileges keeps data below it.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
    keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Setup {
    /// Looks for everything.
    ///
    /// # Errors
    /// A sentence that says what is missing and how to get it.
    pub fn find(options: Options) -> Result<Self> {
        let here = std::env::current_exe().context("where am I")?;
        let beside = here.parent().unwrap_or(Path::new(".")).to_owned();
        let bin_dir = options.bin_dir.clone().unwrap_or(beside);
        let tool = |name: &str| {
            let path = bin_dir.join(name);
            if path.is_file() {
                Ok(path)
            } else {
                Err(Failure::new(format!(
                    "{} is missing: build it with `cargo build --profile dist -p sallyport-benches --bins`",
                    path.display()
                )))
            }
        };
        let mut notes = Vec::new();
        let skipped = |name: &str| options.skip.iter().any(|s| s == name);
        let nginx = if skipped("nginx") { None } else { options.nginx.clone().or_else(|| in_path("nginx")) };
        if nginx.is_none() {
            notes.push("nginx is not compared: it was not found or left out".to_owned());
        }
        let sallyport = if skipped("sallyport") {
            None
        } else {
            Some(options.sallyport.clone().unwrap_or_else(|| bin_dir.join("sallyport")))
                .filter(|p| p.is_file())
        };
        if sallyport.is_none() {
            notes.push("Sallyport is not compared: its binary was not found or left out".to_owned());
        }
        if sallyport.as_ref().is_some_and(|p| p.components().any(|c| c.as_os_str() == "debug")) {
            notes.push("Sallyport seems to be a debug build: its figures mean nothing".to_owned());
        }
        let cores = allowed_cores();
        let (target_core, load_core) = match cores.as_slice() {
            [target, load, ..] if in_path("taskset").is_some() => (Some(*target), Some(*load)),
            _ => {
                notes.push("nothing is pinned (one core, or no taskset): figures vary more".to_owned());
                (None, None)
            }
        };
        if cfg!(debug_assertions) {
            notes.push("this is a debug build: its figures mean nothing".to_owned());
        }
        let dir = Scratch {
            path: std::env::temp_dir().join(format!("sallyport-bench-{}", std::process::id())),
            keep: options.keep,
        };
        fs::create_dir_all(&dir.path).context(dir.path.display())?;
        fs::set_permissions(&dir.path, fs::Permissions::from_mode(0o755)).context(dir.path.display())?;
        if options.keep {
            notes.push(format!("files are kept in {}", dir.path.display()));
        }
        Ok(Self {
            sim: tool("sallyport-sim")?,
            load: tool("sallyport-load")?,
            bare: tool("bare-proxy")?,
            nginx,
            sallyport,
            target_core,
            load_core,
            dir,
            notes,
            options,
        })
    }

    /// A file in the temporary directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path.join(name)
    }
}

/// A port that is free right now.
pub(crate) fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("no free port")
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    dirs.map(|dir: PathBuf| dir.join(name)).find(|file| file.is_file())
}

/// Cores that this process may use, from /proc (`0-3,8`).
fn allowed_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).unwrap_or("").trim();
    list.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        })
        .flatten()
        .collect()
}
