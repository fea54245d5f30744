//! What the tests of this crate share: JSON with any white space, a snapshot, an exchange.

use crate::body::RequestBody;
use crate::exchange::{Exchange, Principal, Request, Target};
use crate::key::VirtualKey;
use crate::surface::Surface;
use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use sallyport_config::model::{Config, HttpVersions, KindSettings, Price, ProviderKind, Secret};
use sallyport_config::models::{Model, ModelTable, Route};
use sallyport_config::pattern::PatternSet;
use sallyport_config::prices::PriceTable;
use sallyport_config::rights::{Held, built_in_roles};
use sallyport_config::snapshot::{Key, Owner, Provider, Snapshot, Source, Team};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// Any JSON value, a few levels deep.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Whole in binary: what comes back from text is the same.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any_text(), inner), 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Texts with what is hard in JSON: quotes, backslashes, control characters, other scripts, our own field names.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z\"\\\\/\u{0}-\u{20}é日😀]{0,12}",
        "[ -~]{0,40}",
        Just("model".to_owned()),
        Just("usage".to_owned())
    ]
}

/// Writes a value with white space from `space` wherever JSON allows it.
pub(crate) fn write_json(v: &Value, space: &mut impl FnMut() -> &'static str, out: &mut String) {
    out.push_str(space());
    match v {
        Value::Array(list) => {
            out.push('[');
            for (i, v) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(v, space, out);
            }
            if list.is_empty() {
                out.push_str(space());
            }
            out.push(']');
        }
        Value::Object(map) => {
            let members: Vec<_> = map.iter().map(|(k, v)| (k.as_str(), v)).collect();
            write_members(&members, space, out);
        }
        leaf => out.push_str(&leaf.to_string()),
    }
    out.push_str(space());
}

/// Writes an object of these members, in this order.
pub(crate) fn write_members(
    list: &[(&str, &Value)],
    space: &mut impl FnMut() -> &'static str,
    out: &mut String,
) {
    out.push('{');
    for (i, (k, v)) in list.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(space());
        out.push_str(&Value::from(*k).to_string());
        out.push_str(space());
        out.push(':');
        write_json(v, space, out);
    }
    if list.is_empty() {
        out.push_str(space());
    }
    out.push('}');
}

/// White space drawn from a list of numbers, round and round.
pub(crate) fn spaces(seed: Vec<u8>) -> impl FnMut() -> &'static str {
    let mut i = 0;
    move || {
        i += 1;
        let n = seed.get(i % seed.len().max(1)).copied().unwrap_or(0);
        ["", "", "", " ", "\n", "\t", "\r\n", "  \n "][usize::from(n % 8)]
    }
}

/// A snapshot with one key, and everything to be called with it.
pub(crate) struct World {
    /// The key's secret.
    pub(crate) secret: String,
    /// The key; change it and [`World::put`] it.
    pub(crate) key: Key,
    /// The key's team.
    pub(crate) team: Team,
    /// The key's user.
    pub(crate) user: Owner,
    /// All of it.
    pub(crate) snapshot: Snapshot,
    hash: [u8; 32],
}

impl World {
    /// A key that may do everything, of an active user in an active team.
    pub(crate) fn new() -> Self {
        let virtual_key = VirtualKey::generate().unwrap();
        let all = || Arc::new(PatternSet::new(["*"]));
        let roles = Arc::new([Held { role: "developer".into(), team: None }]);
        let user = Owner { id: Uuid::from_u128(1), active: true, roles };
        let (surfaces, models, tools) = (all(), all(), all());
        let team = Team { id: Uuid::from_u128(2), name: "red".into(), active: true, surfaces, models, tools };
        let key = Key {
            id: Uuid::from_u128(3),
            name: "test".into(),
            prefix: virtual_key.prefix.as_str().into(),
            user: Some(user.id),
            account: None,
            networks: None,
            labels: None,
            disabled: false,
            team: Some(team.id),
            surfaces: all(),
            models: all(),
            tools: all(),
            expires_at: None,
            revoked: false,
        };
        let mut w = Self {
            secret: virtual_key.secret.expose().to_owned(),
            hash: virtual_key.hash,
            key,
            team,
            user,
            snapshot: snapshot(),
        };
        w.put();
        w
    }

    /// Writes key, team and user into the snapshot.
    pub(crate) fn put(&mut self) {
        self.snapshot.keys.insert(self.hash, Arc::new(self.key.clone()));
        self.snapshot.users.insert(self.user.id, Arc::new(self.user.clone()));
        self.snapshot.teams.insert(self.team.id, Arc::new(self.team.clone()));
    }

    /// A call that has passed `auth`, with a JSON body.
    pub(crate) fn call(&self, surface: Surface, body: &str) -> Exchange {
        let mut x = exchange(self.snapshot.clone(), surface);
        x.principal = Some(Principal {
            key: Arc::new(self.key.clone()),
            team: Some(Arc::new(self.team.clone())),
            owner: Some(Arc::new(self.user.clone())),
        });
        x.body = RequestBody::parse(Bytes::copy_from_slice(body.as_bytes()), None, surface).unwrap();
        x
    }
}

/// A new call.
pub(crate) fn exchange(snapshot: Snapshot, surface: Surface) -> Exchange {
    Exchange::new(Arc::new(snapshot), surface, surface.dialect())
}

/// A provider as the configuration would make it.
pub(crate) fn provider(name: &str, kind: ProviderKind) -> Provider {
    Provider {
        name: name.into(),
        kind,
        tls: true,
        host: "api.example".into(),
        port: 443,
        authority: "api.example".into(),
        base_path: "/base/v1".into(),
        api_key: Some(Secret::new(format!("{name}-secret"))),
        settings: KindSettings::default_of(kind),
        headers: Vec::new(),
        http: HttpVersions::Auto,
        ca_file: None,
        tls_name: "api.example".into(),
        passthrough: Arc::default(),
        enabled: true,
        generation: 1,
        managed: true,
    }
}

/// A route.
pub(crate) fn route(provider: &str, model: Option<&str>, weight: u32) -> Route {
    Route { provider: provider.into(), model: model.map(Into::into), weight }
}

/// A model.
pub(crate) fn model(name: &str, routes: Vec<Route>) -> Model {
    Model { name: name.into(), routes, managed: true, charge: None }
}

/// Providers `openai`, `anthropic`, `vllm`; models `gpt-5` and `fast` (alias of gpt-5-mini) at openai, `claude-*` and
/// `claude-opus-5` at anthropic, `lost` at nobody.
pub(crate) fn snapshot() -> Snapshot {
    let providers = [
        provider("openai", ProviderKind::Openai),
        provider("anthropic", ProviderKind::Anthropic),
        provider("vllm", ProviderKind::OpenaiCompatible),
    ];
    let price = |input, output| Price {
        input,
        cached_input: Some(input / 10.0),
        cache_write: Some(input * 1.25),
        cache_write_1h: Some(input * 2.0),
        output,
        reasoning: None,
        long_prompt: None,
    };
    let prices =
        [("gpt-5-mini", price(1.0, 10.0)), ("gpt-5", price(2.0, 20.0)), ("claude-*", price(5.0, 25.0))];
    let prices: Vec<_> = prices.into_iter().map(|(n, p)| (n.to_owned(), p)).collect();
    Snapshot {
        version: 1,
        built_at: OffsetDateTime::UNIX_EPOCH,
        source: Source::Store,
        config_hash: String::new(),
        config: Arc::new(Config::default()),
        files: Arc::new(Config::default()),
        document: Default::default(),
        keys: Default::default(),
        users: Default::default(),
        accounts: Default::default(),
        roles: built_in_roles().collect(),
        teams: Default::default(),
        providers: providers.into_iter().map(|p| (p.name.clone(), Arc::new(p))).collect(),
        models: Arc::new(ModelTable::new([
            model("gpt-5", vec![route("openai", None, 1)]),
            model("fast", vec![route("openai", Some("gpt-5-mini"), 1)]),
            model("claude-*", vec![route("anthropic", None, 1)]),
            model("claude-opus-5", vec![route("anthropic", None, 1)]),
            model("lost", vec![route("nobody", None, 1)]),
        ])),
        prices: Arc::new(PriceTable::new(prices.iter().map(|(n, p)| (n, p)))),
    }
}

/// The target of a provider of the snapshot.
pub(crate) fn target(s: &Snapshot, provider: &str, model: Option<&str>) -> Target {
    Target { provider: s.providers.get(provider).unwrap().clone(), model: model.map(Into::into) }
}

/// A request head.
pub(crate) fn request<'a>(path: &'a str, query: Option<&'a str>, headers: &'a HeaderMap) -> Request<'a> {
    Request { method: &Method::POST, path, query, headers }
}

/// Headers from a list.
pub(crate) fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut h = HeaderMap::new();
    for (n, v) in list {
        h.append(*n, v.parse().unwrap());
    }
    h
}

/// Recorded provider traffic: folders of one exchange each. None (and a line that says so) where it is absent.
pub(crate) fn recorded(dialect: &str) -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("SALLYPORT_RECORDED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recorded")),
        PathBuf::from,
    );
    let Ok(dir) = std::fs::read_dir(root.join(dialect)) else {
        println!("SKIPPED: no recorded traffic at {} (set SALLYPORT_RECORDED)", root.join(dialect).display());
        return None;
    };
    let mut all: Vec<_> = dir.map(|e| e.unwrap().path()).collect();
    all.sort();
    Some(all)
}
