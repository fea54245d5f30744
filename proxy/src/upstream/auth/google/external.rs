//! Workload identity federation: another party's token is exchanged at Google's STS, and, where it is asked for, the
//! result for a service account's. <https://google.aip.dev/auth/4117>

use super::super::aws::until;
use super::super::cache::Fresh;
use super::super::http::{Ask, Client};
use super::super::{AuthError, oauth};
use super::{SCOPE, trust};
use http::{HeaderValue, Method};
use sallyport_config::google::{ExternalAccount, SubjectSource};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

const SUBJECT: &str = "the identity provider";
const STS: &str = "Google's STS";
const IAM: &str = "Google's IAM credentials service";

pub(super) async fn token(
    client: &Client,
    account: &ExternalAccount,
) -> Result<Fresh<HeaderValue>, AuthError> {
    let subject = subject(client, &account.credential_source).await?;
    let url = account.token_url.clone();
    let ask = Ask::new(STS, Method::POST, url.clone(), trust(&url)).form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", &account.audience),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", &account.subject_token_type),
        ("subject_token", &subject),
    ]);
    let federated = oauth::bearer(&client.ask(ask).await?)?;
    match &account.service_account_impersonation_url {
        None => Ok(federated),
        Some(url) => impersonate(client, account, url, &federated.value).await,
    }
}

/// The other party's token.
async fn subject(client: &Client, source: &SubjectSource) -> Result<Zeroizing<String>, AuthError> {
    let text = if let Some(file) = &source.file {
        let text = tokio::fs::read_to_string(file).await.map(Zeroizing::new);
        text.map_err(|e| AuthError::Setup(format!("cannot read {}: {e}", file.display())))?
    } else if let Some(url) = &source.url {
        let mut ask = Ask::new(SUBJECT, Method::GET, url.clone(), trust(url));
        for (name, value) in &source.headers {
            ask = ask.header(name, value.expose())?;
        }
        Zeroizing::new(client.ask(ask).await?.text()?.to_owned())
    } else {
        return Err(AuthError::Setup("credential_source has neither a file nor a url".into()));
    };
    if source.format.kind.as_deref() != Some("json") {
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    let field = source.format.subject_token_field_name.as_deref().unwrap_or("access_token");
    let found = serde_json::from_str::<Value>(&text).ok();
    let found = found.as_ref().and_then(|v| v.get(field)?.as_str());
    found.map(|t| Zeroizing::new(t.to_owned())).ok_or_else(|| {
        let why = format!("there is no `{field}` in it");
        AuthError::Answer { what: SUBJECT, why }
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: String,
}

/// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>
async fn impersonate(
    client: &Client,
    account: &ExternalAccount,
    url: &Url,
    federated: &HeaderValue,
) -> Result<Fresh<HeaderValue>, AuthError> {
    let seconds = account.service_account_impersonation.token_lifetime_seconds.unwrap_or(3600);
    let bearer = federated.to_str().unwrap_or_default();
    let ask = Ask::new(IAM, Method::POST, url.clone(), trust(url))
        .json(&json!({ "scope": [SCOPE], "lifetime": format!("{seconds}s") }))
        .header("authorization", bearer)?;
    let answer = client.ask(ask).await?;
    let said: Impersonated = answer.read()?;
    let value = oauth::header(&said.access_token)
        .ok_or_else(|| answer.bad("the token cannot be sent in a header"))?;
    let life = until(&said.expire_time).ok_or_else(|| answer.bad("`expireTime` is no time"))?;
    Ok(Fresh { value, life: Some(life) })
}
