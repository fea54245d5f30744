//! Where keys are looked for, in order.

use super::super::AuthError;
use super::super::cache::{Fresh, Source};
use super::super::env::Env;
use super::super::http::Client;
use super::profile::{self, Found, Profiles};
use super::{LOOK_AGAIN, container, imds, sts, web_identity};
use async_trait::async_trait;
use futures::future::BoxFuture;
use sallyport_config::model::BedrockSettings;
use sallyport_filters::aws::sigv4::Credentials;

/// Roles that lead to roles: no deeper.
const DEPTH: usize = 5;

/// The settings, else what the AWS SDKs look at.
pub(super) struct Chain {
    settings: BedrockSettings,
    client: Client,
    env: Env,
}

impl Chain {
    pub(super) fn new(settings: BedrockSettings, client: Client, env: Env) -> Self {
        Self { settings, client, env }
    }

    async fn keys(&self) -> Result<Fresh<Credentials>, AuthError> {
        let s = &self.settings;
        let base = match (&s.access_key_id, &s.secret_access_key) {
            (Some(id), Some(secret)) => {
                let token = s.session_token.as_ref().map(|t| t.expose().to_owned());
                Fresh { value: Credentials::new(id.expose(), secret.expose(), token), life: None }
            }
            _ => match (&s.profile, &s.role_arn) {
                (Some(name), _) => self.of_profile(name).await?,
                (None, Some(role)) if self.env.get(web_identity::FILE).is_some() => {
                    return web_identity::of_env(&self.client, &self.env, &s.region, Some(role)).await;
                }
                _ => self.found().await?,
            },
        };
        match &s.role_arn {
            None => Ok(base),
            Some(role) => {
                sts::assume_role(&self.client, &self.env, &s.region, &sts::Role::named(role), &base.value)
                    .await
            }
        }
    }

    /// What the machine has.
    async fn found(&self) -> Result<Fresh<Credentials>, AuthError> {
        if let Some(keys) = self.of_env() {
            return Ok(keys);
        }
        let profiles = Profiles::read(&self.env).await?;
        let name = profile::default_name(&self.env);
        if profiles.knows(&name) && !matches!(profiles.find(&name)?, Found::Nothing) {
            return self.resolve(&profiles, &name, DEPTH).await;
        }
        if self.env.get(web_identity::FILE).is_some() {
            return web_identity::of_env(&self.client, &self.env, &self.settings.region, None).await;
        }
        if let Some(keys) = container::keys(&self.client, &self.env).await? {
            return Ok(keys);
        }
        match imds::keys(&self.client, &self.env).await {
            Err(AuthError::Unreachable { .. }) => Err(AuthError::Setup(
                "there are no AWS credentials: not in the provider's settings, not in AWS_ACCESS_KEY_ID, not in a \
                 profile, no web identity, no container's and no instance's role"
                    .into(),
            )),
            other => other,
        }
    }

    fn of_env(&self) -> Option<Fresh<Credentials>> {
        let (id, secret) = (self.env.get("AWS_ACCESS_KEY_ID")?, self.env.get("AWS_SECRET_ACCESS_KEY")?);
        Some(Fresh { value: Credentials::new(id, secret, self.env.get("AWS_SESSION_TOKEN")), life: None })
    }

    async fn of_profile(&self, name: &str) -> Result<Fresh<Credentials>, AuthError> {
        let profiles = Profiles::read(&self.env).await?;
        if !profiles.knows(name) {
            return Err(AuthError::Setup(format!("there is no AWS profile `{name}`")));
        }
        self.resolve(&profiles, name, DEPTH).await
    }

    fn resolve<'a>(
        &'a self,
        profiles: &'a Profiles,
        name: &'a str,
        depth: usize,
    ) -> BoxFuture<'a, Result<Fresh<Credentials>, AuthError>> {
        Box::pin(async move {
            if depth == 0 {
                return Err(AuthError::Setup(format!("the AWS profile `{name}` leads to itself")));
            }
            let region = &self.settings.region;
            match profiles.find(name)? {
                Found::Keys(keys) => Ok(Fresh { value: keys, life: Some(LOOK_AGAIN) }),
                Found::WebIdentity { role, file } => {
                    web_identity::exchange(&self.client, &self.env, region, &role, &file).await
                }
                Found::Role { role, source } => {
                    let base = match source {
                        // A profile may name itself: its own keys take on its role.
                        profile::Base::Profile(other) if other == name => match profiles.keys(name) {
                            Some(value) => Fresh { value, life: None },
                            None => {
                                return Err(AuthError::Setup(format!(
                                    "the AWS profile `{name}` has no keys"
                                )));
                            }
                        },
                        profile::Base::Profile(other) => self.resolve(profiles, &other, depth - 1).await?,
                        profile::Base::Environment => self.of_env().ok_or_else(|| {
                            AuthError::Setup("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".into())
                        })?,
                        profile::Base::Container => {
                            container::keys(&self.client, &self.env).await?.ok_or_else(|| {
                                AuthError::Setup("AWS_CONTAINER_CREDENTIALS_* is not set".into())
                            })?
                        }
                        profile::Base::Instance => imds::keys(&self.client, &self.env).await?,
                    };
                    sts::assume_role(&self.client, &self.env, region, &role, &base.value).await
                }
                Found::Nothing => {
                    Err(AuthError::Setup(format!("the AWS profile `{name}` has no credentials")))
                }
            }
        })
    }
}

#[async_trait]
impl Source<Credentials> for Chain {
    async fn fetch(&self) -> Result<Fresh<Credentials>, AuthError> {
        self.keys().await
    }
}
