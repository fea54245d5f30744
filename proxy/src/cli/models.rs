//! `sallyport models`: what a provider has.

use super::{Failure, Files, load, print, runtime};
use clap::Subcommand;
use sallyport_config::assemble::configured;
use sallyport_config::model::ProviderKind;
use sallyport_config::resources::is_model_name;
use sallyport_proxy::upstream::Upstreams;
use sallyport_proxy::upstream::list::{self, Listed};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub(super) enum Models {
    /// Ask a provider of the files which models it has
    #[command(
        after_help = "Example:\n  sallyport models list -c config/base.yaml -c my.yaml --provider openai --yaml > models.yaml\n  \
        sallyport check -c config/base.yaml -c my.yaml -c models.yaml\n\n\
        Azure lists the models of the resource, not its deployments: put their names in. Bedrock is asked at\n\
        bedrock.REGION beside bedrock-runtime.REGION; any other endpoint is asked itself."
    )]
    List {
        #[command(flatten)]
        files: Files,
        /// Name of the provider
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// As an overlay: `models` with a route for each
        #[arg(long)]
        yaml: bool,
    },
}

pub(super) fn run(command: Models) -> Result<ExitCode, Failure> {
    let Models::List { files, provider: name, yaml } = command;
    let loaded = load(&files.config)?;
    let provider = Arc::new(configured(&loaded.config, &name)?);
    let settings = &loaded.config.upstream;
    // Of its own: a running gateway has the other one.
    let scratch = loaded.config.data_dir.0.join("models-list");
    let listed = runtime(1)?.block_on(async {
        let upstreams = Upstreams::new(settings, &scratch).map_err(|e| e.to_string())?;
        list::models(&upstreams, &provider, settings).await.map_err(|e| format!("{name}: {e}"))
    })?;
    let (good, bad): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(|m| is_model_name(&m.name));
    if !bad.is_empty() {
        eprintln!("{} names that no model can have here are left out", bad.len());
    }
    print(&if yaml { overlay(&name, provider.kind, &good) } else { table(&name, &good) })
}

fn table(provider: &str, models: &[Listed]) -> String {
    if models.is_empty() {
        return format!("The provider {provider} lists no models.\n");
    }
    let width = models.iter().map(|m| m.name.chars().count()).max().unwrap_or(0).max(5);
    let mut out = format!("{:<width$}  TITLE\n", "MODEL");
    for m in models {
        // Titles are the provider's: nothing of them may steer a terminal.
        let title: String = m.title.chars().filter(|c| !c.is_control()).take(100).collect();
        let line = format!("{:<width$}  {title}", m.name);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn overlay(provider: &str, kind: ProviderKind, models: &[Listed]) -> String {
    let mut out =
        format!("# Models that the provider {provider} lists. Keys still need them in their lists.\n");
    if kind == ProviderKind::AzureOpenai {
        out.push_str("# Azure lists models, not deployments: give each route its deployment as `model`.\n");
    }
    if models.is_empty() {
        out.push_str("models: []\n");
        return out;
    }
    out.push_str("models:\n");
    for m in models {
        // A JSON string is one of YAML's; `${` would be a variable.
        let name = serde_json::Value::from(m.name.as_str()).to_string().replace("${", "$${");
        let _ = writeln!(out, "  - name: {name}\n    routes: [{{ provider: {provider:?} }}]");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Listed {
        Listed { name: name.into(), title: "A\u{1b}[31m title".into() }
    }

    #[test]
    fn for_people() {
        assert_eq!(
            table("p", &[model("gpt-5"), model("o")]),
            "MODEL  TITLE\ngpt-5  A[31m title\no      A[31m title\n"
        );
    }

    /// Names that YAML or the configuration could take for something else.
    #[test]
    fn an_overlay_that_is_taken() {
        let names = ["gpt-5", "1.0", "yes", "a: b", "a#b", "${HOME}", "\"q\"", "arn:aws:x/y", "null", "é"];
        let good: Vec<Listed> = names.iter().map(|n| model(n)).filter(|m| is_model_name(&m.name)).collect();
        assert_eq!(good.len(), names.len() - 1, "a name has no spaces");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("models.yaml");
        std::fs::write(&file, overlay("p", ProviderKind::AzureOpenai, &good)).unwrap();
        let loaded = sallyport_config::load(&[file], &|_| None).unwrap();
        let got: Vec<&str> = loaded.config.models.iter().map(|m| m.name.as_str()).collect();
        let want: Vec<&str> = good.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(got, want);
        assert!(loaded.config.models.iter().all(|m| m.routes[0].provider == "p"));
        assert!(!is_model_name("") && !is_model_name("a*") && !is_model_name("a\nb"));
    }
}
