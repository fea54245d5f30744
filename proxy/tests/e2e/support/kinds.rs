//! Every kind of upstream, played by the simulator behind the real binary. A new kind is one line of [`UPSTREAMS`].

pub(crate) mod front;
mod generate;

use super::gateway::{Gateway, Setup, UPSTREAM_KEY};
use super::samples::price;
use super::setups::with;
use super::speech::Format;
use super::stub::{Received, Stub};
use crate::e2e::support::answer::json as answer_json;
use crate::e2e::support::client::Answer;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use sallyport_benches::sim::{Sim, SimOptions};
use serde_json::{Value, json};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How the gateway shows who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The provider's API key.
    Key,
    /// A token of Entra ID, by client credentials.
    Entra,
    /// A token of Google's, by a service account's assertion.
    GoogleKey,
    /// Signature Version 4 with a static access key and this secret.
    AccessKey(&'static str),
}

/// One way to reach a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    /// Kind of provider.
    pub(crate) kind: &'static str,
    /// The model, here and there. Directives may follow.
    pub(crate) model: &'static str,
    /// Where the API begins at the simulator.
    base: &'static str,
    pub(crate) account: Account,
    /// The kind's own settings.
    settings: &'static str,
}

const fn up(
    kind: &'static str,
    model: &'static str,
    base: &'static str,
    account: Account,
    settings: &'static str,
) -> Upstream {
    Upstream { kind, model, base, account, settings }
}

/// Vertex's place.
const PLACE: &str = r#"{"project": "p-1", "location": "europe-west4"}"#;

/// All of them.
#[rustfmt::skip]
pub(crate) const UPSTREAMS: [Upstream; 15] = [
    up("openai", "gpt-sim", "/v1", Account::Key, "{}"),
    up("openai-compatible", "open-sim", "/v1", Account::Key, "{}"),
    up("openai-compatible", "open-responses-sim", "/v1", Account::Key, r#"{"responses": true}"#),
    up("azure-openai", "azure-sim", "", Account::Key, "{}"),
    up("azure-openai", "azure-entra-sim", "", Account::Entra, "{}"),
    up("azure-openai", "azure-dated-sim", "", Account::Key, r#"{"api_version": "2024-10-21"}"#),
    up("azure-openai", "azure-preview-sim", "", Account::Entra, r#"{"api_version": "2025-04-01-preview"}"#),
    up("anthropic", "claude-sim", "/v1", Account::Key, "{}"),
    up("gemini", "gemini-3-sim", "/v1beta", Account::Key, "{}"),
    up("vertex", "gemini-3-vertex-sim", "/v1", Account::GoogleKey, PLACE),
    up("vertex", "claude-vertex-sim", "/v1", Account::GoogleKey, PLACE),
    up("bedrock", "us.anthropic.claude-sim-v1:0", "", Account::AccessKey(AWS_SECRET), r#"{"region": "us-east-1"}"#),
    up("bedrock", "anthropic.claude-converse-sim", "", Account::Key, r#"{"region": "us-east-1", "api": "converse"}"#),
    up("bedrock", "anthropic.claude-invoke-sim", "", Account::AccessKey(AWS_SECRET), r#"{"region": "eu-west-1", "api": "invoke"}"#),
    up("bedrock", "amazon.nova-sim", "", Account::AccessKey(AWS_SECRET), r#"{"region": "us-east-1"}"#),
];

/// The secret behind the access key [`UPSTREAM_KEY`].
pub(crate) const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The application's secret at Entra ID.
pub(crate) const ENTRA_SECRET: &str = "entra~client.secret";

/// The service account's key: making one takes a second.
pub(crate) static ACCOUNT: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());

impl Upstream {
    /// The provider's name: that of its model, as far as it may be one.
    pub(crate) fn name(&self) -> String {
        self.model.replace(':', "-")
    }

    /// Does a client of this front hear Azure itself, to the byte?
    pub(crate) fn is_azure_itself(&self, front: front::Front) -> bool {
        let responses = !self.settings.contains("2024");
        self.kind == "azure-openai"
            && match front {
                front::Front::Of(Format::Chat) => true,
                front::Front::Of(Format::Responses) => responses,
                _ => false,
            }
    }

    /// Its place in the configuration. `sim`, `tokens`: addresses without a path.
    pub(crate) fn provider(&self, sim: &str, tokens: &str) -> Value {
        let mut settings: Value = serde_json::from_str(self.settings).unwrap();
        let mut provider =
            json!({"name": self.name(), "kind": self.kind, "base_url": format!("{sim}{}", self.base)});
        let more = match self.account {
            Account::Key => {
                provider["api_key"] = UPSTREAM_KEY.into();
                json!({})
            }
            Account::Entra => json!({"entra": {
                "tenant_id": "tenant-1", "client_id": "client-1", "client_secret": ENTRA_SECRET}}),
            Account::GoogleKey => json!({"credentials": account(tokens)}),
            Account::AccessKey(secret) => {
                json!({"access_key_id": UPSTREAM_KEY, "secret_access_key": secret})
            }
        };
        settings = with(settings, more);
        if settings != json!({}) {
            provider[self.kind.replace('-', "_")] = settings;
        }
        provider
    }
}

/// A service account's key file, whose tokens come from `tokens`.
fn account(tokens: &str) -> String {
    let pem = String::from_utf8(ACCOUNT.private_key_to_pem_pkcs8().unwrap()).unwrap();
    json!({"type": "service_account", "client_email": "gateway@p-1.iam.gserviceaccount.com",
        "private_key": pem, "private_key_id": "key-1", "token_uri": format!("{tokens}/google/token")})
    .to_string()
}

/// Gateway, simulator and the clouds' token services.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    /// Of Entra ID and Google.
    pub(crate) tokens: Stub,
    simulator: SocketAddr,
    running: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A token that the simulator takes.
pub(crate) fn token(_: &Received) -> Vec<u8> {
    let token = json!({"access_token": UPSTREAM_KEY, "token_type": "Bearer", "expires_in": 3600});
    answer_json(200, token.to_string())
}

impl House {
    /// With all upstreams; no second attempts.
    pub(crate) async fn new() -> Self {
        Self::with(&UPSTREAMS, token, json!({})).await
    }

    /// With some of them, token services that answer so, and more of a configuration.
    pub(crate) async fn with(
        upstreams: &[Upstream],
        tokens: impl Fn(&Received) -> Vec<u8> + Send + 'static,
        more: Value,
    ) -> Self {
        let options = SimOptions {
            auth: Some(UPSTREAM_KEY.to_owned()),
            aws_secret: Some(AWS_SECRET.to_owned()),
            ..SimOptions::default()
        };
        let sim = Sim::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        let simulator = sim.addr().unwrap();
        let running = tokio::spawn(sim.run());
        let tokens = Stub::answering(tokens).await;
        let authority = tokens.url().replace("/v1", "");
        let at = |u: &Upstream| u.provider(&format!("http://{simulator}"), &authority);
        let route = |u: &Upstream, name: String| json!({"name": name, "routes": [{"provider": u.name()}]});
        let models: Vec<_> = upstreams
            .iter()
            .flat_map(|u| [route(u, u.model.into()), route(u, format!("{};*", u.model))])
            .collect();
        let overlay = json!({
            "providers": upstreams.iter().map(at).collect::<Vec<_>>(),
            "models": models,
            "prices": {"models": upstreams.iter().map(|u| (format!("{}*", u.model), price()))
                .collect::<serde_json::Map<_, _>>()},
            "upstream": {"max_attempts": 1},
        });
        let setup = Setup::new(with(overlay, more)).env("AZURE_AUTHORITY_HOST", &authority);
        Self { gateway: setup.start().await, tokens, simulator, running }
    }

    /// What the simulator was asked last: `method`, `path`, `headers`, `body`.
    pub(crate) async fn last(&self) -> Value {
        super::gateway::get(self.simulator.port(), "/__sim/last", &[]).await.expect(200).json()
    }

    /// Asks, by a front's path.
    pub(crate) async fn ask(&self, front: front::Front, model: &str, body: &Value) -> Answer {
        self.gateway.post(&front.path(model, body), front.with_model(body, model).to_string()).await
    }
}

/// Runs a test of every front with every upstream, some at a time; fails with all that failed.
pub(crate) async fn each<F>(at_once: usize, test: impl Fn(Arc<House>, front::Front, Upstream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let house = Arc::new(House::new().await);
    let turns = Arc::new(Semaphore::new(at_once));
    let mut cells = Vec::new();
    for front in front::FRONTS {
        for upstream in UPSTREAMS {
            let (cell, turns) = (test(house.clone(), front, upstream), turns.clone());
            let run = tokio::spawn(async move {
                let _turn = turns.acquire_owned().await;
                cell.await;
            });
            cells.push((format!("{front:?} with {}", upstream.model), run));
        }
    }
    let mut failed = Vec::new();
    for (name, run) in cells {
        if run.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} cells failed (above: how): {failed:#?}", failed.len());
}
