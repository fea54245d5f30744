//! The files that are shipped: base.yaml tells every default, and the overlays load.

use sallyport_config::check::render;
use sallyport_config::model::Config;
use sallyport_config::{Errors, Loaded, load, overlay};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn with(names: &[&str], env: &[(&str, &str)]) -> Result<Loaded, Errors> {
    let files: Vec<_> = ["base.yaml"].iter().chain(names).map(|n| here(n)).collect();
    load(&files, &|name| env.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned()))
}

#[test]
fn base_yaml_is_the_default() {
    let loaded = with(&[], &[]).unwrap();
    assert_eq!(*loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn base_yaml_shows_every_setting() {
    let loaded = with(&[], &[]).unwrap();
    // A null in the file is a default too; every other value has its line.
    for line in render(&loaded).lines().filter(|l| l.ends_with("# default")) {
        assert!(line.contains(": null  #"), "not in base.yaml: {line}");
    }
    // And every null is written down.
    let file: Arc<Path> = here("base.yaml").into();
    let tree = overlay::parse(&file, &std::fs::read(&file).unwrap()).unwrap();
    fn compare(default: &serde_json::Value, tree: &overlay::Node, path: &str) {
        if let serde_json::Value::Object(map) = default {
            for (key, value) in map {
                let inner = tree.get(key).unwrap_or_else(|| panic!("{path}{key} is not in base.yaml"));
                compare(value, inner, &format!("{path}{key}."));
            }
        }
    }
    compare(&serde_json::to_value(Config::default()).unwrap(), &tree, "");
}

#[test]
fn quickstart_with_each_provider() {
    let quick = "overlays/quickstart.yaml";
    let l = with(&[quick, "overlays/quickstart-simulator.yaml"], &[("SIM_PORT", "4999")]).unwrap();
    assert_eq!(l.warnings, []);
    assert_eq!(l.config.providers[0].base_url.as_ref().unwrap().as_str(), "http://127.0.0.1:4999/v1");
    assert!(l.prices.find("sim-1").is_some());
    let env = [("OPENAI_API_KEY", "sk-o"), ("ANTHROPIC_API_KEY", "sk-a"), ("SALLYPORT_PORT", "4000")];
    let both = [quick, "overlays/quickstart-openai.yaml", "overlays/quickstart-anthropic.yaml"];
    let l = with(&both, &env).unwrap();
    assert_eq!(l.warnings, []);
    assert_eq!(
        l.config.providers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["openai", "anthropic"]
    );
    assert_eq!(l.config.server.listen, ["0.0.0.0:4000".parse().unwrap()]);
    for m in l.config.models.iter().filter(|m| !m.name.contains('*')) {
        assert!(l.prices.find(&m.name).is_some(), "{} has no price", m.name);
    }
    // Without its key, a sentence that says what to do.
    let e = with(&both[..2], &[]).unwrap_err().to_string();
    assert!(e.contains("quickstart-openai.yaml:6:14: providers[openai].api_key: environment variable OPENAI_API_KEY is not set"), "{e}");
}

#[test]
fn production() {
    let dir = tempfile::tempdir().unwrap();
    let pem = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        path.display().to_string()
    };
    let (cert, key) = (pem("cert"), pem("key"));
    let master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let env = [
        ("DATABASE_URL", "postgres://sallyport:pw-secret@db/sallyport"),
        ("SALLYPORT_MASTER_KEY", master),
        ("SALLYPORT_TLS_CERT", &cert),
        ("SALLYPORT_TLS_KEY", &key),
    ];
    let l = with(&["overlays/production.yaml"], &env).unwrap();
    assert_eq!(l.warnings, []);
    assert!(!render(&l).contains("pw-secret") && !render(&l).contains(master));
    // Everything that is missing is told at once.
    let e = with(&["overlays/production.yaml"], &[]).unwrap_err();
    let e: Vec<_> = e.0.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(e, ["server.tls.cert", "server.tls.key", "database.url", "encryption.master_key"]);
}
