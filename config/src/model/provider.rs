//! A provider as it is written.

use super::kinds::{
    AnthropicSettings, AzureOpenaiSettings, BedrockSettings, KindSettings, OpenaiCompatibleSettings,
    OpenaiSettings, VertexSettings,
};
use super::{Secret, yes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an upstream speaks and how it wants to be authenticated.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// api.openai.com.
    Openai,
    /// OpenAI's models in Azure (Azure OpenAI, Microsoft Foundry).
    AzureOpenai,
    /// api.anthropic.com.
    Anthropic,
    /// Google's Gemini API, by API key.
    Gemini,
    /// Google Cloud's Vertex AI: Gemini and Claude.
    Vertex,
    /// AWS Bedrock.
    Bedrock,
    /// Anything that speaks OpenAI's API (vLLM, Ollama, …).
    OpenaiCompatible,
}

impl ProviderKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Openai,
        Self::AzureOpenai,
        Self::Anthropic,
        Self::Gemini,
        Self::Vertex,
        Self::Bedrock,
        Self::OpenaiCompatible,
    ];

    /// The word of configuration and store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::AzureOpenai => "azure-openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
            Self::OpenaiCompatible => "openai-compatible",
        }
    }
}

/// HTTP versions offered to an upstream.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HttpVersions {
    /// TLS: ALPN h2 and http/1.1; plain: HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    H1,
    /// HTTP/2 only (plain: prior knowledge).
    H2,
}

/// An upstream provider.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Unique name.
    pub name: String,
    /// What it speaks.
    pub kind: ProviderKind,
    /// Base URL including the version path; for `azure-openai` the resource (`https://NAME.openai.azure.com`).
    /// Default: the public API of the kind.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub base_url: Option<url::Url>,
    /// API key. For `vertex` and `bedrock` one of several ways to authenticate.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Headers added to each request.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// HTTP versions.
    #[serde(default)]
    pub http: HttpVersions,
    /// PEM file with the authorities for this provider, instead of the general ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Name in the certificate and in SNI, where it is not the host of `base_url`.
    #[serde(default)]
    pub tls_name: Option<String>,
    /// False: no traffic.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Paths at its host that are reached unread as `/passthrough/NAME/…`, by keys whose surfaces (and whose team's)
    /// name `passthrough`: whole, or with `*` for any run of characters, as in `/v1/batches*`. Calls that have a
    /// surface of their own are never among them. What is made so (files, batches) is the account's: all such keys
    /// share it.
    #[serde(default)]
    pub passthrough: Vec<String>,
    /// Settings of the kind `openai`.
    #[serde(default)]
    pub openai: Option<OpenaiSettings>,
    /// Settings of the kind `azure-openai`.
    #[serde(default)]
    pub azure_openai: Option<AzureOpenaiSettings>,
    /// Settings of the kind `anthropic`.
    #[serde(default)]
    pub anthropic: Option<AnthropicSettings>,
    /// Settings of the kind `vertex`.
    #[serde(default)]
    pub vertex: Option<VertexSettings>,
    /// Settings of the kind `bedrock`.
    #[serde(default)]
    pub bedrock: Option<BedrockSettings>,
    /// Settings of the kind `openai-compatible`.
    #[serde(default)]
    pub openai_compatible: Option<OpenaiCompatibleSettings>,
}

impl Provider {
    /// The settings of its kind; what is not written has its default.
    pub fn settings(&self) -> KindSettings {
        fn get<T: Clone + Default>(section: &Option<T>) -> T {
            section.clone().unwrap_or_default()
        }
        match self.kind {
            ProviderKind::Openai => KindSettings::Openai(get(&self.openai)),
            ProviderKind::AzureOpenai => KindSettings::AzureOpenai(get(&self.azure_openai)),
            ProviderKind::Anthropic => KindSettings::Anthropic(get(&self.anthropic)),
            ProviderKind::Gemini => KindSettings::Gemini,
            ProviderKind::Vertex => KindSettings::Vertex(get(&self.vertex)),
            ProviderKind::Bedrock => KindSettings::Bedrock(get(&self.bedrock)),
            ProviderKind::OpenaiCompatible => KindSettings::OpenaiCompatible(get(&self.openai_compatible)),
        }
    }

    /// Sections that are written, with the kind that each belongs to.
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, ProviderKind)> {
        [
            ("openai", ProviderKind::Openai, self.openai.is_some()),
            ("azure_openai", ProviderKind::AzureOpenai, self.azure_openai.is_some()),
            ("anthropic", ProviderKind::Anthropic, self.anthropic.is_some()),
            ("vertex", ProviderKind::Vertex, self.vertex.is_some()),
            ("bedrock", ProviderKind::Bedrock, self.bedrock.is_some()),
            ("openai_compatible", ProviderKind::OpenaiCompatible, self.openai_compatible.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, kind, written)| written.then_some((name, kind)))
    }
}
