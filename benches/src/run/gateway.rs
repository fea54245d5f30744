//! Sallyport as a target: an overlay that points it at the simulator, and a key.

use crate::run::child::Running;
use crate::run::setup::{Setup, free_port};
use crate::run::target::Target;
use crate::run::{Context, Failure, Result};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Starts the gateway with a command that ends with its binary.
pub(crate) fn start(setup: &Setup, sim: SocketAddr, binary: &Path, mut command: Command) -> Result<Target> {
    let addr = free_port()?;
    let overlay = overlay(setup, addr, sim)?;
    let key = make_key(setup, binary, &overlay)?;
    command.args(fill(setup, &setup.options.run_args, &overlay)?);
    let process = Running::start(command, &setup.file("sallyport.log"))?;
    let headers = vec![format!("authorization: Bearer {key}")];
    Ok(Target { name: "sallyport", addr, headers, process: Some(process) })
}

/// Writes the overlay: JSON is YAML.
fn overlay(setup: &Setup, listen: SocketAddr, sim: SocketAddr) -> Result<PathBuf> {
    let file = setup.file("overlay.yaml");
    let overlay = json!({
        "data_dir": setup.file("data"),
        "server": {"listen": [listen.to_string()], "threads": 1, "drain": "1s"},
        "admin": {"listen": free_port()?.to_string()},
        "log": {"level": "warn"},
        "upstream": {"allow_networks": ["127.0.0.0/8"]},
        "providers": [{"name": "bench-sim", "kind": "openai-compatible", "base_url": format!("http://{sim}/v1"),
            "api_key": "bench"},
            {"name": "bench-other", "kind": "anthropic", "base_url": format!("http://{sim}/v1"), "api_key": "bench"}],
        "models": [{"name": "sim-*", "routes": [{"provider": "bench-sim"}]},
            {"name": "other-*", "routes": [{"provider": "bench-other"}]}],
    });
    fs::write(&file, format!("{overlay:#}\n")).context(file.display())?;
    Ok(file)
}

/// Puts the files' names into a template of arguments; an absent base is left out with the flag before it.
fn fill(setup: &Setup, template: &str, overlay: &Path) -> Result<Vec<String>> {
    let base = setup.options.base.is_file().then(|| setup.options.base.to_string_lossy().into_owned());
    let mut args: Vec<String> = Vec::new();
    for word in template.split_whitespace() {
        match (word, &base) {
            ("{base}", None) => {
                args.pop();
            }
            ("{base}", Some(base)) => args.push(base.clone()),
            ("{overlay}", _) => args.push(overlay.to_string_lossy().into_owned()),
            (word, _) => args.push(word.to_owned()),
        }
    }
    if args.is_empty() { Err(Failure::new("the gateway's arguments are empty")) } else { Ok(args) }
}

fn make_key(setup: &Setup, binary: &Path, overlay: &Path) -> Result<String> {
    let args = fill(setup, &setup.options.key_args, overlay)?;
    let shown = format!("{} {}", binary.display(), args.join(" "));
    let output = Command::new(binary).args(&args).output().context(&shown)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let key = stdout.lines().rev().filter_map(|l| l.split_whitespace().last()).find(|w| w.starts_with("sp-"));
    match key {
        Some(key) if output.status.success() => Ok(key.to_owned()),
        _ => Err(Failure::new(format!(
            "`{shown}` gave no key ({}):\n{stdout}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
