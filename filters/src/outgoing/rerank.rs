//! Where a ranking goes whose bytes pass as they are.

use sallyport_config::snapshot::Provider;

/// The path at a provider. Cohere has v1 and v2, whose bodies differ, at the same host: there the client's version
/// counts, also where the base URL is that of the OpenAI-compatible API. Elsewhere the base URL knows which there is.
pub(super) fn path(provider: &Provider, asked: &str) -> String {
    let is =
        |domain: &str| provider.host.strip_suffix(domain).is_some_and(|h| h.is_empty() || h.ends_with('.'));
    if is("cohere.com") || is("cohere.ai") {
        let path = if asked.starts_with("/v1/") { "/v1/rerank" } else { "/v2/rerank" };
        return path.to_owned();
    }
    [&provider.base_path, "/rerank"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::model::ProviderKind;

    #[test]
    fn versions() {
        for (host, base, asked, want) in [
            ("api.cohere.com", "/v2", "/v1/rerank", "/v1/rerank"),
            ("api.cohere.ai", "/compatibility/v1", "/v2/rerank", "/v2/rerank"),
            ("api.cohere.com", "/v1", "/rerank", "/v2/rerank"),
            ("api.jina.ai", "/v1", "/v2/rerank", "/v1/rerank"),
            ("notcohere.com", "/v1", "/v2/rerank", "/v1/rerank"),
            ("vllm", "", "/v1/rerank", "/rerank"),
        ] {
            let mut p = crate::testing::provider("p", ProviderKind::OpenaiCompatible);
            (p.host, p.base_path) = (host.into(), base.into());
            assert_eq!(path(&p, asked), want, "{host} {asked}");
        }
    }
}
