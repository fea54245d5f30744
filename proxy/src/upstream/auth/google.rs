//! Google Cloud: access tokens for Vertex AI, as Application Default Credentials are found.
//! <https://cloud.google.com/docs/authentication/application-default-credentials>

mod external;
mod jwt;

use super::AuthError;
use super::cache::{Fresh, Source};
use super::env::Env;
use super::http::{Ask, Client, Trust};
use super::oauth;
use async_trait::async_trait;
use http::{HeaderValue, Method};
use sallyport_config::google::{AuthorizedUser, GoogleCredentials, ServiceAccount, refresh_url};
use sallyport_config::model::{Secret, VertexSettings};
use std::path::PathBuf;
use url::Url;
use zeroize::Zeroizing;

const TOKENS: &str = "Google's token service";
const METADATA: &str = "Google's metadata server";
/// What a token may be used for; the rest is decided by IAM.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where tokens come from.
pub(super) fn source(settings: &VertexSettings, client: Client, env: Env) -> Box<dyn Source<HeaderValue>> {
    let place = match (&settings.credentials, &settings.credentials_file) {
        (Some(text), _) => Place::Text(text.clone()),
        (None, Some(file)) => Place::File(file.clone()),
        (None, None) => env.path("GOOGLE_APPLICATION_CREDENTIALS").map_or(Place::Metadata, Place::File),
    };
    Box::new(Google { place, client, env })
}

enum Place {
    Text(Secret),
    /// Read anew each time.
    File(PathBuf),
    /// The machine's service account.
    Metadata,
}

struct Google {
    place: Place,
    client: Client,
    env: Env,
}

#[async_trait]
impl Source<HeaderValue> for Google {
    async fn fetch(&self) -> Result<Fresh<HeaderValue>, AuthError> {
        let parse = |text: &str, from: &str| {
            GoogleCredentials::parse(text).map_err(|why| AuthError::Setup(format!("{from}: {why}")))
        };
        let credentials = match &self.place {
            Place::Text(text) => parse(text.expose(), "vertex.credentials")?,
            Place::File(file) => {
                let shown = file.display().to_string();
                let text = tokio::fs::read_to_string(file).await.map(Zeroizing::new);
                let text = text.map_err(|e| AuthError::Setup(format!("cannot read {shown}: {e}")))?;
                parse(&text, &shown)?
            }
            Place::Metadata => return self.metadata().await,
        };
        match credentials {
            GoogleCredentials::ServiceAccount(account) => self.service_account(&account).await,
            GoogleCredentials::ExternalAccount(account) => external::token(&self.client, &account).await,
            GoogleCredentials::AuthorizedUser(user) => self.authorized_user(&user).await,
        }
    }
}

impl Google {
    /// <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
    async fn service_account(&self, account: &ServiceAccount) -> Result<Fresh<HeaderValue>, AuthError> {
        let assertion = jwt::assertion(account, SCOPE)?;
        let url = account.token_uri.clone();
        let trust = trust(&url);
        let ask = Ask::new(TOKENS, Method::POST, url, trust).form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ]);
        oauth::bearer(&self.client.ask(ask).await?)
    }

    /// <https://developers.google.com/identity/protocols/oauth2/web-server#offline>
    async fn authorized_user(&self, user: &AuthorizedUser) -> Result<Fresh<HeaderValue>, AuthError> {
        let ask = Ask::new(TOKENS, Method::POST, refresh_url(), Trust::Cloud).form(&[
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", user.client_secret.expose()),
            ("refresh_token", user.refresh_token.expose()),
        ]);
        oauth::bearer(&self.client.ask(ask).await?)
    }

    /// <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>
    async fn metadata(&self) -> Result<Fresh<HeaderValue>, AuthError> {
        let host = self.env.get("GCE_METADATA_HOST");
        let host = host.unwrap_or_else(|| "metadata.google.internal".into());
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        let url =
            Url::parse(&url).map_err(|_| AuthError::Setup("GCE_METADATA_HOST is not a host name".into()))?;
        let ask = Ask::new(METADATA, Method::GET, url, Trust::Metadata);
        match self.client.ask(ask.header("metadata-flavor", "Google")?).await {
            Err(AuthError::Unreachable { why, .. }) => Err(AuthError::Setup(format!(
                "there are no Google credentials: none in the provider's settings, none in \
                 GOOGLE_APPLICATION_CREDENTIALS, and no metadata server ({why})"
            ))),
            answer => oauth::bearer(&answer?),
        }
    }
}

/// Google's own addresses need no listing; others that a credential file names are like a provider's.
fn trust(url: &Url) -> Trust {
    let google = url.host_str().is_some_and(|h| h.ends_with(".googleapis.com"));
    if google && url.scheme() == "https" { Trust::Cloud } else { Trust::Configured }
}
