use super::*;
use crate::load;
use proptest::prelude::*;

fn env(name: &str) -> Option<String> {
    (name == "KEY").then(|| "sk-secret".to_owned())
}

#[test]
fn every_value_tells_where_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("base.yaml"), "server:\n  listen: [0.0.0.0:3000]\nproviders:\n  - name: openai\n    kind: openai\n    api_key: ${KEY}\n").unwrap();
    std::fs::write(at("prod.yaml"), "admin:\n  listen: 127.0.0.1:${PORT:-4001}\nlog:\n  level: \"on\"\nmodels:\n  - name: \"gpt-*\"\n    routes:\n      - {provider: openai}\n").unwrap();
    let loaded = load(&[at("base.yaml"), at("prod.yaml")], &env).unwrap();
    let text = render(&loaded).replace(&format!("{}/", dir.path().display()), "");
    for line in [
        "data_dir: ./data  # default\n",
        "server:\n  listen:\n    - 0.0.0.0:3000  # base.yaml:2\n  public_url: null  # default\n  tls: null  # default\n",
        "  max_body: 32MiB  # default\n",
        "admin:\n  listen: 127.0.0.1:4001  # prod.yaml:2 (${PORT})\n",
        "  level: \"on\"  # prod.yaml:4\n",
        "filters:\n  - name: log  # default\n    enabled: true  # default\n",
        "providers:\n  - name: openai  # base.yaml:4\n    kind: openai  # base.yaml:5\n    base_url: null  # default\n    api_key: \"***\"  # base.yaml:6 (${KEY})\n    headers: {}  # default\n",
        "models:\n  - name: \"gpt-*\"  # prod.yaml:6\n    enabled: true  # default\n    routes:\n      - provider: openai  # prod.yaml:8\n        model: null  # default\n",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    // What it prints is a configuration again.
    std::fs::write(at("again.yaml"), &text).unwrap();
    let again = load(&[at("again.yaml")], &env).unwrap();
    assert_eq!(again.config.models, loaded.config.models);
    assert_eq!(again.config.admin, loaded.config.admin);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_back_as_it_was(value in ".{1,30}") {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.yaml");
        std::fs::write(&file, format!("instance: {}\n", text(&value))).unwrap();
        // A name of blanks is refused by validation; that is not the point here.
        if let Ok(loaded) = load(&[file], &|_| None) {
            prop_assert_eq!(loaded.config.instance.as_deref(), Some(value.as_str()));
        } else {
            prop_assert!(value.trim().is_empty(), "{:?}", value);
        }
    }
}

#[test]
fn secrets_of_typed_settings_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yaml");
    let sa = r#"{"type":"service_account","client_email":"e","private_key":"hidden-pem"}"#;
    let yaml = format!(
        "providers:\n\
         - {{name: a, kind: azure-openai, base_url: 'https://h', azure_openai: {{entra: {{tenant_id: t, client_id: c, client_secret: hidden-a}}}}}}\n\
         - {{name: v, kind: vertex, vertex: {{project: p, location: eu, credentials: '{sa}'}}}}\n\
         - {{name: b, kind: bedrock, bedrock: {{region: r, access_key_id: hidden-id, secret_access_key: hidden-b, session_token: hidden-t}}}}\n"
    );
    std::fs::write(&file, yaml).unwrap();
    let loaded = load(&[file], &env).unwrap();
    for shown in [
        render(&loaded),
        format!("{:?}", loaded.config),
        serde_json::to_string(&*loaded.config).unwrap(),
        format!("{:?}", loaded.document),
    ] {
        assert!(!shown.contains("hidden"), "{shown}");
    }
    assert!(render(&loaded).contains("client_secret: \"***\""));
}
