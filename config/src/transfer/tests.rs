use super::*;
use crate::assemble::assemble;
use crate::snapshot::Source;
use sallyport_schema::envelope::MasterKey;
use sallyport_schema::rows::StoredState;
use std::sync::Arc;
use time::OffsetDateTime;

fn kept<R>(row: R) -> Kept<R> {
    Kept { row, version: 4, created_at: OffsetDateTime::UNIX_EPOCH, updated_at: OffsetDateTime::UNIX_EPOCH }
}

fn content() -> Content {
    let provider = |json: Value| serde_json::from_value(json).unwrap();
    Content {
        providers: vec![
            provider(json!({"name": "open-ai", "kind": "openai", "api_key": "sk-planted-1",
                "headers": {"x-a": "planted-2", "x_a": "planted-3"}, "passthrough": ["/v1/${odd}*"]})),
            provider(
                json!({"name": "aws", "kind": "bedrock", "enabled": false, "bedrock": {"region": "us-east-1",
                "access_key_id": "planted-4", "secret_access_key": "planted-5"}}),
            ),
            provider(json!({"name": "az", "kind": "azure-openai", "base_url": "https://n.openai.azure.com/",
                "azure_openai": {"entra": {"tenant_id": "t", "client_id": "c", "client_secret": "planted-6"}}})),
        ],
        untold: Vec::new(),
        models: vec![
            serde_json::from_value(
                json!({"name": "yes", "routes": [{"provider": "open-ai", "model": "1.0"}],
                "price": {"input": 0.5, "output": 2.0}, "input_multiplier": 1.2}),
            )
            .unwrap(),
        ],
        settings: [
            ("upstream.max_attempts".to_owned(), json!(5)),
            ("translation.lossy".to_owned(), json!("allow")),
        ]
        .into(),
    }
}

fn world(yaml: &str) -> (Snapshot, KeyRing) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("base.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = crate::load(&[file], &|_| None).unwrap();
    let ring = Arc::new(KeyRing::new(MasterKey::generate().unwrap()));
    let snapshot = assemble(&loaded, StoredState::default(), Source::Store, ring.clone());
    (snapshot, (*ring).clone())
}

#[test]
fn an_export_is_an_overlay_that_says_the_same() {
    let content = content();
    let out = overlay(&content).unwrap();
    assert!(!out.text.contains("planted"), "{}", out.text);
    assert_eq!(out.variables.len(), 6);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("o.yaml");
    std::fs::write(&file, &out.text).unwrap();
    let env = |name: &str| out.variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_string());
    let loaded = crate::load(&[file], &env).unwrap();
    assert_eq!(of_config(&loaded.config), content);
}

#[test]
fn an_overlay_goes_into_the_store_and_a_second_time_changes_nothing() {
    let (snapshot, ring) = world("providers: []\n");
    let content = content();
    let first = plan(&Current::default(), content.clone(), &snapshot, &ring);
    assert!(first.errors.is_empty(), "{:?}", first.errors);
    assert!(first.steps.iter().all(|s| s.action == "create"), "{:?}", first.steps);
    assert!(!format!("{:?}", first.steps).contains("planted"));
    let stored = Current {
        providers: first.batch.providers.into_iter().map(|(row, ..)| kept(row)).collect(),
        models: first.batch.models.into_iter().map(|(row, ..)| kept(row)).collect(),
        settings: first
            .batch
            .settings
            .into_iter()
            .map(|(key, v)| StoredSetting {
                key,
                value: v.unwrap(),
                version: 1,
                updated_at: OffsetDateTime::UNIX_EPOCH,
            })
            .collect(),
    };
    // what was exported, sent back without its secrets
    let text = overlay(&content).unwrap().text;
    let again = plan(&stored, read(&text).unwrap(), &snapshot, &ring);
    assert!(again.errors.is_empty() && again.warnings.is_empty(), "{again:?}");
    assert!(again.steps.iter().all(|s| s.action == "same"), "{:?}", again.steps);
    assert!(again.batch.providers.is_empty() && again.batch.models.is_empty());

    // elsewhere the secrets are missing, and said to be
    let fresh = plan(&Current::default(), read(&text).unwrap(), &snapshot, &ring);
    assert_eq!(
        fresh.warnings.iter().filter(|w| w.contains("give it afterwards")).count(),
        6,
        "{:?}",
        fresh.warnings
    );
    assert!(
        fresh.errors.iter().any(|e| e.starts_with("provider az: it cannot be without")),
        "{:?}",
        fresh.errors
    );
    // and a secret that stays does not go to another address
    let moved = text.replace("kind: openai\n", "kind: openai\n  base_url: https://evil.example/v1\n");
    let moved = plan(&stored, read(&moved).unwrap(), &snapshot, &ring);
    assert!(moved.errors.iter().any(|e| e.contains("given again")), "{:?}", moved.errors);
}

#[test]
fn what_a_file_has_is_left_out() {
    let (snapshot, ring) = world(
        "providers: [{name: open-ai, kind: openai, api_key: sk-x}]\nupstream: {max_attempts: 9}\n\
         models: [{name: 'yes', routes: [{provider: open-ai}]}]\n",
    );
    let plan = plan(&Current::default(), content(), &snapshot, &ring);
    let held: Vec<_> = plan.steps.iter().filter(|s| s.action == "held").map(|s| s.name.as_str()).collect();
    assert_eq!(held, ["open-ai", "yes", "upstream.max_attempts"]);
    assert_eq!(plan.batch.providers.len(), 2);
}

#[test]
fn what_cannot_be_stored_is_refused_and_never_quoted() {
    for (text, why) in [
        ("server: {listen: [0.0.0.0:1]}", "server.listen cannot be stored"),
        ("providers: {}", "is a list"),
        ("providers: [1]", "providers[0]"),
        ("providers: [{name: p, kind: openai, api_key: 'file:/etc/shadow'}]", "files are not read"),
        ("providers: [{name: p, kind: openai, base_url: '${HOME}'}]", "for secrets only"),
        ("providers: [{name: p, kind: openai, planted: 1}]", "unknown field"),
        ("providers: [{name: p, kind: openai, api_key: [planted]}]", "api_key"),
        ("providers: [{name: p, kind: openai}, {name: p, kind: openai}]", "twice"),
        ("providers: [!delete {name: planted}]", "no meaning"),
        ("[", "not YAML"),
        ("- a", "is a map"),
        ("1: 2", "not text"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(text.contains("planted: 1") || !error.contains("planted"), "{error}");
    }
}

/// A few hundred bytes that would be gigabytes.
#[test]
fn aliases_do_not_explode() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
    }
    assert!(read(&text).unwrap_err().to_string().contains("not YAML"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,400}") {
        let _ = read(&text);
    }
}
