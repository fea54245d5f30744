use super::*;
use sallyport_schema::envelope::MasterKey;
use serde_json::json;

fn provider(json: Value) -> Provider {
    serde_json::from_value(json).unwrap()
}

fn every_kind() -> Vec<Provider> {
    [
        json!({"name": "a", "kind": "openai", "api_key": "sk-planted-1", "headers": {"x-team": "planted-2"},
               "openai": {"project": "p"}, "passthrough": ["/v1/files*"], "http": "h1"}),
        json!({"name": "b", "kind": "azure-openai", "base_url": "https://n.openai.azure.com/",
               "azure_openai": {"entra": {"tenant_id": "t", "client_id": "c", "client_secret": "planted-3"}}}),
        json!({"name": "c", "kind": "bedrock", "enabled": false, "bedrock": {"region": "us-east-1",
               "access_key_id": "planted-4", "secret_access_key": "planted-5"}}),
        json!({"name": "d", "kind": "vertex", "vertex": {"project": "p", "location": "global",
               "credentials": "{\"planted\": 6}"}}),
        json!({"name": "e", "kind": "gemini", "api_key": "planted-7"}),
    ]
    .into_iter()
    .map(provider)
    .collect()
}

#[test]
fn what_is_sealed_is_opened_and_nothing_stands_in_clear() {
    let ring = KeyRing::new(MasterKey::generate().unwrap());
    for p in every_kind() {
        let row = sealed(&p, Uuid::now_v7(), &ring).unwrap();
        let clear = format!("{} {}", row.settings, row.base_url);
        assert!(!clear.contains("planted") && !clear.contains("***"), "{clear}");
        assert_eq!(opened(&row, &ring).unwrap(), p);
        let other = KeyRing::new(MasterKey::generate().unwrap());
        assert!(opened(&row, &other).is_err());
    }
}

#[test]
fn what_is_written_is_read_again() {
    for p in every_kind() {
        let whole = written(&p);
        assert_eq!(provider(Value::Object(whole.clone())), p);
        assert!(!Value::Object(whole).to_string().contains("***"));
    }
}

#[test]
fn a_patch_changes_what_it_names() {
    let mut doc = written(&every_kind().remove(0));
    let patch =
        json!({"headers": {"x-team": null, "x-other": "v"}, "openai": {"organization": "o"}, "http": null});
    let Value::Object(patch) = patch else { panic!() };
    merge_patch(&mut doc, patch);
    let p = provider(Value::Object(doc));
    assert_eq!(p.api_key.unwrap().expose(), "sk-planted-1");
    assert_eq!(p.headers.keys().collect::<Vec<_>>(), ["x-other"]);
    let openai = p.openai.unwrap();
    assert_eq!((openai.organization.as_deref(), openai.project.as_deref()), (Some("o"), Some("p")));
}

/// Lessons, Control plane: SSRF, and files of the machine that an administrator of the API is not to read.
#[test]
fn private_addresses_and_files_are_refused() {
    let config = Config::default();
    let google = json!({"type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/etc/shadow"}});
    for (json, field) in [
        (
            json!({"name": "p", "kind": "openai-compatible", "base_url": "http://169.254.169.254/v1"}),
            "base_url",
        ),
        (json!({"name": "p", "kind": "openai-compatible", "base_url": "http://localhost/v1"}), "base_url"),
        (json!({"name": "p", "kind": "openai", "ca_file": "/etc/hostname"}), "ca_file"),
        (
            json!({"name": "p", "kind": "vertex", "vertex": {"project": "p", "location": "global",
            "credentials_file": "/etc/passwd"}}),
            "vertex.credentials_file",
        ),
        (
            json!({"name": "p", "kind": "vertex", "vertex": {"project": "p", "location": "global",
            "credentials": google.to_string()}}),
            "vertex.credentials.credential_source.file",
        ),
        (
            json!({"name": "p", "kind": "azure-openai", "base_url": "https://n.openai.azure.com",
            "azure_openai": {"workload_identity": {"token_file": "/etc/passwd"}}}),
            "azure_openai.workload_identity.token_file",
        ),
        (json!({"name": "no spaces", "kind": "openai"}), "name"),
        (json!({"name": "p", "kind": "openai", "headers": {"host": "x"}}), "headers.host"),
    ] {
        let checked = check_provider(&config, &provider(json.clone()));
        assert!(checked.errors.iter().any(|(f, _)| f == field), "{json}: {checked:?}");
    }
    let fine = provider(json!({"name": "p", "kind": "openai", "api_key": "sk-1"}));
    assert_eq!(check_provider(&config, &fine), Checked::default());
}

#[test]
fn a_model_needs_routes_and_a_price_that_can_be_paid() {
    let p = provider(json!({"name": "p", "kind": "openai", "api_key": "k"}));
    let check = |json: Value| {
        let model: Model = serde_json::from_value(json).unwrap();
        check_model([&p].into_iter(), &model).errors.into_iter().map(|(f, _)| f).collect::<Vec<_>>()
    };
    assert!(check(json!({"name": "m", "routes": [{"provider": "p"}]})).is_empty());
    assert_eq!(check(json!({"name": "m", "routes": []})), ["routes"]);
    assert_eq!(check(json!({"name": "m m", "routes": [{"provider": "p"}]})), ["name"]);
    assert_eq!(check(json!({"name": "m", "routes": [{"provider": "p"}], "price": {"input": -1}})), ["price"]);
    assert_eq!(
        check(json!({"name": "m", "routes": [{"provider": "p"}], "input_multiplier": 1001})),
        ["input_multiplier"]
    );
}
