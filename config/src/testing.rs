//! Rows and configurations for this crate's tests.

use crate::load::{Loaded, load};
use base64::Engine as _;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::labels::Labels;
use sallyport_schema::rows::{
    AccountRow, HeldRole, KeyRow, ModelRow, ProviderRow, RoleRow, RouteRow, TeamRow, UserRow,
};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) fn loaded(text: &str) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yaml");
    std::fs::write(&file, text).unwrap();
    load(&[file], &|_| None).unwrap()
}

pub(crate) fn ring(n: u8) -> Arc<KeyRing> {
    let text = base64::engine::general_purpose::STANDARD.encode([n; 32]);
    Arc::new(KeyRing::new(MasterKey::from_base64(&text).unwrap()))
}

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn key(n: u128, hash: u8, surfaces: &[&str]) -> KeyRow {
    KeyRow {
        id: id(n),
        name: format!("key {n}"),
        hash: [hash; 32],
        prefix: format!("sp-{n:08}"),
        user_id: Some(id(n % 3)),
        team_id: None,
        surfaces: surfaces.iter().map(|s| (*s).to_owned()).collect(),
        models: vec!["gpt-*".into(), "claude-*".into()],
        tools: vec!["files/*".into()],
        created_at: OffsetDateTime::UNIX_EPOCH,
        expires_at: None,
        revoked_at: None,
        service_account_id: None,
        networks: None,
        disabled_at: None,
        labels: Labels::default(),
    }
}

pub(crate) fn user(n: u128, active: bool) -> UserRow {
    UserRow {
        id: id(n),
        email: format!("u{n}@example.com"),
        name: "U".into(),
        active,
        deleted_at: None,
        roles: Vec::new(),
    }
}

pub(crate) fn account(n: u128, active: bool) -> AccountRow {
    let roles = vec![HeldRole { role: "developer".into(), team: Some(id(n)) }];
    AccountRow { id: id(n), name: format!("account {n}"), active, deleted_at: None, roles }
}

/// A role of one's own that opens these surfaces, with every model.
pub(crate) fn role(n: u128, surfaces: &[&str]) -> RoleRow {
    let grant = serde_json::json!({ "surfaces": surfaces, "models": ["*"] });
    let grants = vec![serde_json::from_value(grant).unwrap()];
    RoleRow { id: id(n), name: format!("role-{n}"), description: String::new(), grants }
}

pub(crate) fn team(n: u128, models: &[&str]) -> TeamRow {
    TeamRow {
        id: id(n),
        name: format!("team {n}"),
        active: true,
        deleted_at: None,
        surfaces: vec!["*".into()],
        models: models.iter().map(|s| (*s).to_owned()).collect(),
        tools: vec!["*".into()],
    }
}

pub(crate) fn provider(n: u128, name: &str, ring: &KeyRing) -> ProviderRow {
    let api_key = ring.seal(&format!("providers/{}/api_key", id(n)), b"sk-stored").unwrap();
    ProviderRow {
        id: id(n),
        name: name.into(),
        kind: "openai".into(),
        base_url: "https://up.example:8443/v1/".into(),
        api_key: Some(api_key),
        settings: serde_json::json!({ "headers": { "x-org": "o" }, "http": "h1" }),
        secrets: None,
        enabled: true,
    }
}

pub(crate) fn model(n: u128, name: &str, provider: &str) -> ModelRow {
    let route = RouteRow { id: id(n + 1000), provider: provider.into(), upstream_model: None, weight: 1 };
    ModelRow {
        id: id(n),
        name: name.into(),
        enabled: true,
        routes: vec![route],
        price: None,
        input_multiplier: 1.0,
        output_multiplier: 1.0,
    }
}
