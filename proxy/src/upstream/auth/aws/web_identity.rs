//! IAM roles for service accounts (EKS): a projected token is exchanged for the role's keys.
//! <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>

use super::super::AuthError;
use super::super::cache::Fresh;
use super::super::env::Env;
use super::super::http::Client;
use super::sts::{self, Role};
use sallyport_filters::aws::sigv4::Credentials;
use std::path::Path;
use zeroize::Zeroizing;

/// The variable that names the token's file.
pub(super) const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// As the environment says; `role` goes before `AWS_ROLE_ARN`.
pub(super) async fn of_env(
    client: &Client,
    env: &Env,
    region: &str,
    role: Option<&str>,
) -> Result<Fresh<Credentials>, AuthError> {
    let missing = |name: &str| AuthError::Setup(format!("{name} is not set"));
    let file = env.path(FILE).ok_or_else(|| missing(FILE))?;
    let role = role.map(str::to_owned).or_else(|| env.get("AWS_ROLE_ARN"));
    let role = role.ok_or_else(|| missing("AWS_ROLE_ARN"))?;
    exchange(client, env, region, &Role::named(&role), &file).await
}

/// The token is read anew each time: the cluster replaces it.
pub(super) async fn exchange(
    client: &Client,
    env: &Env,
    region: &str,
    role: &Role,
    file: &Path,
) -> Result<Fresh<Credentials>, AuthError> {
    let token = tokio::fs::read_to_string(file).await.map(Zeroizing::new);
    let token = token.map_err(|e| AuthError::Setup(format!("cannot read {}: {e}", file.display())))?;
    sts::assume_role_with_web_identity(client, env, region, role, token.trim()).await
}
