//! AWS Security Token Service. <https://docs.aws.amazon.com/STS/latest/APIReference/>

use super::super::AuthError;
use super::super::cache::Fresh;
use super::super::env::Env;
use super::super::http::{Answer, Ask, Client, Trust};
use super::{sign, suffix, until};
use http::Method;
use sallyport_filters::aws::sigv4::Credentials;
use std::time::SystemTime;
use url::Url;

const WHAT: &str = "AWS STS";
const VERSION: (&str, &str) = ("Version", "2011-06-15");

/// A role to be taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    /// Name of the session, in CloudTrail.
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
}

impl Role {
    pub(super) fn named(arn: &str) -> Self {
        Self { arn: arn.to_owned(), session: None, external_id: None }
    }

    fn session(&self, env: &Env) -> String {
        self.session
            .clone()
            .or_else(|| env.get("AWS_ROLE_SESSION_NAME"))
            .unwrap_or_else(|| "sallyport".into())
    }
}

/// The region's own endpoint.
fn endpoint(env: &Env, region: &str) -> Result<Url, AuthError> {
    let text = env
        .get("AWS_ENDPOINT_URL_STS")
        .unwrap_or_else(|| format!("https://sts.{region}.{}/", suffix(region)));
    Url::parse(&text).map_err(|_| AuthError::Setup("AWS_ENDPOINT_URL_STS is not a URL".into()))
}

/// A role by a token of another party: no signature.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
pub(super) async fn assume_role_with_web_identity(
    client: &Client,
    env: &Env,
    region: &str,
    role: &Role,
    token: &str,
) -> Result<Fresh<Credentials>, AuthError> {
    let session = role.session(env);
    let ask = Ask::new(WHAT, Method::POST, endpoint(env, region)?, Trust::Cloud).form(&[
        ("Action", "AssumeRoleWithWebIdentity"),
        VERSION,
        ("RoleArn", &role.arn),
        ("RoleSessionName", &session),
        ("WebIdentityToken", token),
    ]);
    keys(&client.ask(ask).await?)
}

/// A role by other keys. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub(super) async fn assume_role(
    client: &Client,
    env: &Env,
    region: &str,
    role: &Role,
    base: &Credentials,
) -> Result<Fresh<Credentials>, AuthError> {
    let session = role.session(env);
    let mut fields =
        vec![("Action", "AssumeRole"), VERSION, ("RoleArn", &role.arn), ("RoleSessionName", &session)];
    if let Some(id) = &role.external_id {
        fields.push(("ExternalId", id));
    }
    let ask = Ask::new(WHAT, Method::POST, endpoint(env, region)?, Trust::Cloud).form(&fields);
    let mut out = ask.outgoing();
    let host = ask.url().host_str().unwrap_or_default();
    let authority = ask.url().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    sign(&mut out, &Method::POST, &authority, base, region, "sts", SystemTime::now())?;
    keys(&client.ask(ask.signed(out)).await?)
}

fn keys(answer: &Answer) -> Result<Fresh<Credentials>, AuthError> {
    let text = answer.text()?;
    let get = |name: &str| tag(text, name).ok_or_else(|| answer.bad(&format!("`{name}` is missing")));
    let value =
        Credentials::new(get("AccessKeyId")?, get("SecretAccessKey")?, Some(get("SessionToken")?.to_owned()));
    let life = until(get("Expiration")?).ok_or_else(|| answer.bad("`Expiration` is no time"))?;
    Ok(Fresh { value, life: Some(life) })
}

/// The text of an element that occurs once and holds only text, as all that is needed here does: keys, times and codes
/// have no characters that XML escapes.
pub(crate) fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (!text.contains('<')).then(|| text.trim())
}
