//! What only one kind of provider has: the typed sections of a provider.

use super::{ProviderKind, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Settings of the kind `openai`.
/// <https://platform.openai.com/docs/api-reference/authentication>
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct OpenaiSettings {
    /// Organisation that pays, where the key belongs to several (header `OpenAI-Organization`).
    pub organization: Option<String>,
    /// Project that pays (header `OpenAI-Project`).
    pub project: Option<String>,
}

/// Settings of the kind `azure-openai`. Authentication: `api_key` of the provider, or one of the three identities.
/// <https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle>
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct AzureOpenaiSettings {
    /// Dated API (`2024-10-21`): the deployment is in the path. Absent: the v1 API, where it is the body's `model`. In
    /// both, the deployment is the model's name at the provider (`models[].routes[].model`).
    pub api_version: Option<String>,
    /// An application registered in Entra ID.
    pub entra: Option<Entra>,
    /// The identity of the virtual machine, container or app that the gateway runs in; `{}` for the system-assigned
    /// one.
    pub managed_identity: Option<ManagedIdentity>,
    /// The identity of the Kubernetes service account; `{}` where the `AZURE_*` variables that AKS sets are all.
    pub workload_identity: Option<WorkloadIdentity>,
}

impl AzureOpenaiSettings {
    /// Has it the Responses API? Of the dated versions those since 2025-03-01-preview.
    /// <https://learn.microsoft.com/azure/ai-services/openai/how-to/responses>
    pub fn has_responses(&self) -> bool {
        self.api_version.as_deref().is_none_or(|version| version >= "2025-03-01")
    }
}

/// An application registered in Entra ID, with a client secret.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// Directory (tenant) id.
    pub tenant_id: String,
    /// Application (client) id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Secret,
}

/// The identity of the place that the gateway runs in.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentity {
    /// Client id of a user-assigned identity; default: the system-assigned one.
    pub client_id: Option<String>,
}

/// The identity of a Kubernetes service account.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadIdentity {
    /// Directory (tenant) id; default: `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// Application (client) id; default: `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// File with the service account's token; default: `AZURE_FEDERATED_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
}

/// Settings of the kind `anthropic`.
/// <https://docs.claude.com/en/api/versioning>
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct AnthropicSettings {
    /// `anthropic-version` of calls whose client sends none; default: `2023-06-01`.
    pub version: Option<String>,
    /// Betas that are added to the client's own in `anthropic-beta`.
    pub betas: Vec<String>,
}

/// Settings of the kind `vertex`. Authentication: `credentials` or `credentials_file`, else the file that
/// `GOOGLE_APPLICATION_CREDENTIALS` names, else the machine's service account (metadata server).
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct VertexSettings {
    /// Project id; it pays.
    pub project: String,
    /// Region (`europe-west4`), multi-region (`us`, `eu`) or `global`.
    pub location: String,
    /// JSON file with the key of a service account, or a configuration of workload identity federation. Read again
    /// for each token.
    pub credentials_file: Option<PathBuf>,
    /// The same JSON as text.
    pub credentials: Option<Secret>,
}

/// How Claude's models are called on Bedrock.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BedrockApi {
    /// The format that all models share.
    Converse,
    /// The model's own format.
    Invoke,
}

/// Settings of the kind `bedrock`. Authentication: `api_key` of the provider, or an access key, else what the AWS
/// SDKs find: environment, profile, web identity, container, instance.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct BedrockSettings {
    /// Region (`us-east-1`).
    pub region: String,
    /// Address of the runtime where it is not the region's public one: a VPC endpoint, FIPS. As `base_url`.
    #[schemars(with = "Option<String>")]
    pub endpoint: Option<url::Url>,
    /// Access key id.
    pub access_key_id: Option<Secret>,
    /// Secret access key.
    pub secret_access_key: Option<Secret>,
    /// Session token of temporary credentials.
    pub session_token: Option<Secret>,
    /// Profile of the shared files (`~/.aws/config`, `~/.aws/credentials`).
    pub profile: Option<String>,
    /// Role to take on: by the pod's web identity token where there is one (`AWS_WEB_IDENTITY_TOKEN_FILE`), else with
    /// the credentials that are found.
    pub role_arn: Option<String>,
    /// How Claude's models are called. Default: `invoke` for clients that speak Anthropic's Messages (nothing is
    /// translated), else `converse`.
    pub api: Option<BedrockApi>,
}

/// Under which name a message has its thoughts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// `reasoning_content`: DeepSeek, SGLang, llama.cpp, vLLM before 0.16.
    ReasoningContent,
    /// `reasoning`: Ollama, vLLM since 0.16. <https://docs.vllm.ai/en/stable/features/reasoning_outputs/>
    Reasoning,
    /// Both: for a server of unknown age that passes over fields which it does not know.
    Both,
}

/// Settings of the kind `openai-compatible`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct OpenaiCompatibleSettings {
    /// It has a Responses API; otherwise calls of Responses are translated to Chat Completions.
    pub responses: bool,
    /// Under which name translated calls give the thoughts of earlier turns back to the server. Default: what is known
    /// of its host: hosted services have their own ways; servers inside (an address, a name without a domain,
    /// `.internal`, `.local`, `.svc`, `.lan`) get both names, all others `reasoning_content`.
    pub reasoning_field: Option<ReasoningField>,
}

/// The settings of one provider.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the variants are the kinds")]
pub enum KindSettings {
    Openai(OpenaiSettings),
    AzureOpenai(AzureOpenaiSettings),
    Anthropic(AnthropicSettings),
    Gemini,
    Vertex(VertexSettings),
    Bedrock(BedrockSettings),
    OpenaiCompatible(OpenaiCompatibleSettings),
}

impl KindSettings {
    /// The settings of a provider that says nothing.
    pub fn default_of(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Openai => Self::Openai(OpenaiSettings::default()),
            ProviderKind::AzureOpenai => Self::AzureOpenai(AzureOpenaiSettings::default()),
            ProviderKind::Anthropic => Self::Anthropic(AnthropicSettings::default()),
            ProviderKind::Gemini => Self::Gemini,
            ProviderKind::Vertex => Self::Vertex(VertexSettings::default()),
            ProviderKind::Bedrock => Self::Bedrock(BedrockSettings::default()),
            ProviderKind::OpenaiCompatible => Self::OpenaiCompatible(OpenaiCompatibleSettings::default()),
        }
    }

    /// The secrets that are set, by the name of their field.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let all = match self {
            Self::AzureOpenai(a) => {
                vec![("azure_openai.entra.client_secret", a.entra.as_ref().map(|e| &e.client_secret))]
            }
            Self::Vertex(v) => vec![("vertex.credentials", v.credentials.as_ref())],
            Self::Bedrock(b) => vec![
                ("bedrock.access_key_id", b.access_key_id.as_ref()),
                ("bedrock.secret_access_key", b.secret_access_key.as_ref()),
                ("bedrock.session_token", b.session_token.as_ref()),
            ],
            Self::Openai(_) | Self::Anthropic(_) | Self::Gemini | Self::OpenaiCompatible(_) => Vec::new(),
        };
        all.into_iter().filter_map(|(name, secret)| Some((name, secret?))).collect()
    }
}
