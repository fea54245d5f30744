//! The command line.

use super::support::client::Client;
use super::support::database::Database;
use super::support::gateway::{Gateway, MASTER_KEY, Setup, UPSTREAM_KEY, binary};
use super::support::ports::Port;
use super::support::setups::{openai, with};
use super::support::tls::Authority;
use sallyport_schema::envelope::{KeyRing, MasterKey, PROVIDER_API_KEY};
use sallyport_schema::rows::ProviderRow;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};
use std::process::{Command, Output};
use uuid::Uuid;

fn sallyport(words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(words).env_remove("SALLYPORT_CONFIG").output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn version_help_and_completions() {
    let version = sallyport(&["version"]);
    assert!(version.status.success());
    assert!(out(&version).contains(env!("CARGO_PKG_VERSION")));
    for words in [&["--help"][..], &["run", "--help"], &["keys", "--help"], &["keys", "create", "--help"]] {
        let help = sallyport(words);
        assert!(help.status.success() && out(&help).contains("Usage"), "{words:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(out(&sallyport(&["completions", shell])).contains("sallyport"), "{shell}");
    }
    let wrong = sallyport(&["rum"]);
    assert!(!wrong.status.success());
    assert!(err(&wrong).contains("run"), "{}", err(&wrong));
    let bare = sallyport(&["run"]);
    assert!(!bare.status.success() && err(&bare).contains("--config"), "{}", err(&bare));
}

/// The committed schema is the current one.
#[test]
fn config_schema() {
    let schema = sallyport(&["config", "schema"]);
    assert!(schema.status.success());
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/schema.json");
    let committed = std::fs::read_to_string(committed).unwrap();
    assert_eq!(out(&schema).trim_end(), committed.trim_end(), "run `make schema`");
    let parsed: Value = serde_json::from_str(&committed).unwrap();
    assert!(parsed["properties"]["providers"].is_object());
}

fn files(overlay: &str) -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.yaml");
    std::fs::write(&path, overlay).unwrap();
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/base.yaml").to_owned();
    (directory, vec!["-c".into(), base, "-c".into(), path.to_string_lossy().into_owned()])
}

fn check(overlay: &str) -> Output {
    let (_directory, files) = files(overlay);
    let mut words = vec!["check"];
    words.extend(files.iter().map(String::as_str));
    sallyport(&words)
}

#[test]
fn check_prints_origins_and_masks_secrets() {
    let good = check(
        "server:\n  max_body: 7MiB\nproviders:\n- name: mine\n  kind: openai\n  api_key: sk-secret-123\n  headers: {x-team: also-secret}\n",
    );
    assert!(good.status.success(), "{}", err(&good));
    let text = out(&good);
    let line =
        text.lines().find(|l| l.contains("7MiB") || l.contains("7 MiB")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("mine.yaml:2"), "{line}");
    assert!(text.contains("base.yaml:"), "{text}");
    assert!(!text.contains("sk-secret") && !text.contains("also-secret"), "{text}");
}

#[test]
fn check_refuses_with_file_line_and_suggestion() {
    let cases = [
        ("server:\n  max_bdy: 7MiB\n", "max_body", 2),
        ("log:\n  level: info\n  format: jsn\n", "json", 3),
        ("server:\n  max_body: lots\n", "max_body", 2),
        ("models:\n- name: m\n  routes:\n  - provder: p\n", "provider", 4),
        ("server: {listen: [nonsense]}\n", "listen", 1),
        (
            "providers:\n- name: x\n  kind: openai\n  api_key: ${SALLYPORT_NO_SUCH_VARIABLE}\n",
            "SALLYPORT_NO_SUCH_VARIABLE",
            4,
        ),
        ("server:\n\tlisten: []\n", "mine.yaml", 2),
    ];
    for (overlay, hint, line) in cases {
        let bad = check(overlay);
        assert_eq!(bad.status.code(), Some(1), "{overlay}: {}", err(&bad));
        let text = err(&bad) + &out(&bad);
        assert!(text.contains(hint), "{overlay}: {text}");
        assert!(text.contains(&format!("mine.yaml:{line}")), "{overlay}: {text}");
    }
    let missing = sallyport(&["check", "-c", "/nowhere/x.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("/nowhere/x.yaml"));
}

/// All example files that are shipped can be used.
#[test]
fn shipped_overlays_are_good() {
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let base = config.join("base.yaml");
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = Authority::new().server_files(&["gateway.test"], directory.path());
    let mut count = 0;
    for entry in std::fs::read_dir(config.join("overlays")).unwrap() {
        let overlay = entry.unwrap().path();
        let mut command = Command::new(binary());
        command.args(["check", "-c"]).arg(&base).arg("-c").arg(&overlay);
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SALLYPORT_DATABASE_URL", "DATABASE_URL"] {
            command.env(name, "postgres://sallyport@localhost/sallyport");
        }
        command
            .env("SALLYPORT_SIMULATOR_URL", "http://127.0.0.1:4000")
            .env("SALLYPORT_MASTER_KEY", MASTER_KEY);
        command.env("SALLYPORT_TLS_CERT", &cert).env("SALLYPORT_TLS_KEY", &key);
        command
            .env("SALLYPORT_MASTER_KEY", MASTER_KEY)
            .env("SALLYPORT_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef");
        command.env("SALLYPORT_METRICS_TOKEN", "0123456789abcdef0123456789abcdef");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {}", overlay.display(), err(&output));
        count += 1;
    }
    assert!(count >= 2, "quickstart and production at least");
}

#[tokio::test]
async fn keys() {
    let gateway = Gateway::start(openai("http://127.0.0.1:9/v1")).await;
    let text = gateway
        .cli_ok(
            &["keys", "create"],
            &["--name", "Ada's key", "--surfaces", "chat", "--models", "gpt-*,m", "--tool", "files/read"],
        )
        .await;
    let secret = text.split_whitespace().find(|w| w.starts_with("sp-") && w.len() > 20).unwrap().to_owned();
    let listed = gateway.cli_ok(&["keys", "list"], &[]).await;
    assert!(listed.contains("Ada's key") && listed.contains(&secret[..9]), "{listed}");
    assert!(!listed.contains(&secret), "the secret is shown once: {listed}");
    let listed: Value = serde_json::from_str(&gateway.cli_ok(&["keys", "list"], &["--json"]).await).unwrap();
    let row = listed.as_array().unwrap().iter().find(|k| k["name"] == "Ada's key").unwrap();
    assert_eq!(row["models"], object!(["gpt-*", "m"]));
    assert_eq!(row["tools"], object!(["files/read"]));
    assert_eq!(row["state"], "active");
    for (words, options) in [
        (&["keys", "revoke"][..], &["sp-nothere"][..]),
        (&["keys", "create"], &["--name", "x", "--user", "nobody@example.com"]),
        (&["keys", "create"], &["--name", "x", "--team", "nobodies"]),
        (&["keys", "create"], &["--name", "x", "--expires", "soon"]),
        (&["keys", "create"], &[]),
    ] {
        let failed = gateway.cli(words, options).await;
        assert!(
            !failed.status.success() && !failed.stderr.is_empty(),
            "{words:?} {options:?}: {}",
            out(&failed)
        );
    }
    gateway.cli_ok(&["keys", "revoke"], &[row["prefix"].as_str().unwrap()]).await;
    let listed = gateway.cli_ok(&["keys", "list"], &[]).await;
    assert!(listed.lines().any(|l| l.contains("Ada's key") && l.contains("revoked")), "{listed}");
}

/// People who sign in to the admin API of the running gateway.
#[tokio::test]
async fn people() {
    let gateway = Gateway::start(object!({})).await;
    let sign_in = async |email: &str, password: &str| {
        let body = object!({"email": email, "password": password}).to_string();
        let headers = [("content-type", "application/json")];
        Client::connect(gateway.admin_port)
            .await
            .call("POST", "/api/session", &headers, body.as_bytes())
            .await
    };
    let create = ["admin", "create"];
    let made = gateway.cli_told(&create, &["--email", "Root@example.com"], "mauve-otter-93-kayak\n").await;
    assert!(made.status.success(), "{}", err(&made));
    assert!(!out(&made).contains("mauve"), "{}", out(&made));
    assert_eq!(sign_in("root@example.com", "mauve-otter-93-kayak").await.status(), 200);
    assert_eq!(sign_in("root@example.com", "mauve-otter-93-kayaks").await.status(), 401);

    let shown = |text: &str| text.trim_end().rsplit(' ').next().unwrap().to_owned();
    let options = ["--email", "ada@example.com", "--name", "Ada", "--role", "viewer", "--temporary"];
    let first = shown(&gateway.cli_ok(&create, &options).await);
    let answer = sign_in("ada@example.com", &first).await;
    assert!(answer.status() == 200 && answer.json()["must_change_password"] == true, "{first}");
    let second = shown(&gateway.cli_ok(&["admin", "reset-password"], &["--email", "ada@example.com"]).await);
    assert_eq!(sign_in("ada@example.com", &first).await.status(), 401);
    assert_eq!(sign_in("ada@example.com", &second).await.status(), 200);

    for (words, options, input, why) in [
        (create, &["--email", "ada@example.com"][..], "mauve-otter-93-kayak", "already"),
        (create, &["--email", "eve@example.com"], "", "at least 12"),
        (create, &["--email", "eve@example.com"], "password1234", "easy to guess"),
        (create, &["--email", "eve"], "mauve-otter-93-kayak", "ada@example.com"),
        (create, &["--email", "eve@example.com", "--role", "queen"], "mauve-otter-93-kayak", "queen"),
        (["admin", "reset-password"], &["--email", "eve@example.com"], "", "no user eve@example.com"),
    ] {
        let failed = gateway.cli_told(&words, options, input).await;
        assert!(!failed.status.success() && err(&failed).contains(why), "{options:?}: {}", err(&failed));
    }
}

/// A lost factor: nothing but the command line helps the only super admin.
#[tokio::test]
async fn lost_factors() {
    let gateway = Gateway::start(object!({})).await;
    let (email, password) = ("ada@example.com", "mauve-otter-93-kayak");
    let made = gateway.cli_told(&["admin", "create"], &["--email", email], &format!("{password}\n")).await;
    assert!(made.status.success(), "{}", err(&made));
    let call = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        Client::connect(gateway.admin_port).await.call(method, path, headers, body.as_bytes()).await
    };
    let sign_in = async || {
        let body = object!({"email": email, "password": password}).to_string();
        call("POST", "/api/session", &[("content-type", "application/json")], &body).await
    };
    let reset = async |email: &str| gateway.cli(&["admin", "reset-factors"], &["--email", email]).await;
    let none = reset(email).await;
    assert!(none.status.success() && out(&none).contains("nothing was changed"), "{}", out(&none));

    let first = sign_in().await;
    let cookies = first.head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let access = cookies.filter_map(|(_, c)| c.strip_prefix("__Host-sallyport=")).next().unwrap();
    let bearer = format!("Bearer {}", access.split(';').next().unwrap());
    let me = async || call("GET", "/api/me", &[("authorization", &bearer)], "").await.status();
    assert_eq!(me().await, 200);
    let url = gateway.database.as_ref().unwrap().url().to_owned();
    let factors = "UPDATE users SET totp_secret = decode(repeat('00', 64), 'hex');
        INSERT INTO recovery_codes (user_id, hash) SELECT id, sha256('x') FROM users;
        INSERT INTO passkeys (id, user_id, credential_id, name, credential)
            SELECT gen_random_uuid(), id, 'x', 'key', '{}' FROM users";
    TestPg::execute(&url, factors).await;
    assert_eq!(sign_in().await.status(), 401, "the password alone opens nothing now");

    let done = reset("Ada@example.com").await;
    assert!(done.status.success() && out(&done).contains("no second factor any more"), "{}", err(&done));
    assert_eq!(me().await, 401, "sessions are over");
    assert_eq!(sign_in().await.status(), 200);
    let left = "SELECT concat_ws(' ', (SELECT count(*) FROM recovery_codes), (SELECT count(*) FROM passkeys),
        (SELECT string_agg(actor_kind || ' ' || target, ',') FROM audit_log WHERE action = 'user.second_factor_reset'))";
    assert_eq!(TestPg::value(&url, left).await, "0 0 cli ada@example.com");
    let stranger = reset("eve@example.com").await;
    assert!(
        !stranger.status.success() && err(&stranger).contains("no user eve@example.com"),
        "{}",
        err(&stranger)
    );
}

/// Checksummed keys: two are never the same, and their characters survive any shell.
#[tokio::test]
async fn key_format() {
    let gateway = Gateway::start(object!({})).await;
    let mut keys = std::collections::HashSet::new();
    for _ in 0..5 {
        let key = gateway.make_key(&[]).await;
        assert!(key[3..].chars().all(|c| c.is_ascii_alphanumeric()), "{key}");
        assert!(key.len() >= 35, "too short to be unguessable: {}", key.len());
        assert!(keys.insert(key));
    }
}

#[tokio::test]
async fn migrate_an_empty_database_twice() {
    let database = Database::empty().await;
    let (_directory, mut files) = files(
        &object!({"database": {"url": database.url()}, "encryption": {"master_key": MASTER_KEY}}).to_string(),
    );
    files.insert(0, "migrate".into());
    let words: Vec<_> = files.iter().map(String::as_str).collect();
    for _ in 0..2 {
        let done = sallyport(&words);
        assert!(done.status.success(), "{}", err(&done));
        assert!(out(&done).contains("version"), "{}", out(&done));
    }
    let dead = object!({"database": {"url": "postgres://nobody@127.0.0.1:1/x", "timeout": "1s"}}).to_string();
    let (_other, mut files) = self::files(&dead);
    files.insert(0, "migrate".into());
    let words: Vec<_> = files.iter().map(String::as_str).collect();
    let failed = sallyport(&words);
    assert_eq!(failed.status.code(), Some(1));
    assert!(!err(&failed).is_empty() && !err(&failed).contains("panicked"), "{}", err(&failed));
}

/// Whoever changes the trail behind the back is found out: exit code 1, for a job that watches.
#[tokio::test]
async fn audit_verify() {
    let database = Database::fresh().await;
    let config = object!({"database": {"url": database.url()}, "encryption": {"master_key": MASTER_KEY}});
    let (_directory, files) = files(&config.to_string());
    let words: Vec<_> = ["audit", "verify"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let whole = sallyport(&words);
    assert!(
        whole.status.success() && out(&whole).contains("whole: 0 events"),
        "{}{}",
        out(&whole),
        err(&whole)
    );
    let row = "INSERT INTO audit_log (seq, at, actor_kind, actor, action, outcome, previous, hash)
               VALUES (1, now(), 'cli', 'x', 'user.create', 'done', sha256(''), sha256(''))";
    TestPg::execute(database.url(), row).await;
    let broken = sallyport(&words);
    assert_eq!(broken.status.code(), Some(1));
    assert!(err(&broken).contains("broken at event 1"), "{}", err(&broken));
}

/// Another master key: the provider's secret is sealed anew, and opens with the new key alone.
#[tokio::test]
async fn rekey() {
    let database = Database::fresh().await;
    let (old, new) = (MASTER_KEY, "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=");
    let ring = |key: &str| KeyRing::new(MasterKey::from_base64(key).unwrap());
    let mut row = ProviderRow {
        id: Uuid::now_v7(),
        name: "stored".into(),
        kind: "openai".into(),
        base_url: "https://api.openai.com/v1".into(),
        api_key: None,
        settings: object!({}),
        secrets: None,
        enabled: true,
    };
    let place = PROVIDER_API_KEY.place(row.id);
    row.api_key = Some(ring(old).seal(&place, b"sk-planted").unwrap());
    let store = database.store().await;
    store.upsert_provider(&row).await.unwrap();
    let run = |encryption: serde_json::Value| {
        let config = object!({"database": {"url": database.url()}, "encryption": encryption});
        let (directory, files) = files(&config.to_string());
        let words: Vec<_> = std::iter::once("rekey").chain(files.iter().map(String::as_str)).collect();
        let done = sallyport(&words);
        drop(directory);
        done
    };
    let alone = run(object!({"master_key": new}));
    assert_eq!(alone.status.code(), Some(1));
    assert!(err(&alone).contains("previous_keys"), "{}", err(&alone));
    let done = run(object!({"master_key": new, "previous_keys": [old]}));
    assert!(
        done.status.success() && out(&done).contains("providers.api_key: 1 sealed anew"),
        "{}",
        out(&done)
    );
    let after = store.load().await.unwrap().providers.remove(0);
    let opened = ring(new).open(&place, after.api_key.as_deref().unwrap());
    assert_eq!(&**opened.unwrap(), b"sk-planted");
    assert!(!out(&done).contains("planted") && !err(&alone).contains("planted"));
}

/// "A busy port …: a sentence that says what to do", and exit code 1.
#[tokio::test]
async fn a_busy_port() {
    let port = Port::reserve();
    let listen = format!("127.0.0.1:{}", port.number());
    let _holder = std::net::TcpListener::bind(&listen).unwrap();
    for setting in [object!({"server": {"listen": [listen]}}), object!({"admin": {"listen": listen}})] {
        let mut gateway = Setup::new(setting).spawn().await;
        let status = gateway.process.end().await;
        assert_eq!(status.code(), Some(1));
        let said = gateway.process.said();
        assert!(said.contains(&port.number().to_string()), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// A directory that cannot be written; a master key that is none.
#[tokio::test]
async fn other_reasons_not_to_start() {
    let cases = [
        (object!({"data_dir": "/proc/nowhere"}), "/proc/nowhere"),
        (object!({"encryption": {"master_key": "dG9vIHNob3J0"}}), "master"),
        (object!({"server": {"tls": {"cert": "/no/cert.pem", "key": "/no/key.pem"}}}), "/no/"),
    ];
    for (setting, hint) in cases {
        let mut gateway = Setup::new(with(openai("http://127.0.0.1:9/v1"), setting)).spawn().await;
        let status = gateway.process.end().await;
        let said = gateway.process.said();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(hint) && !said.contains("panicked"), "{said}");
        assert!(!said.contains(UPSTREAM_KEY));
    }
}
