//! Which models a provider says that it has.
//!
//! OpenAI <https://platform.openai.com/docs/api-reference/models/list>, Azure
//! <https://learn.microsoft.com/azure/foundry/openai/reference>, Anthropic
//! <https://docs.claude.com/en/api/models-list>, Gemini <https://ai.google.dev/api/models#method:-models.list>, Vertex
//! <https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list>, Bedrock
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html>.

mod page;

use super::Upstreams;
use super::auth::AuthError;
use super::whole::{WholeError, ask};
use http::{HeaderMap, HeaderValue, Method};
use page::{Format, Page};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sallyport_config::model::{KindSettings, Upstream as Settings};
use sallyport_config::snapshot::Provider;
use sallyport_filters::dialect::fault;
use sallyport_filters::exchange::Request;
use sallyport_filters::outgoing::Outgoing;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Bytes of all pages together, at most.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Pages of one list, at most.
const MOST_PAGES: usize = 200;

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as a call says it.
    pub name: String,
    /// What the provider calls it for people, or who made it.
    pub title: String,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// No credentials.
    #[error("{0}")]
    Auth(#[from] AuthError),
    /// No answer.
    #[error("the provider cannot be asked: {0}")]
    Ask(String),
    /// It said no. (Its message is not repeated: it may hold a part of the key.)
    #[error("the provider answered {status}{word} to GET {path}")]
    Refused {
        /// The status.
        status: u16,
        /// Its own word for it, in brackets.
        word: String,
        /// What was asked.
        path: String,
    },
    /// It said something that is no list.
    #[error("the provider's list cannot be read: {0}")]
    Answer(String),
    /// It never ends.
    #[error("the provider's list has more than {MOST_PAGES} pages")]
    Endless,
}

/// A list to be asked for.
struct Source {
    provider: Arc<Provider>,
    path: String,
    format: Format,
}

/// All models, sorted by name, each once.
///
/// # Errors
/// The provider gives no list.
pub async fn models(
    ups: &Upstreams,
    provider: &Arc<Provider>,
    settings: &Settings,
) -> Result<Vec<Listed>, ListError> {
    let room = AtomicUsize::new(MOST_BYTES);
    let mut all = Vec::new();
    for source in sources(provider) {
        let endpoint = ups.make(&source.provider, settings);
        let mut next: Option<String> = None;
        for n in 0.. {
            if n == MOST_PAGES {
                return Err(ListError::Endless);
            }
            let mut path = source.path.clone();
            if let Some(token) = &next {
                path.push(if path.contains('?') { '&' } else { '?' });
                path.push_str(source.format.token());
                path.push('=');
                path.extend(utf8_percent_encode(token, NON_ALPHANUMERIC));
            }
            let mut out = outgoing(&source, path);
            endpoint.authorizer().authorize(&mut out, &Method::GET, &source.provider.authority).await?;
            let got = ask(ups, &endpoint, &Method::GET, &out, settings, &room).await;
            let got = got.map_err(|e: WholeError| ListError::Ask(e.to_string()))?;
            if !got.status.is_success() {
                let word = fault::describe(&got.body).and_then(|e| e.word());
                let word = word.map(|w| format!(" ({w})")).unwrap_or_default();
                let path = out.path_and_query.split('?').next().unwrap_or_default().to_owned();
                return Err(ListError::Refused { status: got.status.as_u16(), word, path });
            }
            let Page { models, next: more } = source.format.read(&got.body).map_err(ListError::Answer)?;
            all.extend(models);
            match more {
                // A token that comes again would go round for ever.
                Some(token) if Some(&token) != next.as_ref() => next = Some(token),
                _ => break,
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    Ok(all)
}

fn outgoing(source: &Source, path: String) -> Outgoing {
    let headers = HeaderMap::new();
    let request = Request { method: &Method::GET, path: "", query: None, headers: &headers };
    let mut out = Outgoing::opened(request, &source.provider, path);
    if let KindSettings::Vertex(s) = &source.provider.settings
        && let Ok(project) = HeaderValue::from_str(&s.project)
    {
        // The list is of no project: without it Google asks whose quota pays.
        out.headers.insert("x-goog-user-project", project);
    }
    out
}

fn sources(provider: &Arc<Provider>) -> Vec<Source> {
    let base = &provider.base_path;
    let one = |path: String, format| Source { provider: provider.clone(), path, format };
    match &provider.settings {
        KindSettings::Openai(_) | KindSettings::OpenaiCompatible(_) => {
            vec![one(format!("{base}/models"), Format::OpenAi)]
        }
        KindSettings::AzureOpenai(s) => {
            let path = match &s.api_version {
                None => format!("{base}/openai/v1/models"),
                Some(version) => format!("{base}/openai/models?api-version={version}"),
            };
            vec![one(path, Format::OpenAi)]
        }
        KindSettings::Anthropic(_) => vec![one(format!("{base}/models?limit=1000"), Format::Anthropic)],
        KindSettings::Gemini => vec![one(format!("{base}/models?pageSize=1000"), Format::Gemini)],
        KindSettings::Vertex(_) => {
            // Only the beta lists the models of publishers.
            let base = base.strip_suffix("/v1").map_or_else(|| base.to_string(), |b| format!("{b}/v1beta1"));
            let of = |who| one(format!("{base}/publishers/{who}/models?pageSize=100"), Format::Vertex);
            vec![of("google"), of("anthropic")]
        }
        KindSettings::Bedrock(_) => {
            let provider = Arc::new(control_plane(provider));
            let one = |path: String, format| Source { provider: provider.clone(), path, format };
            vec![
                one(format!("{base}/foundation-models"), Format::BedrockModels),
                one(format!("{base}/inference-profiles?maxResults=1000"), Format::BedrockProfiles),
            ]
        }
    }
}

/// Bedrock lists its models at another host than it runs them: `bedrock.REGION…` beside `bedrock-runtime.REGION…`. Any
/// other address (a proxy, a VPC endpoint) is asked itself.
/// <https://docs.aws.amazon.com/general/latest/gr/bedrock.html>
fn control_plane(provider: &Provider) -> Provider {
    let mut other = provider.clone();
    let Some(rest) = provider.host.strip_prefix("bedrock-runtime") else { return other };
    let host = format!("bedrock{rest}");
    if provider.tls_name == provider.host {
        other.tls_name = host.as_str().into();
    }
    other.authority = provider.authority.replacen(&*provider.host, &host, 1).into();
    other.host = host.into();
    // Another peer than the runtime's.
    other.generation = provider.generation.wrapping_add(1);
    other
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::assemble::configured;
    use sallyport_config::model::{Config, Provider as Written, ProviderKind};

    fn paths(written: serde_json::Value) -> Vec<(String, String)> {
        let written: Written = serde_json::from_value(written).unwrap();
        let config = Config { providers: vec![written], ..Config::default() };
        let provider = Arc::new(configured(&config, "p").unwrap());
        let sources = sources(&provider);
        sources.into_iter().map(|s| (s.provider.authority.to_string(), s.path)).collect()
    }

    #[test]
    fn where_lists_are() {
        use serde_json::json;
        let of = |host: &str, path: &str| (host.to_owned(), path.to_owned());
        let bedrock = json!({"name": "p", "kind": "bedrock", "bedrock": {"region": "eu-west-1"}});
        assert_eq!(
            paths(bedrock),
            [
                of("bedrock.eu-west-1.amazonaws.com", "/foundation-models"),
                of("bedrock.eu-west-1.amazonaws.com", "/inference-profiles?maxResults=1000"),
            ]
        );
        let fips = json!({"name": "p", "kind": "bedrock",
            "bedrock": {"region": "us-east-1", "endpoint": "https://bedrock-runtime-fips.us-east-1.amazonaws.com"}});
        assert_eq!(paths(fips)[0].0, "bedrock-fips.us-east-1.amazonaws.com");
        let vertex =
            json!({"name": "p", "kind": "vertex", "vertex": {"project": "x", "location": "europe-west4"}});
        assert_eq!(
            paths(vertex)[1],
            of("europe-west4-aiplatform.googleapis.com", "/v1beta1/publishers/anthropic/models?pageSize=100")
        );
        let azure = json!({"name": "p", "kind": "azure-openai", "base_url": "https://n.openai.azure.com",
            "azure_openai": {"api_version": "2024-10-21"}});
        assert_eq!(paths(azure)[0].1, "/openai/models?api-version=2024-10-21");
        for kind in [ProviderKind::Openai, ProviderKind::Anthropic, ProviderKind::Gemini] {
            let got = paths(json!({"name": "p", "kind": kind.word()}));
            assert!(got[0].1.contains("/models"), "{got:?}");
        }
    }
}
