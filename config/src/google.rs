//! Google's credential files: JSON with a `type`. <https://google.aip.dev/auth/4110>

use crate::units::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use url::Url;

/// A credential file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GoogleCredentials {
    /// Key of a service account.
    ServiceAccount(ServiceAccount),
    /// Workload identity federation. <https://google.aip.dev/auth/4117>
    ExternalAccount(Box<ExternalAccount>),
    /// What `gcloud auth application-default login` writes.
    AuthorizedUser(AuthorizedUser),
}

/// Key of a service account.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ServiceAccount {
    /// Who it is.
    pub client_email: String,
    /// PEM, PKCS #8.
    pub private_key: Secret,
    /// Name of the key.
    #[serde(default)]
    pub private_key_id: Option<String>,
    /// Where an assertion is exchanged for a token.
    #[serde(default = "token_uri")]
    pub token_uri: Url,
}

/// Workload identity federation: another party's token is exchanged for one of Google's.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ExternalAccount {
    /// The workload identity pool's provider.
    pub audience: String,
    /// What the other party's token is (`urn:ietf:params:oauth:token-type:jwt`).
    pub subject_token_type: String,
    /// Where it is exchanged.
    #[serde(default = "sts")]
    pub token_url: Url,
    /// The service account to take on with Google's token.
    #[serde(default)]
    pub service_account_impersonation_url: Option<Url>,
    /// How long the impersonated token lives.
    #[serde(default)]
    pub service_account_impersonation: Impersonation,
    /// Where the other party's token is.
    pub credential_source: SubjectSource,
}

/// How long an impersonated token lives.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Impersonation {
    /// Seconds; default 3600.
    #[serde(default)]
    pub token_lifetime_seconds: Option<u32>,
}

/// Where the other party's token is: a file or a URL.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct SubjectSource {
    /// A file.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A URL that is asked with GET.
    #[serde(default)]
    pub url: Option<Url>,
    /// Headers for the URL.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How it is written there.
    #[serde(default)]
    pub format: SubjectFormat,
    /// AWS's own way; not known here.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// How the other party's token is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct SubjectFormat {
    /// `text` (the default) or `json`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The member of the JSON object that holds it.
    #[serde(default)]
    pub subject_token_field_name: Option<String>,
}

/// A person's refresh token.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct AuthorizedUser {
    /// The client that it was made for.
    pub client_id: String,
    /// That client's secret.
    pub client_secret: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
}

fn token_uri() -> Url {
    fixed("https://oauth2.googleapis.com/token")
}

fn sts() -> Url {
    fixed("https://sts.googleapis.com/v1/token")
}

#[allow(clippy::expect_used, reason = "constant texts, tested")]
fn fixed(text: &'static str) -> Url {
    Url::parse(text).expect("a constant URL")
}

impl GoogleCredentials {
    /// Reads a credential file. The message never quotes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|_| "not JSON; write the content of the file".to_owned())?;
        match value.get("type").and_then(serde_json::Value::as_str) {
            Some("service_account" | "external_account" | "authorized_user") => {}
            Some(
                "impersonated_service_account" | "external_account_authorized_user" | "gdch_service_account",
            ) => {
                return Err("credentials of this type are not supported; there are service_account, \
                            external_account and authorized_user"
                    .into());
            }
            _ => return Err("there is no known `type` in it: not a credential file of Google's".into()),
        }
        let parsed = Self::deserialize(value)
            .map_err(|_| "a member that belongs to its `type` is missing or of another form".to_owned())?;
        if let Self::ExternalAccount(e) = &parsed {
            let source = &e.credential_source;
            if source.environment_id.is_some() || source.file.is_some() == source.url.is_some() {
                return Err(
                    "credential_source: a `file` or a `url` is supported; AWS's own and programs are not"
                        .into(),
                );
            }
        }
        Ok(parsed)
    }

    /// Does it name a file on this machine?
    pub const fn reads_a_file(&self) -> bool {
        matches!(self, Self::ExternalAccount(e) if e.credential_source.file.is_some())
    }

    /// The addresses that it names.
    pub fn urls(&self) -> Vec<(&'static str, &Url)> {
        match self {
            Self::ServiceAccount(s) => vec![("token_uri", &s.token_uri)],
            Self::ExternalAccount(e) => [
                ("token_url", Some(&e.token_url)),
                ("service_account_impersonation_url", e.service_account_impersonation_url.as_ref()),
                ("credential_source.url", e.credential_source.url.as_ref()),
            ]
            .into_iter()
            .filter_map(|(n, u)| Some((n, u?)))
            .collect(),
            Self::AuthorizedUser(_) => Vec::new(),
        }
    }
}

/// Where refresh tokens are exchanged.
pub fn refresh_url() -> Url {
    token_uri()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_types() {
        let s =
            r#"{"type":"service_account","client_email":"a@b","private_key":"PEM-secret","project_id":"p"}"#;
        let parsed = GoogleCredentials::parse(s).unwrap();
        assert!(!format!("{parsed:?}").contains("PEM-secret"));
        assert_eq!(parsed.urls()[0].1.as_str(), "https://oauth2.googleapis.com/token");
        let e = r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                    "credential_source":{"url":"http://169.254.169.254/x","headers":{"Metadata":"True"},
                    "format":{"type":"json","subject_token_field_name":"access_token"}}}"#;
        let urls: Vec<_> =
            GoogleCredentials::parse(e).unwrap().urls().iter().map(|(n, u)| format!("{n} {u}")).collect();
        assert_eq!(
            urls,
            [
                "token_url https://sts.googleapis.com/v1/token",
                "credential_source.url http://169.254.169.254/x"
            ]
        );
        assert_eq!(refresh_url(), token_uri());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        for bad in [
            "sk-secret",
            "{}",
            r#"{"type":"sk-secret"}"#,
            r#"{"type":"service_account","private_key":"sk-secret"}"#,
            r#"{"type":"impersonated_service_account"}"#,
            r#"{"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"executable":{}}}"#,
            r#"{"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"environment_id":"aws1","url":"http://x"}}"#,
        ] {
            let e = GoogleCredentials::parse(bad).unwrap_err();
            assert!(!e.contains("sk-secret"), "{e}");
        }
    }
}
