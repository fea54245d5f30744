//! Task roles (ECS) and pod identities (EKS): a service of the container's own.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use super::super::AuthError;
use super::super::cache::Fresh;
use super::super::env::Env;
use super::super::http::{Ask, Client, Trust};
use http::Method;
use sallyport_filters::aws::sigv4::Credentials;
use std::net::IpAddr;
use url::{Host, Url};

const WHAT: &str = "the container's credentials service";

/// The container's keys; None: it has no such service.
pub(super) async fn keys(client: &Client, env: &Env) -> Result<Option<Fresh<Credentials>>, AuthError> {
    let relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let text = match (relative, env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(path), _) => format!("http://169.254.170.2{path}"),
        (None, Some(full)) => full,
        (None, None) => return Ok(None),
    };
    let url = Url::parse(&text).ok().filter(is_near);
    let url = url.ok_or_else(|| {
        AuthError::Setup(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or an address of this machine or its container service"
                .into(),
        )
    })?;
    let mut ask = Ask::new(WHAT, Method::GET, url, Trust::Metadata);
    let token = match env.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        // Read anew each time: the cluster replaces it.
        Some(file) => Some(
            tokio::fs::read_to_string(&file)
                .await
                .map_err(|e| AuthError::Setup(format!("cannot read {}: {e}", file.display())))?,
        ),
        None => env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        ask = ask.header("authorization", token.trim())?;
    }
    super::keys(&client.ask(ask).await?).map(Some)
}

/// The addresses that the AWS SDKs allow without TLS.
fn is_near(url: &Url) -> bool {
    let near = |ip: IpAddr| {
        ip.is_loopback()
            || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].iter().any(|a| a.parse() == Ok(ip))
    };
    match (url.scheme(), url.host()) {
        ("https", _) => true,
        ("http", Some(Host::Ipv4(ip))) => near(ip.into()),
        ("http", Some(Host::Ipv6(ip))) => near(ip.into()),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_fetched_in_clear_from_afar() {
        for (url, want) in [
            ("http://169.254.170.2/v2/credentials", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://127.0.0.1:1/x", true),
            ("https://example.com/x", true),
            ("http://example.com/x", false),
            ("http://10.0.0.1/x", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(is_near(&Url::parse(url).unwrap()), want, "{url}");
        }
    }
}
