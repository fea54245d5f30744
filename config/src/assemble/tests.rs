use super::*;
use crate::testing::{account, id, key, loaded, model, provider, ring, role, team, user};
use proptest::prelude::*;

const YAML: &str = concat!(
    "providers:\n- {name: openai, kind: openai, api_key: sk-yaml}\n",
    "- {name: v6, kind: openai-compatible, base_url: 'http://[::1]:8000/', enabled: false}\n",
    "- {name: claude, kind: anthropic, api_key: k, tls_name: other.example}\n",
    "upstream: {allow_networks: ['::1/128']}\n",
    "models:\n- {name: gpt-5, routes: [{provider: openai, weight: 3}]}\n",
    "- {name: off, enabled: false, routes: []}\n",
);

fn assembler(state: StoredState) -> Assembler {
    Assembler::new(&loaded(YAML), state, Source::Store, ring(1))
}

#[test]
fn providers_are_ready_to_be_called() {
    let state = StoredState { providers: vec![provider(1, "stored", &ring(1))], ..StoredState::default() };
    let a = assembler(state);
    assert_eq!(a.findings(), []);
    let p = &a.snapshot().providers["stored"];
    assert_eq!((p.tls, &*p.host, p.port, &*p.authority), (true, "up.example", 8443, "up.example:8443"));
    assert_eq!((&*p.base_path, p.managed, p.http), ("/v1", false, crate::model::HttpVersions::H1));
    assert_eq!(p.api_key.as_ref().unwrap().expose(), "sk-stored");
    assert_eq!((p.headers[0].0.as_str(), p.headers[0].1.expose()), ("x-org", "o"));
    let p = &a.snapshot().providers["openai"];
    assert_eq!(
        (&*p.host, p.port, &*p.authority, &*p.base_path),
        ("api.openai.com", 443, "api.openai.com", "/v1")
    );
    assert_eq!((&*p.tls_name, p.managed), ("api.openai.com", true));
    let p = &a.snapshot().providers["v6"];
    assert_eq!((&*p.host, &*p.authority, &*p.base_path, p.enabled), ("::1", "[::1]:8000", "", false));
    assert_eq!(&*a.snapshot().providers["claude"].tls_name, "other.example");
}

#[test]
fn yaml_wins_and_the_clash_is_told() {
    let mut a = assembler(StoredState {
        providers: vec![provider(1, "openai", &ring(1))],
        models: vec![model(2, "gpt-5", "openai"), model(3, "off", "openai"), model(4, "mine", "gone")],
        ..StoredState::default()
    });
    let told: Vec<_> = a.findings().iter().map(|f| (f.kind, f.name.as_str())).collect();
    assert_eq!(told, [("provider", "openai"), ("model", "gpt-5"), ("model", "off"), ("route", "mine")]);
    let s = a.snapshot();
    assert_eq!(s.providers["openai"].api_key.as_ref().unwrap().expose(), "sk-yaml");
    assert_eq!(s.models.find("gpt-5").unwrap().routes[0].weight, 3);
    assert!(s.models.find("off").is_none(), "what YAML switches off is off");
    assert!(s.models.find("mine").is_some());
    // Without the YAML one the stored one shows.
    a.reload(&loaded("models: [{name: m, routes: [{provider: openai}, {provider: nowhere}]}]"));
    let told: Vec<_> = a.findings().iter().map(|f| (f.name.as_str(), f.id)).collect();
    assert_eq!(told, [("m", None), ("mine", Some(id(4)))]);
    assert_eq!(a.snapshot().providers["openai"].api_key.as_ref().unwrap().expose(), "sk-stored");
    assert!(a.snapshot().models.find("off").is_some());
    assert_eq!(a.snapshot().providers.len(), 1);
}

#[test]
fn a_row_that_cannot_be_used_is_left_out_and_told() {
    let good = ring(1);
    let bad = |n, change: fn(&mut ProviderRow)| {
        let mut p = provider(n, &format!("p{n}"), &good);
        change(&mut p);
        p
    };
    let state = StoredState {
        providers: vec![
            provider(1, "other-key", &ring(2)),
            bad(2, |p| p.kind = "cohere".into()),
            bad(3, |p| p.base_url = "https://u:secret-pw@x/v1".into()),
            bad(4, |p| p.settings = serde_json::json!({ "headers": { "a": "secret-pw\n" } })),
            bad(5, |p| p.settings = serde_json::json!({ "secret-pw": 1 })),
            // The envelope of another row, copied here.
            bad(6, |p| p.id = id(60)),
            bad(7, |p| p.base_url = "secret-pw".into()),
            provider(8, "fine", &good),
        ],
        ..StoredState::default()
    };
    let a = assembler(state);
    assert_eq!(a.findings().len(), 7, "{:#?}", a.findings());
    assert!(
        a.findings().iter().all(|f| f.message.starts_with("left out: ") && !f.message.contains("secret-pw"))
    );
    assert!(a.snapshot().providers.contains_key("fine"));
    assert_eq!(a.snapshot().providers.len(), 4);
}

#[test]
fn a_generation_changes_with_anything_and_only_then() {
    let generation = |p: ProviderRow| {
        let a = assembler(StoredState { providers: vec![p], ..StoredState::default() });
        a.snapshot().providers["p"].generation
    };
    let r = ring(1);
    let first = generation(provider(1, "p", &r));
    assert_eq!(first, generation(provider(1, "p", &r)));
    let changes: [fn(&mut ProviderRow); 5] = [
        |p| p.base_url = "https://other/v1".into(),
        |p| p.enabled = false,
        |p| p.settings = serde_json::json!({ "headers": { "x-org": "p" }, "http": "h1" }),
        |p| p.settings = serde_json::json!({ "headers": { "x-org": "o" } }),
        |p| p.api_key = Some(ring(1).seal(&format!("providers/{}/api_key", p.id), b"sk-new").unwrap()),
    ];
    for change in changes {
        let mut p = provider(1, "p", &r);
        change(&mut p);
        assert_ne!(first, generation(p));
    }
}

#[test]
fn a_change_shares_all_that_did_not_change() {
    let keys = (0..200).map(|n| key(n, n as u8, &["chat"])).collect();
    let mut a = assembler(StoredState { keys, ..StoredState::default() });
    let before = a.snapshot().clone();
    let mut revoked = key(7, 7, &["chat"]);
    revoked.revoked_at = Some(OffsetDateTime::UNIX_EPOCH);
    a.apply(Change::Key(revoked));
    let after = a.snapshot();
    assert_eq!(after.version, before.version + 1);
    assert!(after.keys[&[7; 32]].revoked && !before.keys[&[7; 32]].revoked);
    assert!(Arc::ptr_eq(&after.keys[&[8; 32]], &before.keys[&[8; 32]]));
    assert!(Arc::ptr_eq(&after.keys[&[8; 32]].models, &before.keys[&[9; 32]].models), "equal lists are one");
    assert!(Arc::ptr_eq(&after.models, &before.models));
}

#[test]
fn a_key_with_a_new_secret_has_no_old_one() {
    let mut a = assembler(StoredState { keys: vec![key(1, 1, &[])], ..StoredState::default() });
    a.apply(Change::Key(key(1, 2, &[])));
    assert!(!a.snapshot().keys.contains_key(&[1; 32]) && a.snapshot().keys.contains_key(&[2; 32]));
    a.apply(Change::Removed(Kind::Key, id(1)));
    assert!(a.snapshot().keys.is_empty());
    a.apply(Change::Removed(Kind::Key, id(1)));
}

#[test]
fn deleted_people_are_inactive() {
    let mut gone = user(1, true);
    gone.deleted_at = Some(OffsetDateTime::UNIX_EPOCH);
    let mut team_gone = team(2, &[]);
    team_gone.deleted_at = Some(OffsetDateTime::UNIX_EPOCH);
    let a = assembler(StoredState { users: vec![gone], teams: vec![team_gone], ..StoredState::default() });
    assert!(!a.snapshot().users[&id(1)].active && !a.snapshot().teams[&id(2)].active);
    assert!(a.snapshot().teams[&id(2)].models.is_empty());
}

/// What two snapshots must agree on.
fn picture(s: &Snapshot) -> String {
    let mut lines: Vec<String> = s.keys.iter().map(|(h, k)| format!("key {h:?} {k:?}")).collect();
    lines.extend(s.users.iter().map(|u| format!("user {u:?}")));
    lines.extend(s.teams.iter().map(|t| format!("team {t:?}")));
    lines.extend(s.providers.iter().map(|p| format!("provider {p:?}")));
    lines.extend(s.models.all().map(|m| format!("model {m:?}")));
    lines.sort();
    lines.join("\n")
}

fn changes() -> impl Strategy<Value = Change> {
    let n = 0u128..6;
    let name = prop_oneof![Just("openai"), Just("a"), Just("b"), Just("gpt-5")];
    prop_oneof![
        3 => (n.clone(), 0u8..6).prop_map(|(n, h)| Change::Key(key(n, h.wrapping_add(n as u8 * 10), &["chat"]))),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, on)| Change::User(user(n, on))),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, on)| Change::Account(account(n, on))),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, there)| {
            Change::Role(format!("role-{n}"), there.then(|| role(n, &["chat"])))
        }),
        1 => n.clone().prop_map(|n| Change::Team(team(n, &["m"]))),
        1 => (n.clone(), name.clone()).prop_map(|(n, name)| Change::Provider(provider(n, name, &ring(1)))),
        1 => (n.clone(), name).prop_map(|(n, name)| Change::Model(model(n, name, "a"))),
        1 => n.clone().prop_map(|n| Change::Setting(n.to_string(), Some(1.into()))),
        1 => n.clone().prop_map(|n| Change::Setting(n.to_string(), None)),
        1 => (n, prop_oneof![Just(Kind::User), Just(Kind::Account), Just(Kind::Team), Just(Kind::Key), Just(Kind::Provider), Just(Kind::Model)])
            .prop_map(|(n, kind)| Change::Removed(kind, id(n))),
    ]
}

/// The same change made to plain rows.
fn note(state: &mut StoredState, change: &Change) {
    fn put<T: Clone>(rows: &mut Vec<T>, row: &T, id: fn(&T) -> Uuid) {
        rows.retain(|r| id(r) != id(row));
        rows.push(row.clone());
        rows.sort_by_key(id);
    }
    match change.clone() {
        Change::Key(r) => put(&mut state.keys, &r, |r| r.id),
        Change::User(r) => put(&mut state.users, &r, |r| r.id),
        Change::Account(r) => put(&mut state.accounts, &r, |r| r.id),
        Change::Role(name, row) => {
            state.roles.retain(|r| r.name != name);
            state.roles.extend(row);
            state.roles.sort_by_key(|r| r.id);
        }
        Change::Team(r) => put(&mut state.teams, &r, |r| r.id),
        Change::Provider(r) => put(&mut state.providers, &r, |r| r.id),
        Change::Model(r) => put(&mut state.models, &r, |r| r.id),
        Change::Setting(k, Some(v)) => drop(state.settings.insert(k, v)),
        Change::Setting(k, None) => drop(state.settings.remove(&k)),
        Change::Removed(Kind::Key, id) => state.keys.retain(|r| r.id != id),
        Change::Removed(Kind::User, id) => state.users.retain(|r| r.id != id),
        Change::Removed(Kind::Account, id) => state.accounts.retain(|r| r.id != id),
        Change::Removed(Kind::Team, id) => state.teams.retain(|r| r.id != id),
        Change::Removed(Kind::Provider, id) => state.providers.retain(|r| r.id != id),
        Change::Removed(Kind::Model, id) => state.models.retain(|r| r.id != id),
        Change::Everything(s) => *state = *s,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn change_by_change_is_the_same_as_all_at_once(list in prop::collection::vec(changes(), 0..40)) {
        let mut state = StoredState::default();
        let mut a = assembler(state.clone());
        for change in list {
            note(&mut state, &change);
            a.apply(change);
        }
        let whole = assembler(state.clone());
        prop_assert_eq!(picture(a.snapshot()), picture(whole.snapshot()));
        prop_assert_eq!(a.findings(), whole.findings());
        prop_assert_eq!(&a.settings, &state.settings);
        // And again through Everything.
        a.apply(Change::Everything(Box::new(state)));
        prop_assert_eq!(picture(a.snapshot()), picture(whole.snapshot()));
    }
}

#[test]
fn stored_providers_of_the_clouds() {
    let ring = ring(1);
    let cloud = |n, kind: &str, base_url: &str, settings, secrets: Option<serde_json::Value>| {
        let mut p = provider(n, &format!("p{n}"), &ring);
        p.kind = kind.into();
        p.base_url = base_url.into();
        p.api_key = None;
        p.settings = settings;
        p.secrets = secrets
            .map(|s| ring.seal(&format!("providers/{}/secrets", p.id), s.to_string().as_bytes()).unwrap());
        p
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    let a = assembler(StoredState {
        providers: vec![
            cloud(
                1,
                "azure-openai",
                "https://n.openai.azure.com",
                json(r#"{"azure_openai": {"entra": {"tenant_id": "t", "client_id": "c"}}}"#),
                Some(json(r#"{"azure_openai": {"entra": {"client_secret": "hidden"}}}"#)),
            ),
            cloud(2, "vertex", "", json(r#"{"vertex": {"project": "p", "location": "us-east5"}}"#), None),
            cloud(
                3,
                "bedrock",
                "",
                json(
                    r#"{"bedrock": {"region": "eu-west-1", "access_key_id": "AK", "secret_access_key": "hidden"}}"#,
                ),
                None,
            ),
            cloud(4, "bedrock", "", json(r#"{"bedrock": {"region": "eu-west-1/"}}"#), None),
            cloud(5, "openai", "", json(r#"{"kind": "bedrock"}"#), None),
        ],
        ..StoredState::default()
    });
    let told: Vec<_> = a.findings().iter().map(|f| f.message.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("bedrock.access_key_id stands in the settings in clear"), "{told:?}");
    assert!(told[1].contains("bedrock.region: write a region"), "{told:?}");
    assert!(told[2].contains("expected form"), "{told:?}");
    let s = a.snapshot();
    let crate::model::KindSettings::AzureOpenai(azure) = &s.providers["p1"].settings else { panic!() };
    assert_eq!(azure.entra.as_ref().unwrap().client_secret.expose(), "hidden");
    assert!(!format!("{:?}", s.providers["p1"]).contains("hidden"));
    assert_eq!(&*s.providers["p2"].host, "us-east5-aiplatform.googleapis.com");
    assert_eq!(&*s.providers["p2"].base_path, "/v1");
}

#[test]
fn a_secret_in_the_settings_changes_the_generation() {
    let of = |secret: &str| {
        let yaml = format!(
            "providers: [{{name: b, kind: bedrock, bedrock: {{region: r, access_key_id: a, secret_access_key: {secret}}}}}]"
        );
        let a = Assembler::new(&loaded(&yaml), StoredState::default(), Source::Store, ring(1));
        a.snapshot().providers["b"].generation
    };
    assert_eq!(of("x"), of("x"));
    assert_ne!(of("x"), of("y"));
}

#[test]
fn well_known_names_find_the_only_provider_of_their_kind() {
    let find = |yaml: &str, name: &str| {
        let a = Assembler::new(&loaded(yaml), StoredState::default(), Source::Store, ring(1));
        a.snapshot().models.find(name).map(|m| m.routes[0].provider.to_string())
    };
    let one = "providers: [{name: o, kind: openai, api_key: k}, {name: a, kind: anthropic, api_key: k}, \
               {name: v, kind: vertex, vertex: {project: p, location: eu}}]\n";
    for (name, want) in [
        ("gpt-5", Some("o")),
        ("o3-mini", Some("o")),
        ("text-embedding-3-small", Some("o")),
        ("claude-opus-5", Some("a")),
        ("gemini-3-pro", Some("v")),
        ("llama-4", None),
    ] {
        assert_eq!(find(one, name).as_deref(), want, "{name}");
    }
    let off = format!("{one}routing: {{prefixes: false}}");
    assert_eq!(find(&off, "gpt-5"), None);
    let switched = format!("{one}models: [{{name: 'gpt-5*', enabled: false, routes: []}}]");
    assert_eq!(find(&switched, "gpt-5"), None);
    assert_eq!(find(&switched, "gpt-4").as_deref(), Some("o"));
    let two = "providers: [{name: o, kind: openai, api_key: k}, {name: p, kind: openai, api_key: k}, \
               {name: g, kind: gemini, api_key: k, enabled: false}, {name: v, kind: vertex, vertex: {project: p, location: eu}}]\n";
    assert_eq!(find(two, "gpt-5"), None, "which one?");
    assert_eq!(find(two, "gemini-3").as_deref(), Some("v"), "one that is off does not count");
}
