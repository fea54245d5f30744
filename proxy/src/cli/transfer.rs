//! `sallyport export` and `sallyport import`: what is stored as a YAML overlay, and back.

use super::{Failure, Files, load, print, runtime, state};
use clap::Args;
use sallyport_config::Loaded;
use sallyport_config::assemble::assemble;
use sallyport_config::snapshot::Source;
use sallyport_config::transfer::{Content, Current, Plan, of_config, overlay, plan};
use sallyport_schema::audit::{Actor, Event};
use sallyport_schema::store::Store;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    files: Files,
    /// Write the secrets into this new file (mode 0600), as NAME='value' lines for the overlay's variables
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    files: Files,
    /// Overlays to be stored; variables and file: are read here, from this environment
    #[arg(required = true, value_name = "OVERLAY")]
    overlays: Vec<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn export(command: &Export) -> Result<ExitCode, Failure> {
    let loaded = load(&command.files.config)?;
    let ring = state::key_ring(&loaded.config)?;
    let out = runtime(2)?.block_on(async {
        let db = state::open(&loaded.config).await?;
        let read = async {
            let current = Current::read(&db.store).await.map_err(|e| e.to_string())?;
            let content = current.content(&ring).map_err(|e| e.to_string())?;
            let out = overlay(&content).map_err(|e| e.to_string())?;
            let event = Event::done("configuration.export");
            db.store.note(&Actor::cli(), &event).await.map_err(|e| e.to_string())?;
            Ok::<_, Failure>(out)
        };
        let out = read.await;
        db.close().await;
        out
    })?;
    if let Some(path) = &command.secrets {
        let mut text = String::new();
        for (name, secret) in &out.variables {
            let _ = writeln!(text, "{name}='{}'", secret.replace('\'', r"'\''"));
        }
        keep(path, &text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    print(&out.text)
}

/// A new file that nobody else can read.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

pub(super) fn import(command: &Import) -> Result<ExitCode, Failure> {
    let loaded = load(&command.files.config)?;
    // Over the gateway's own files: an overlay may need what they say, such as the networks that are allowed.
    let files: Vec<PathBuf> = command.files.config.iter().chain(&command.overlays).cloned().collect();
    let wanted = beyond(of_config(&load(&files)?.config), &of_config(&loaded.config));
    if wanted == Content::default() {
        return Err("there is nothing in it that can be stored: no providers, no models, no settings".into());
    }
    let plan = runtime(2)?.block_on(async {
        let db = state::open(&loaded.config).await?;
        let done = store(&db.store, &loaded, wanted, command.dry_run).await;
        db.close().await;
        done
    })?;
    let mut out = String::new();
    for step in &plan.steps {
        let _ = writeln!(out, "{:<7} {:<8} {}", step.action, step.kind, step.name);
        if step.action == "change" {
            differences(&mut out, "", step.before.as_ref(), step.after.as_ref());
        }
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    let changes = plan.steps.iter().filter(|s| matches!(s.action, "create" | "change")).count();
    let did = if command.dry_run { "would change" } else { "changed" };
    let _ = writeln!(out, "{changes} {did}; held: a file of the gateway has it");
    print(&out)
}

/// What is said beyond what the files say.
fn beyond(mut all: Content, files: &Content) -> Content {
    all.providers.retain(|p| !files.providers.contains(p));
    all.models.retain(|m| !files.models.contains(m));
    all.settings.retain(|name, value| files.settings.get(name) != Some(value));
    all
}

async fn store(store: &Store, loaded: &Loaded, wanted: Content, dry_run: bool) -> Result<Plan, Failure> {
    let ring = state::key_ring(&loaded.config)?;
    let state = store.load().await.map_err(|e| e.to_string())?;
    let snapshot = assemble(loaded, state, Source::Store, Arc::new(ring.clone()));
    let current = Current::read(store).await.map_err(|e| e.to_string())?;
    let plan = plan(&current, wanted, &snapshot, &ring);
    if !plan.errors.is_empty() {
        return Err(format!("nothing was imported:\n  {}", plan.errors.join("\n  ")));
    }
    if !dry_run {
        store.apply_batch(&plan.batch, &Actor::cli()).await.map_err(|e| e.to_string())?;
    }
    Ok(plan)
}

/// One line for each place that changes.
fn differences(out: &mut String, path: &str, before: Option<&Value>, after: Option<&Value>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(b)), Some(Value::Object(a))) = (before, after) {
        let mut keys: Vec<&String> = b.keys().chain(a.keys().filter(|k| !b.contains_key(*k))).collect();
        keys.sort();
        for key in keys {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differences(out, &inner, b.get(key), a.get(key));
        }
        return;
    }
    let show = |v: Option<&Value>| v.map_or_else(|| "(not set)".to_owned(), Value::to_string);
    let _ = writeln!(out, "        {path}: {} -> {}", show(before), show(after));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown() {
        let mut out = String::new();
        let (before, after) =
            (json!({"a": {"b": 1, "c": 2}, "d": [1]}), json!({"a": {"b": 1, "c": 3}, "e": "x"}));
        differences(&mut out, "", Some(&before), Some(&after));
        assert_eq!(out, "        a.c: 2 -> 3\n        d: [1] -> (not set)\n        e: (not set) -> \"x\"\n");
    }
}
