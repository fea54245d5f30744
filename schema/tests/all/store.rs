//! Migrations, loading, keys, upserts.

use crate::rows;
use sallyport_schema::audit::Actor;
use sallyport_schema::envelope::SEALED;
use sallyport_schema::error::StoreError;
use sallyport_schema::rows::{HeldRole, StoredState};
use sallyport_schema::store::Store;
use sallyport_schema::testing::TestPg;
use std::time::Duration;
use time::OffsetDateTime;

const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn migrations_run_once_whoever_runs_them() {
    let pg = TestPg::shared().await;
    let url = pg.empty_database().await;
    let store = Store::connect(&url, 4, TIMEOUT).await.unwrap();
    assert!(matches!(store.load().await, Err(StoreError::NotMigrated)));
    // several instances that start at the same time
    let (a, b, c) = tokio::join!(store.migrate(), store.migrate(), store.migrate());
    for version in [a, b, c] {
        assert_eq!(version.unwrap(), Store::known_version());
    }
    assert_eq!(store.load().await.unwrap(), StoredState::default());
}

#[tokio::test]
async fn a_database_newer_than_the_binary_is_refused() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    TestPg::execute(
        &url,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'from the future', true, '', 0)",
    )
    .await;
    let store = Store::connect(&url, 2, TIMEOUT).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::DatabaseNewer { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("use a newer sallyport"), "{error}");
    // and no lock is left behind
    assert!(store.migrate().await.is_err());
}

#[tokio::test]
async fn what_is_stored_is_loaded() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let mut user = rows::user("Ada@Example.org");
    let mut team = rows::team("core");
    let provider = rows::provider("openai");
    let mut model = rows::model("gpt-4o", &[("openai", 3), ("azure", 0), ("vllm", u32::MAX)]);
    let mut key = rows::key("sp-AbCdEf12");
    user.roles = vec![HeldRole { role: "developer".into(), team: None }];
    key.networks = Some(vec!["10.0.0.0/8".into()]);
    key.labels.tags = vec!["blue".into(), "ci".into()];
    key.labels.metadata.insert("cost centre".into(), "4711".into());
    (key.user_id, key.team_id) = (Some(user.id), Some(team.id));
    key.expires_at = Some(rows::now());
    store.upsert_user(&user).await.unwrap();
    store.upsert_team(&team).await.unwrap();
    store.upsert_provider(&provider).await.unwrap();
    store.upsert_model(&model).await.unwrap();
    store.create_key(&key, Some("cli")).await.unwrap();
    store.set_setting("banner", Some(&serde_json::json!({"text": "hello"}))).await.unwrap();

    user.email = "ada@example.org".into();
    let mut expected = StoredState {
        settings: [("banner".to_owned(), serde_json::json!({"text": "hello"}))].into(),
        users: vec![user.clone()],
        accounts: Vec::new(),
        roles: Vec::new(),
        teams: vec![team.clone()],
        keys: vec![key],
        providers: vec![provider],
        models: vec![model.clone()],
    };
    assert_eq!(store.load().await.unwrap(), expected);

    // the same ids again: changed, not doubled; routes become exactly these, in this order
    user.active = false;
    team.deleted_at = Some(rows::now());
    model.routes.rotate_left(1);
    model.routes.pop();
    store.upsert_user(&user).await.unwrap();
    store.upsert_team(&team).await.unwrap();
    store.upsert_model(&model).await.unwrap();
    store.set_setting("banner", None).await.unwrap();
    (expected.users, expected.teams, expected.models) = (vec![user], vec![team], vec![model]);
    expected.settings.clear();
    assert_eq!(store.load().await.unwrap(), expected);
}

/// What somebody wrote by hand must not keep all keys from being loaded.
#[tokio::test]
async fn metadata_that_is_no_text_is_loaded_as_it_is_written() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 2, Duration::from_secs(10)).await.unwrap();
    store.migrate().await.unwrap();
    store.create_key(&rows::key("sp-AbCdEf12"), None).await.unwrap();
    TestPg::execute(&url, r#"UPDATE virtual_keys SET metadata = '{"a": 1, "b": {"c": null}, "d": "x"}'"#)
        .await;
    let keys = store.load().await.unwrap().keys;
    let texts = [("a", "1"), ("b", r#"{"c":null}"#), ("d", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(keys[0].labels.metadata, texts.into());
}

#[tokio::test]
async fn keys_are_revoked_by_id_or_unambiguous_prefix() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let (a, b, c) = (rows::key("sp-AAAAxxxx"), rows::key("sp-AAAAyyyy"), rows::key("sp-A%_Azzzz"));
    for key in [&a, &b, &c] {
        store.create_key(key, None).await.unwrap();
    }
    let ambiguous = store.revoke_key("sp-AAAA", &Actor::cli()).await.unwrap_err();
    assert!(matches!(ambiguous, StoreError::AmbiguousPrefix { count: 2, .. }), "{ambiguous}");
    for missing in ["sp-nope", "", "%", "0192d0a0-0000-7000-8000-000000000000"] {
        let error = store.revoke_key(missing, &Actor::cli()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { what: "key", .. }), "{missing}: {error}");
    }
    let first = store.revoke_key("sp-AAAAx", &Actor::cli()).await.unwrap();
    assert_eq!(first.id, a.id);
    assert!(first.revoked_at.is_some());
    assert_eq!(
        store.revoke_key(&a.id.to_string(), &Actor::cli()).await.unwrap().revoked_at,
        first.revoked_at
    );
    assert_eq!(store.revoke_key("sp-A%", &Actor::cli()).await.unwrap().id, c.id);
    let open: Vec<_> =
        store.list_keys().await.unwrap().into_iter().filter(|k| k.revoked_at.is_none()).collect();
    assert_eq!(open, [b]);
}

#[tokio::test]
async fn nonsense_is_refused_by_the_database_itself() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let key = rows::key("sp-AAAAxxxx");
    store.create_key(&key, None).await.unwrap();
    let mut twin = rows::key("sp-other000");
    twin.hash = key.hash;
    assert!(matches!(store.create_key(&twin, None).await, Err(StoreError::Refused { .. })));
    let mut orphan = rows::key("sp-orphan00");
    orphan.user_id = Some(uuid::Uuid::now_v7());
    assert!(matches!(store.create_key(&orphan, None).await, Err(StoreError::Refused { .. })));
    // a secret in plain text is too short for an envelope, and "sk-…" is no place to send traffic to
    let mut provider = rows::provider("p");
    provider.api_key = Some(b"sk-proj-plain".to_vec());
    assert!(matches!(store.upsert_provider(&provider).await, Err(StoreError::Refused { .. })));
    let mut provider = rows::provider("p");
    provider.base_url = "file:///etc/passwd".into();
    assert!(matches!(store.upsert_provider(&provider).await, Err(StoreError::Refused { .. })));
}

/// LESSONS: "a deactivated user's keys keep working": a user who is deleted by hand takes the keys along.
#[tokio::test]
async fn a_key_does_not_outlive_its_owner() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 2, TIMEOUT).await.unwrap();
    let user = rows::user("a@example.org");
    store.upsert_user(&user).await.unwrap();
    let mut key = rows::key("sp-AbCdEf12");
    key.user_id = Some(user.id);
    store.create_key(&key, None).await.unwrap();
    TestPg::execute(&url, "DELETE FROM users").await;
    assert!(store.list_keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn waits_are_bounded() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 1, Duration::from_millis(300)).await.unwrap();
    // a lock that nobody gives back: the statement time-out ends the wait, and the pool is fit afterwards
    let mut conn = {
        use sqlx::ConnectOptions;
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        options.connect().await.unwrap()
    };
    sqlx::raw_sql("BEGIN; LOCK TABLE virtual_keys IN ACCESS EXCLUSIVE MODE")
        .execute(&mut conn)
        .await
        .unwrap();
    let stuck = tokio::time::timeout(TIMEOUT, store.list_keys()).await.expect("bounded");
    assert!(stuck.is_err());
    sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap();
    assert!(store.list_keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_is_away_says_so_and_comes_back() {
    let store =
        Store::connect_lazy("postgres://nobody@127.0.0.1:9/x", 2, Duration::from_millis(500)).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let secret = "hunter2";
    for url in [format!("nonsense {secret}"), format!("postgres://u:{secret}@[::1/x")] {
        let error = Store::connect_lazy(&url, 1, TIMEOUT).err().unwrap();
        assert!(matches!(error, StoreError::BadUrl(_)) && !error.to_string().contains(secret), "{error}");
    }
    assert!(rows::now() <= OffsetDateTime::now_utc());
}

/// Whoever seals everything anew under another master key walks [`SEALED`]: no column may be missing there.
#[tokio::test]
async fn every_column_of_bytes_is_a_hash_or_sealed() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let sql = "SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name, column_name)
               FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bytea'
               AND table_name NOT LIKE '\\_sqlx%'";
    let mut known: Vec<String> = SEALED.iter().map(|c| format!("{}.{}", c.table, c.column)).collect();
    let hashes = [
        "virtual_keys.hash",
        "recovery_codes.hash",
        "sessions.refresh_hash",
        "sessions.used_hash",
        "sign_in_failures.subject",
        "audit_erasures.hash",
        "audit_log.hash",
        "scim_clients.hash",
        "scim_clients.old_hash",
        "audit_log.previous",
        "idempotent_answers.request",
        "passkey_challenges_used.challenge",
        // a name that an authenticator gave
        "passkeys.credential_id",
        "oidc_used.hash",
        // an envelope, for a day
        "idempotent_answers.answer",
    ];
    known.extend(hashes.map(str::to_owned));
    known.sort();
    assert_eq!(TestPg::value(&url, sql).await, known.join(" "));
    for c in SEALED {
        let sql = format!("SELECT count({}) FROM {}", c.key, c.table);
        assert_eq!(TestPg::value(&url, &sql).await, "0");
    }
}
