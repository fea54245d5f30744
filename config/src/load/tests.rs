use super::*;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk-very-secret".into()),
        "PORT" => Some("4000".into()),
        "DIGITS" => Some("12345".into()),
        "EMPTY" => Some(String::new()),
        "NULL" => Some("null".into()),
        _ => None,
    }
}

fn load_text(text: &str) -> Result<Loaded, Errors> {
    let dir = Dir::new();
    let file = dir.file("t.yaml", text);
    load(&[file], &env)
}

/// The messages, without the directory.
fn wrong(text: &str) -> Vec<String> {
    let errors = load_text(text).unwrap_err();
    errors.0.iter().map(|p| p.to_string()).map(|p| p[p.find("t.yaml").unwrap_or(0)..].to_owned()).collect()
}

#[track_caller]
fn only(text: &str, parts: &[&str]) {
    let all = wrong(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    for part in parts {
        assert!(all[0].contains(part), "`{part}` is not in: {}", all[0]);
    }
}

const PROVIDER: &str = "providers: [{name: p, kind: openai, api_key: k}]\n";

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(*load_text("").unwrap().config, Config::default());
    assert_eq!(*load_text("server:\nadmin: null\ndatabase: {url: ~}\n").unwrap().config, Config::default());
    assert!(load(&[], &env).unwrap_err().to_string().contains("no configuration file"));
}

#[test]
fn unknown_keys_get_a_suggestion() {
    only(
        "server:\n  lisen: [0.0.0.0:1]\n",
        &["t.yaml:2:3", "server: unknown key `lisen`; did you mean `listen`?"],
    );
    only("servr: {}\n", &["t.yaml:1:1", "unknown key `servr`; did you mean `server`?"]);
    only(
        "providers: [{name: p, kind: openai, apikey: sk-123}]",
        &["providers[p]: unknown key", "did you mean `api_key`?"],
    );
    only("zzz: 1", &["the sections are data_dir, instance"]);
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_order() {
    let all = wrong(concat!(
        "server:\n",
        "  listen: [nonsense, 0.0.0.0:3000, worse]\n",
        "  max_body: 3 bananas\n",
        "  threads: many\n",
        "log: {format: jsn}\n",
        "providers:\n",
        "  - name: a\n",
        "    kind: opnai\n",
        "    enabled: yes\n",
        "  - kind: openai\n",
        "    api_key: ${MISSING}\n",
        "  - name: c\n",
        "    kind: openai-compatible\n",
        "models:\n",
        "  - {name: m, routes: [{provider: a, weight: -1}]}\n",
    ));
    let want = [
        "t.yaml:2:12: server.listen[0]: invalid socket address syntax; write address:port",
        "t.yaml:2:36: server.listen[2]: invalid socket address",
        "t.yaml:3:13: server.max_body: '3 bananas' is not a size",
        "t.yaml:4:12: server.threads: invalid type: string \"many\", expected usize",
        "t.yaml:5:15: log.format: `jsn` is none of text, json; did you mean `json`?",
        "t.yaml:8:11: providers[a].kind: `opnai` is none of openai, azure-openai, anthropic, gemini, vertex, bedrock, openai-compatible; did you mean `openai`?",
        "t.yaml:9:14: providers[a].enabled: invalid type: string \"yes\", expected a boolean; write true or false",
        "t.yaml:10:5: providers[1]: `name` is missing",
        "t.yaml:11:14: providers[1].api_key: environment variable MISSING is not set; set it, or write `${MISSING:-default}`",
        "t.yaml:12:5: providers[c].base_url: is missing; write where the API is",
        "t.yaml:15:46: models[m].routes[0].weight: invalid value: integer `-1`",
    ];
    assert_eq!(all.len(), want.len(), "{all:#?}");
    for (got, want) in all.iter().zip(want) {
        assert!(got.starts_with(want), "\n got {got}\nwant {want}");
    }
}

#[test]
fn variables_keep_the_types_of_yaml() {
    let c = load_text(
        "server: {threads: '${THREADS:-2}', listen: ['127.0.0.1:${PORT}']}\nproviders:\n- name: p\n  kind: openai\n  api_key: $${x}\n  enabled: ${OFF:-false}",
    )
    .unwrap()
    .config;
    assert_eq!((c.server.threads, c.server.listen[0].port(), c.providers[0].enabled), (2, 4000, false));
    assert_eq!(c.providers[0].api_key.as_ref().unwrap().expose(), "${x}");
    // Text settings are text, whatever it looks like.
    let c = load_text("instance: ${DIGITS}\nproviders: [{name: 007, kind: openai, api_key: '${DIGITS}'}]")
        .unwrap()
        .config;
    assert_eq!(c.instance.as_deref(), Some("12345"));
    assert_eq!(
        (c.providers[0].name.as_str(), c.providers[0].api_key.as_ref().unwrap().expose()),
        ("007", "12345")
    );
    assert_eq!(load_text("instance: ${NULL}").unwrap().config.instance.as_deref(), Some("null"));
    // What is in quotes and no variable is text.
    assert!(load_text("server: {threads: '2'}").unwrap_err().to_string().contains("write it without quotes"));
    assert!(load_text("server: {threads: ${PORT}}").unwrap_err().to_string().contains("needs quotes"));
    // Nothing in the variable: as if not written.
    let c = load_text("instance: ${EMPTY}\nadmin: {token: '', listen: '${NONE:-}'}").unwrap_err();
    assert_eq!(c.0.len(), 1, "{c}");
    assert!(c.to_string().contains("admin.token: a token is made of"), "{c}");
}

#[test]
fn a_variable_is_not_asked_for_where_a_later_file_removed_it() {
    let dir = Dir::new();
    let base = dir.file("base.yaml", "instance: ${MISSING}\nadmin: {token: '${MISSING}'}\nproviders: [{name: p, kind: openai, api_key: '${MISSING}'}]");
    let over =
        dir.file("over.yaml", "instance: here\nadmin: {token: !delete }\nproviders: [!delete {name: p}]");
    assert_eq!(load(std::slice::from_ref(&base), &env).unwrap_err().0.len(), 3);
    let loaded = load(&[base, over], &env).unwrap();
    assert_eq!(loaded.config.instance.as_deref(), Some("here"));
}

#[test]
fn secrets_come_from_files_beside_the_yaml_and_are_never_shown() {
    let dir = Dir::new();
    dir.file("token", "0123456789abcdef0\r\n");
    let file = dir.file(
        "t.yaml",
        "admin: {token: 'file:token'}\nproviders: [{name: p, kind: openai, api_key: '${KEY}', headers: {x-a: sk-other}}]",
    );
    let loaded = load(std::slice::from_ref(&file), &env).unwrap();
    assert_eq!(loaded.config.admin.token.as_ref().unwrap().expose(), "0123456789abcdef0");
    assert_eq!(loaded.files, [file.clone(), dir.0.path().join("token")]);
    let shown = format!("{loaded:?}{}", crate::check::render(&loaded));
    for secret in ["0123456789abcdef0", "sk-very-secret", "sk-other"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let dir = Dir::new();
    for (text, part) in
        [("file:none", "cannot read"), ("file:/proc", "cannot read"), ("file:empty", "is empty")]
    {
        dir.file("empty", "\n");
        let file = dir.file("t.yaml", &format!("admin: {{token: '{text}'}}"));
        let e = load(&[file], &env).unwrap_err();
        assert!(e.to_string().contains(part) && e.to_string().contains("admin.token"), "{e}");
    }
    // Only for secrets: elsewhere it is text.
    assert_eq!(load_text("instance: file:x").unwrap().config.instance.as_deref(), Some("file:x"));
}

#[test]
fn redis() {
    let dir = Dir::new();
    let loaded = load_text("redis: {url: 'rediss://u:pw-secret@cache:6380/1', command_timeout: 1s}").unwrap();
    assert_eq!(loaded.config.redis.url.as_ref().unwrap().expose(), "rediss://u:pw-secret@cache:6380/1");
    assert!(!crate::check::render(&loaded).contains("pw-secret"));
    load_text("redis: {url: 'redis://cache'}\ndatabase: {listen: false}").unwrap();
    only("redis: {url: 'cache:6379'}", &["redis.url", "not a Redis URL"]);
    only("redis: {url: 'rediss://cache/#insecure'}", &["redis.url", "#"]);
    only("redis: {prefix: 'a b'}", &["redis.prefix", "1 to 64"]);
    only("redis: {command_timeout: 0s}", &["redis.command_timeout", "more than 0"]);
    only("redis: {connect_timeout: 2m}", &["redis.connect_timeout", "60s"]);
    only("database: {listen: false}", &["database.listen", "redis.url"]);
    let pem = dir.file("ca.pem", "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    let with = |url: &str| format!("redis: {{url: '{url}', ca_file: {}}}", pem.display());
    only(&with("rediss://cache"), &["redis.ca_file", "not usable"]);
    only(&with("redis://cache"), &["redis.url", "not rediss://"]);
}

#[test]
fn errors_do_not_tell_secrets() {
    for text in [
        "providers: [{name: p, kind: openai, enabled: '${KEY}'}]",
        "providers: [{name: p, kind: '${KEY}', api_key: x}]",
        "providers: [{name: p, kind: openai, base_url: 'https://u:sk-very-secret@'}]",
        "providers: [{name: p, kind: openai, base_url: 'https://u:sk-very-secret@host/v1'}]",
        "providers: [{name: p, kind: openai, api_key: 'sk-very-secret with space'}]",
        "providers: [{name: p, kind: openai, api_key: {sk-very-secret: 1}}]",
        "providers: [{name: p, kind: openai, headers: {a: \"sk-very-secret\\n\"}}]",
        "database: {url: 'postgres://u:sk-very-secret@[::1/db'}\nencryption: {master_key: sk-very-secret}",
        "redis: {url: 'http://u:sk-very-secret@cache'}",
        "redis: {url: 'rediss://u:sk-very-secret@cache/sk-very-secret'}",
        "metrics: {token: 'sk-very-secret '}",
        "encryption: {master_key: sk-very-secret}",
        "server: {threads: '${KEY}'}",
    ] {
        let e = load_text(text).unwrap_err().to_string();
        let shown = e.replace("unknown key `sk-very-secret`", "");
        assert!(!shown.contains("very-secret"), "{text}: {e}");
    }
}

#[test]
fn the_hash_tells_configurations_apart_and_nothing_else() {
    let hash = |t: &str| load_text(t).unwrap().hash;
    assert_eq!(hash("instance: a\nlog: {level: warn}"), hash("log:\n  level: warn # loud\ninstance: 'a'"));
    assert_ne!(hash("instance: a"), hash("instance: b"));
    assert_ne!(
        hash("providers: [{name: p, kind: openai, api_key: a}]"),
        hash("providers: [{name: p, kind: openai, api_key: b}]")
    );
    assert_eq!(hash("instance: a").len(), 64);
}

#[test]
fn x_keys_hold_anchors() {
    let c = load_text(concat!(
        "x-common: &common {kind: openai, api_key: k}\n",
        "providers: [{<<: *common, name: a}, {<<: *common, name: b}]\n",
    ));
    assert_eq!(c.unwrap().config.providers.len(), 2);
}

#[test]
fn chains_that_would_let_something_through_are_refused() {
    let chain = |names: &str| {
        let items = names.split(' ').map(|n| format!("{{name: {n}}}")).collect::<Vec<_>>().join(", ");
        format!("filters: [{items}]")
    };
    assert!(load_text(&chain("log auth access cost usage")).unwrap().warnings.is_empty());
    only(&chain("log access auth cost usage"), &["filters[access]: `auth` must come before `access`"]);
    only(&chain("auth log access cost usage"), &["`log` must come before `auth`"]);
    only(&chain("log auth access usage cost"), &["`cost` must come before `usage`", "reverse"]);
    only(&chain("log auth access cost"), &["`cost` needs `usage`"]);
    only(&chain("log access"), &["`access` needs `auth`"]);
    only(&chain("log auth acess"), &["filters[acess].name: `acess` is none of", "did you mean `access`?"]);
    only(&chain("log auth auth"), &["listed twice"]);
    assert!(load_text(&chain("log usage")).unwrap().warnings[0].message.contains("`auth` is off"));
}

#[test]
fn providers_and_models_are_judged() {
    let provider = |more: &str| format!("providers: [{{name: p, kind: openai, api_key: k, {more}}}]");
    for (more, part) in [
        ("base_url: 'ftp://x/v1'", "scheme is `ftp`"),
        ("base_url: 'x/v1'", "relative URL without a base"),
        ("base_url: 'https://a:b@x/v1'", "user or password"),
        ("base_url: 'https://x/v1?a=b'", "leave out `?`"),
        ("base_url: 'http://127.0.0.1:1/v1'", "upstream.allow_networks"),
        ("base_url: 'http://localhost/v1'", "upstream.allow_networks"),
        ("base_url: 'http://[::ffff:10.0.0.1]/v1'", "upstream.allow_networks"),
        ("base_url: 'http://169.254.169.254/v1'", "upstream.allow_networks"),
        ("tls_name: ''", "write a host name"),
        ("ca_file: /nowhere", "cannot read /nowhere"),
        ("headers: {'a b': c}", "not a header name"),
        ("headers: {Host: c}", "belongs to the connection"),
        ("headers: {a: c, A: d}", "there twice"),
        ("headers: {a: ''}", "not empty"),
        ("http: h3", "none of auto, h1, h2"),
    ] {
        only(&provider(more), &["providers[p].", part]);
    }
    only("providers: [{name: 'a b', kind: openai, api_key: k}]", &["a name is 1 to 64"]);
    only(&format!("{PROVIDER}models: [{{name: m, routes: []}}]"), &["no route"]);
    only(
        &format!("{PROVIDER}models: [{{name: m, routes: [{{provider: p}}, {{provider: p}}]}}]"),
        &["the same route"],
    );
    only(
        &format!("{PROVIDER}models: [{{name: m, routes: [{{provider: p, model: 'a*'}}]}}]"),
        &["without `*`"],
    );
    only("prices: {models: {m: {input: -1}}}", &["prices.models.m: input: a price is"]);
    only("prices: {models: {gpt-4.1: {input: .nan}}}", &["prices.models.gpt-4.1.input"]);
    only("prices: {models: {gpt-4.1: {output: 1}}}", &["prices.models.gpt-4.1: `input` is missing"]);
    let warnings =
        load_text(&format!("{PROVIDER}models: [{{name: m, routes: [{{provider: pp}}]}}]")).unwrap().warnings;
    assert!(warnings[0].message.contains("must come from the database; did you mean `p`?"), "{warnings:?}");
}

#[test]
fn roles_that_need_a_second_factor_may_be_custom_ones() {
    let text =
        "admin: {public_url: 'http://localhost:3001', second_factor: {required_roles: [admin, auditor]}}";
    let warnings = load_text(text).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].to_string().contains("required_roles[1]: `auditor` is no built-in role"),
        "{warnings:?}"
    );
}

#[test]
fn sections_are_judged() {
    for (text, part) in [
        ("server: {listen: []}", "no address to listen on"),
        ("server: {public_url: ai.corp}", "server.public_url: not a URL that clients can use"),
        ("server: {listen: ['0.0.0.0:3001']}", "admin.listen: 127.0.0.1:3001 is taken by server.listen[0]"),
        ("server: {body_timeout: 0s}", "must be more than 0"),
        ("server: {tls: {cert: /nowhere, key: /dev/null}}", "cannot read /nowhere"),
        ("server: {tls: {cert: /nowhere}}", "`key` is missing"),
        ("server: {max_body: 0}", "must be more than 0"),
        ("upstream: {max_attempts: 0}", "from 1"),
        ("upstream: {backoff: 10s}", "longer than"),
        ("database: {url: 'mysql://x'}", "not a Postgres URL"),
        ("encryption: {master_key: c2hvcnQ=}", "32 bytes"),
        ("admin: {password: {min_length: 11}}", "from 12"),
        ("admin: {public_url: 'http://sallyport.corp'}", "admin.public_url: write the URL that browsers use"),
        ("admin: {public_url: 'https://192.0.2.1'}", "with a host name"),
        ("admin: {public_url: 'https://sallyport.corp/admin'}", "no path"),
        ("admin: {second_factor: {required_roles: [Admin]}}", "not the name of a role"),
        ("admin: {session: {idle: 15m}}", "must be from 16m"),
        ("admin: {session: {secrets: ['short']}}", "at least 32 random characters"),
        (
            "admin: {session: {secrets: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]}}",
            "at least 32 random",
        ),
        (
            "admin: {session: {secrets: [0123456789abcdef0123456789abcdef0123456789abcdef]}}",
            "at least 32 random",
        ),
        ("log: {level: inof}", "did you mean `info`?"),
        ("call_log: {queue: 0}", "from 1"),
        (
            "upstream: {allow_networks: [10.0.0.0/33]}",
            "upstream.allow_networks[0]: invalid IP address syntax",
        ),
    ] {
        let all = wrong(text);
        assert!(all[0].contains(part), "{text}: {all:#?}");
    }
    let warnings = load_text("admin: {listen: '0.0.0.0:3001', token: short}").unwrap().warnings;
    assert!(
        warnings[0].message.contains("without TLS") && warnings[1].message.contains("guessed"),
        "{warnings:?}"
    );
}

#[test]
fn random_session_secrets_are_taken() {
    for secret in
        ["jRcZ3yS0bC0w1nQm2nJ0m7Ww8m5vJp3o2k9b8x1fYtQ=", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"]
    {
        load_text(&format!("admin: {{session: {{secrets: ['{secret}']}}}}")).unwrap();
    }
}

#[test]
fn missing_files_are_named() {
    let e = load(&[PathBuf::from("/nowhere/a.yaml"), PathBuf::from("/nowhere/b.yaml")], &env).unwrap_err();
    assert!(e.to_string().starts_with("cannot read /nowhere/a.yaml: ") && e.0.len() == 2, "{e}");
}
