//! Rows to store.

use sallyport_schema::labels::Labels;
use sallyport_schema::rows::{KeyRow, ModelRow, ProviderRow, RouteRow, TeamRow, UserRow};
use time::OffsetDateTime;
use uuid::Uuid;

/// Postgres keeps microseconds.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap()
}

pub(crate) fn key(prefix: &str) -> KeyRow {
    let id = Uuid::now_v7();
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    KeyRow {
        id,
        name: "ci".into(),
        hash,
        prefix: prefix.into(),
        user_id: None,
        team_id: None,
        surfaces: vec!["*".into()],
        models: vec!["gpt-*".into(), "claude-*".into()],
        tools: vec!["files/*".into()],
        created_at: now(),
        expires_at: None,
        revoked_at: None,
        service_account_id: None,
        networks: None,
        disabled_at: None,
        labels: Labels::default(),
    }
}

pub(crate) fn user(email: &str) -> UserRow {
    UserRow {
        id: Uuid::now_v7(),
        email: email.into(),
        name: "Ada".into(),
        active: true,
        deleted_at: None,
        roles: Vec::new(),
    }
}

pub(crate) fn team(name: &str) -> TeamRow {
    TeamRow {
        id: Uuid::now_v7(),
        name: name.into(),
        active: true,
        deleted_at: None,
        surfaces: vec!["chat".into()],
        models: vec![],
        tools: vec!["*".into()],
    }
}

pub(crate) fn provider(name: &str) -> ProviderRow {
    ProviderRow {
        id: Uuid::now_v7(),
        name: name.into(),
        kind: "openai".into(),
        base_url: "https://api.openai.com/v1".into(),
        api_key: Some(vec![1; 60]),
        settings: serde_json::json!({"headers": {"x": "y"}}),
        secrets: Some(vec![2; 60]),
        enabled: true,
    }
}

pub(crate) fn model(name: &str, routes: &[(&str, u32)]) -> ModelRow {
    let routes = routes.iter().map(|(provider, weight)| RouteRow {
        id: Uuid::now_v7(),
        provider: (*provider).into(),
        upstream_model: None,
        weight: *weight,
    });
    ModelRow {
        id: Uuid::now_v7(),
        name: name.into(),
        enabled: true,
        routes: routes.collect(),
        price: None,
        input_multiplier: 1.0,
        output_multiplier: 1.0,
    }
}
