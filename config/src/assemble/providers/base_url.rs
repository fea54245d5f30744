//! Where the public APIs are.

use crate::model::{KindSettings, ProviderKind};

/// The public API of a kind, version path included. None: there is none, or it depends on the provider's settings.
pub const fn default_base_url(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::Openai => Some("https://api.openai.com/v1"),
        ProviderKind::Anthropic => Some("https://api.anthropic.com/v1"),
        ProviderKind::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
        ProviderKind::AzureOpenai
        | ProviderKind::Vertex
        | ProviderKind::Bedrock
        | ProviderKind::OpenaiCompatible => None,
    }
}

/// The same for a provider's settings.
pub(super) fn default_of(settings: &KindSettings) -> Option<String> {
    let fixed = |kind| default_base_url(kind).map(str::to_owned);
    match settings {
        KindSettings::Openai(_) => fixed(ProviderKind::Openai),
        KindSettings::Anthropic(_) => fixed(ProviderKind::Anthropic),
        KindSettings::Gemini => fixed(ProviderKind::Gemini),
        KindSettings::Vertex(v) => Some(format!("https://{}/v1", vertex_host(&v.location))),
        KindSettings::Bedrock(b) => Some(format!("https://{}", bedrock_host(&b.region))),
        KindSettings::AzureOpenai(_) | KindSettings::OpenaiCompatible(_) => None,
    }
}

/// <https://docs.cloud.google.com/gemini-enterprise-agent-platform/resources/locations>
fn vertex_host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    }
}

/// <https://docs.aws.amazon.com/general/latest/gr/bedrock.html>
fn bedrock_host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("bedrock-runtime.{region}.amazonaws.com{suffix}")
}

/// The path in front of the API's own. Azure's documents give the resource, the resource with `/openai` and the whole
/// v1 address: all of them mean the resource, since the version of the API is a setting.
pub(super) fn path(kind: ProviderKind, path: &str) -> &str {
    let path = path.trim_end_matches('/');
    if kind != ProviderKind::AzureOpenai {
        return path;
    }
    path.strip_suffix("/openai/v1").or_else(|| path.strip_suffix("/openai")).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_clouds() {
        for (location, host) in [
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            assert_eq!(vertex_host(location), host);
        }
        assert_eq!(bedrock_host("us-east-1"), "bedrock-runtime.us-east-1.amazonaws.com");
        assert_eq!(bedrock_host("cn-north-1"), "bedrock-runtime.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn every_way_to_write_an_azure_resource() {
        for (written, want) in
            [("/", ""), ("/openai/v1/", ""), ("/openai", ""), ("/gw/openai/v1", "/gw"), ("/gw", "/gw")]
        {
            assert_eq!(path(ProviderKind::AzureOpenai, written), want);
        }
        assert_eq!(path(ProviderKind::Openai, "/openai/v1/"), "/openai/v1");
    }
}
