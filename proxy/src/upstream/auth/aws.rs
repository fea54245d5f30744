//! AWS: requests are signed with keys that are found as the AWS SDKs find them.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
//!
//! The clients are small ones of our own over the gateway's connections, not the crate `aws-config`: of its chain only
//! three services with one to three requests each are needed (STS, container, instance metadata), and it would bring 25
//! crates: a second HTTP client and a second TLS (rustls, aws-lc), past the guard against private networks.

mod chain;
mod container;
mod imds;
mod profile;
pub(crate) mod sts;
mod web_identity;

use super::cache::{Cached, Fresh, Source};
use super::env::Env;
use super::http::{Answer, Client};
use super::{AuthError, oauth};
use async_trait::async_trait;
use http::{HeaderValue, Method};
use sallyport_config::model::BedrockSettings;
use sallyport_filters::aws::sigv4::{self, Credentials};
use sallyport_filters::outgoing::Outgoing;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Both the runtime and the agent runtime are signed for this name.
const SERVICE: &str = "bedrock";

/// Signs requests to Bedrock.
#[derive(Debug)]
pub(crate) struct Signer {
    region: String,
    keys: Cached<Credentials>,
}

impl Signer {
    pub(super) fn new(provider: &Arc<str>, settings: &BedrockSettings, client: Client, env: Env) -> Self {
        let chain = chain::Chain::new(settings.clone(), client, env);
        Self { region: settings.region.clone(), keys: Cached::new(provider, Box::new(chain)) }
    }

    /// Adds the signature's headers.
    pub(super) async fn sign(
        &self,
        out: &mut Outgoing,
        method: &Method,
        authority: &str,
    ) -> Result<(), AuthError> {
        let keys = self.keys.get().await?;
        sign(out, method, authority, &keys, &self.region, SERVICE, SystemTime::now())
    }

    pub(super) fn forget(&self) {
        self.keys.forget();
    }
}

/// Signs what is sent: path and query as they are, the body with its splices, the headers that nothing on the way
/// changes.
fn sign(
    out: &mut Outgoing,
    method: &Method,
    authority: &str,
    keys: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<(), AuthError> {
    let mut hash = Sha256::new();
    out.segments().for_each(|s| hash.update(&s));
    let body_hash = hex::encode(hash.finalize());
    let signed = |name: &str| name == "content-type" || name.starts_with("x-amzn-");
    let headers: Vec<(&str, &str)> = out
        .headers
        .iter()
        .filter(|(name, _)| signed(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let (path, query) = match out.path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (out.path_and_query.as_str(), None),
    };
    let request = sigv4::Request {
        method: method.as_str(),
        host: authority,
        path,
        query,
        headers: &headers,
        body_hash: &body_hash,
    };
    let added = sigv4::sign_request(&request, keys, region, service, time);
    for (name, value) in added.map_err(|e| AuthError::Sign(e.to_string()))? {
        out.headers.insert(name, value);
    }
    Ok(())
}

/// A Bedrock API key out of the environment, where the settings name no other credentials.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html>
pub(super) fn bearer(settings: &BedrockSettings, env: &Env) -> Option<ApiKey> {
    let named = settings.access_key_id.is_some() || settings.profile.is_some() || settings.role_arn.is_some();
    let key = if named { None } else { env.get("AWS_BEARER_TOKEN_BEDROCK") };
    Some(ApiKey(oauth::header(&key?)?))
}

/// A key that is there already.
pub(super) struct ApiKey(HeaderValue);

#[async_trait]
impl Source<HeaderValue> for ApiKey {
    async fn fetch(&self) -> Result<Fresh<HeaderValue>, AuthError> {
        Ok(Fresh { value: self.0.clone(), life: None })
    }
}

/// Keys as the container's and the instance's services give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

fn keys(answer: &Answer) -> Result<Fresh<Credentials>, AuthError> {
    let k: Keys = answer.read()?;
    let life =
        k.expiration.as_deref().map(|end| until(end).ok_or_else(|| answer.bad("`Expiration` is no time")));
    let life = life.transpose()?;
    Ok(Fresh { value: Credentials::new(k.access_key_id, k.secret_access_key, k.token), life })
}

/// Time until an instant (RFC 3339).
pub(super) fn until(end: &str) -> Option<Duration> {
    let end = OffsetDateTime::parse(end, &Rfc3339).ok()?;
    Some((end - OffsetDateTime::now_utc()).try_into().unwrap_or_default())
}

/// How long keys out of a file or a variable are used before they are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The end of a host name in a region.
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(test)]
mod tests;
