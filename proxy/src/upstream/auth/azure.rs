//! Microsoft Entra ID: tokens for Azure OpenAI.
//!
//! - Client secret and federated credential:
//!   <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
//! - Managed identity of a machine:
//!   <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! - Managed identity of an app or a container app:
//!   <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>

mod cloud;

use super::AuthError;
use super::cache::{Fresh, Source};
use super::env::Env;
use super::http::{Ask, Client, Trust};
use super::oauth;
use async_trait::async_trait;
use cloud::Cloud;
use http::{HeaderValue, Method};
use sallyport_config::model::{AzureOpenaiSettings, Entra, ManagedIdentity, WorkloadIdentity};
use url::Url;
use zeroize::Zeroizing;

const ENTRA: &str = "Microsoft Entra ID";
const IDENTITY: &str = "Azure's managed identity service";

/// Where tokens come from; None: the settings name no identity. `host`: that of the provider.
pub(super) fn source(
    settings: &AzureOpenaiSettings,
    host: &str,
    client: Client,
    env: Env,
) -> Option<Box<dyn Source<HeaderValue>>> {
    let identity = if let Some(entra) = &settings.entra {
        Identity::Secret(entra.clone())
    } else if let Some(managed) = &settings.managed_identity {
        Identity::Managed(managed.clone())
    } else {
        Identity::Workload(settings.workload_identity.clone()?)
    };
    Some(Box::new(Azure { identity, cloud: Cloud::of(host), client, env }))
}

enum Identity {
    Secret(Entra),
    Managed(ManagedIdentity),
    Workload(WorkloadIdentity),
}

struct Azure {
    identity: Identity,
    cloud: Cloud,
    client: Client,
    env: Env,
}

#[async_trait]
impl Source<HeaderValue> for Azure {
    async fn fetch(&self) -> Result<Fresh<HeaderValue>, AuthError> {
        let ask = match &self.identity {
            Identity::Secret(entra) => {
                let proof = [("client_secret", entra.client_secret.expose())];
                self.grant(&entra.tenant_id, &entra.client_id, &proof)?
            }
            Identity::Workload(workload) => self.workload(workload).await?,
            Identity::Managed(managed) => self.managed(managed)?,
        };
        oauth::bearer(&self.client.ask(ask).await?)
    }
}

impl Azure {
    /// Client credentials, with a secret or an assertion as the proof.
    fn grant(&self, tenant: &str, client_id: &str, proof: &[(&str, &str)]) -> Result<Ask, AuthError> {
        let authority = self.env.get("AZURE_AUTHORITY_HOST");
        let authority = authority.as_deref().unwrap_or(self.cloud.authority).trim_end_matches('/');
        // The SDKs take a bare host name too.
        let scheme = if authority.contains("://") { "" } else { "https://" };
        let url = Url::parse(&format!("{scheme}{authority}/{tenant}/oauth2/v2.0/token"))
            .map_err(|_| AuthError::Setup("AZURE_AUTHORITY_HOST is not a URL".into()))?;
        let scope = format!("{}/.default", self.cloud.resource);
        let mut fields =
            vec![("grant_type", "client_credentials"), ("client_id", client_id), ("scope", &scope)];
        fields.extend(proof);
        Ok(Ask::new(ENTRA, Method::POST, url, Trust::Cloud).form(&fields))
    }

    /// The service account's token is the proof. It is read anew each time: the cluster replaces it.
    async fn workload(&self, w: &WorkloadIdentity) -> Result<Ask, AuthError> {
        let need = |setting: Option<String>, variable: &str| {
            setting.or_else(|| self.env.get(variable)).ok_or_else(|| {
                AuthError::Setup(format!(
                    "{variable} is not set, and azure_openai.workload_identity does not say it"
                ))
            })
        };
        let tenant = need(w.tenant_id.clone(), "AZURE_TENANT_ID")?;
        let client_id = need(w.client_id.clone(), "AZURE_CLIENT_ID")?;
        let file = w.token_file.as_ref().map(|f| f.to_string_lossy().into_owned());
        let file = need(file, "AZURE_FEDERATED_TOKEN_FILE")?;
        let token = tokio::fs::read_to_string(&file).await.map(Zeroizing::new);
        let token = token.map_err(|e| AuthError::Setup(format!("cannot read {file}: {e}")))?;
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let proof = [("client_assertion_type", kind), ("client_assertion", token.trim())];
        self.grant(&tenant, &client_id, &proof)
    }

    /// By the platform's own service: of the app where there is one, else of the machine.
    fn managed(&self, m: &ManagedIdentity) -> Result<Ask, AuthError> {
        let app = self.env.get("IDENTITY_ENDPOINT");
        if app.is_some() && self.env.get("IDENTITY_HEADER").is_none() {
            return Err(AuthError::Setup(
                "managed identities of Azure Arc and Service Fabric are not supported; use azure_openai.entra".into(),
            ));
        }
        let (base, version) = match &app {
            Some(endpoint) => (endpoint.clone(), "2019-08-01"),
            None => {
                let host = self.env.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let host = host.unwrap_or_else(|| "http://169.254.169.254".into());
                let base = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
                (base, "2018-02-01")
            }
        };
        let mut url = Url::parse(&base).map_err(|_| {
            AuthError::Setup("the address of the managed identity service is not a URL".into())
        })?;
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", self.cloud.resource)
            .extend_pairs(m.client_id.iter().map(|id| ("client_id", id)));
        let ask = Ask::new(IDENTITY, Method::GET, url, Trust::Metadata);
        match self.env.get("IDENTITY_HEADER").filter(|_| app.is_some()) {
            Some(secret) => ask.header("x-identity-header", &secret),
            None => ask.header("metadata", "true"),
        }
    }
}
