//! The instance's role (EC2), by version 2 of the metadata service.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>

use super::super::AuthError;
use super::super::cache::Fresh;
use super::super::env::Env;
use super::super::http::{Answer, Ask, Client, Trust};
use http::Method;
use sallyport_filters::aws::sigv4::Credentials;
use serde::Deserialize;
use url::Url;

const WHAT: &str = "the instance's metadata service";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

#[derive(Deserialize)]
struct State {
    #[serde(rename = "Code")]
    code: Option<String>,
}

/// The keys of the instance's role.
pub(super) async fn keys(client: &Client, env: &Env) -> Result<Fresh<Credentials>, AuthError> {
    if env.get("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        let why = "AWS_EC2_METADATA_DISABLED is true".into();
        return Err(AuthError::Unreachable { what: WHAT, why });
    }
    let base = match (
        env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
    ) {
        (Some(base), _) => base,
        (None, Some(mode)) if mode.eq_ignore_ascii_case("ipv6") => "http://[fd00:ec2::254]".to_owned(),
        (None, _) => "http://169.254.169.254".to_owned(),
    };
    let at = |path: &str| {
        Url::parse(&format!("{}/{path}", base.trim_end_matches('/')))
            .map_err(|_| AuthError::Setup("AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL".into()))
    };
    let token = Ask::new(WHAT, Method::PUT, at("latest/api/token")?, Trust::Metadata)
        .header("x-aws-ec2-metadata-token-ttl-seconds", "300")?;
    let token = client.ask(token).await?;
    let token = token.text()?.trim();
    let get = async |path: &str| -> Result<Answer, AuthError> {
        let ask = Ask::new(WHAT, Method::GET, at(path)?, Trust::Metadata);
        client.ask(ask.header("x-aws-ec2-metadata-token", token)?).await
    };
    let roles = get(ROLES).await?;
    let role = roles.text()?.lines().next().map(str::trim).filter(|r| !r.is_empty());
    let role = role.ok_or_else(|| AuthError::Setup("the instance has no role".into()))?;
    let answer = get(&format!("{ROLES}{role}")).await?;
    let state: State = answer.read()?;
    match state.code.as_deref() {
        None | Some("Success") => super::keys(&answer),
        Some(code) => Err(answer.bad(&format!("its code is {}", code.chars().take(60).collect::<String>()))),
    }
}
