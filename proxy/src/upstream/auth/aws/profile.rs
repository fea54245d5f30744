//! The shared files. <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use super::super::AuthError;
use super::super::env::Env;
use super::sts::Role;
use sallyport_filters::aws::sigv4::Credentials;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The profile that is meant where none is named.
pub(super) fn default_name(env: &Env) -> String {
    env.get("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
}

/// All profiles of both files.
#[derive(Default)]
pub(super) struct Profiles(HashMap<String, HashMap<String, Zeroizing<String>>>);

/// What a profile says.
#[derive(Debug)]
pub(super) enum Found {
    /// Keys.
    Keys(Credentials),
    /// A role to be taken on with a token out of a file.
    WebIdentity {
        /// The role.
        role: Role,
        /// The file.
        file: PathBuf,
    },
    /// A role to be taken on with other credentials.
    Role {
        /// The role.
        role: Role,
        /// Whose credentials.
        source: Base,
    },
    /// No credentials.
    Nothing,
}

/// Whose credentials take on a role.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Another profile's.
    Profile(String),
    /// Those of the environment.
    Environment,
    /// Those of the container.
    Container,
    /// Those of the instance.
    Instance,
}

impl Profiles {
    /// Reads `~/.aws/config` and `~/.aws/credentials`, or the files that the environment names; they may be missing.
    pub(super) async fn read(env: &Env) -> Result<Self, AuthError> {
        let home = env.path("HOME");
        let place = |variable: &str, name: &str| {
            env.path(variable).or_else(|| Some(home.as_ref()?.join(".aws").join(name)))
        };
        let mut all = Self::default();
        if let Some(file) = place("AWS_CONFIG_FILE", "config") {
            all.add(&text(&file).await?, true);
        }
        // The latter wins.
        if let Some(file) = place("AWS_SHARED_CREDENTIALS_FILE", "credentials") {
            all.add(&text(&file).await?, false);
        }
        Ok(all)
    }

    /// `config`: the file whose sections are `[profile x]`.
    fn add(&mut self, text: &str, config: bool) {
        let mut section = None;
        for line in text.lines() {
            // Indented lines are parts of a nested setting, none of which is needed.
            if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
                continue;
            }
            if let Some(head) = line.strip_prefix('[') {
                let name = head.split(']').next().unwrap_or_default().trim();
                section = match name.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])) {
                    Some(rest) if config => Some(rest.trim().to_owned()),
                    None if !config || name == "default" => Some(name.to_owned()),
                    // `[sso-session …]` and the like.
                    _ => None,
                };
                if let Some(name) = &section {
                    self.0.entry(name.clone()).or_default();
                }
                continue;
            }
            if let (Some(profile), Some((key, value))) =
                (section.as_ref().and_then(|s| self.0.get_mut(s)), line.split_once('='))
            {
                let value =
                    value.split(" #").next().unwrap_or_default().split(" ;").next().unwrap_or_default();
                profile.insert(key.trim().to_ascii_lowercase(), Zeroizing::new(value.trim().to_owned()));
            }
        }
    }

    /// Is there such a profile?
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get(&self, name: &str, key: &str) -> Option<&str> {
        self.0.get(name)?.get(key).map(|v| v.as_str()).filter(|v| !v.is_empty())
    }

    /// The keys that a profile holds itself.
    pub(super) fn keys(&self, name: &str) -> Option<Credentials> {
        let (id, secret) = (self.get(name, "aws_access_key_id")?, self.get(name, "aws_secret_access_key")?);
        Some(Credentials::new(id, secret, self.get(name, "aws_session_token").map(str::to_owned)))
    }

    /// What a profile says. A role goes before keys.
    pub(super) fn find(&self, name: &str) -> Result<Found, AuthError> {
        let get = |key| self.get(name, key);
        let wrong = |why: &str| AuthError::Setup(format!("the AWS profile `{name}`: {why}"));
        if let Some(arn) = get("role_arn") {
            let role = Role {
                arn: arn.to_owned(),
                session: get("role_session_name").map(str::to_owned),
                external_id: get("external_id").map(str::to_owned),
            };
            if let Some(file) = get("web_identity_token_file") {
                return Ok(Found::WebIdentity { role, file: file.into() });
            }
            let source = match (get("source_profile"), get("credential_source")) {
                (Some(other), _) => Base::Profile(other.to_owned()),
                (None, Some("Environment")) => Base::Environment,
                (None, Some("EcsContainer")) => Base::Container,
                (None, Some("Ec2InstanceMetadata")) => Base::Instance,
                _ => {
                    return Err(wrong(
                        "role_arn needs source_profile, credential_source or web_identity_token_file",
                    ));
                }
            };
            return Ok(Found::Role { role, source });
        }
        if let Some(keys) = self.keys(name) {
            return Ok(Found::Keys(keys));
        }
        for unknown in ["credential_process", "sso_session", "sso_start_url", "login_session"] {
            if get(unknown).is_some() {
                return Err(wrong(&format!(
                    "`{unknown}` is for people at their desks and not supported here"
                )));
            }
        }
        Ok(Found::Nothing)
    }
}

/// Empty if there is no such file.
async fn text(file: &Path) -> Result<Zeroizing<String>, AuthError> {
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Zeroizing::default()),
        Err(e) => Err(AuthError::Setup(format!("cannot read {}: {e}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files() {
        let mut p = Profiles::default();
        p.add(
            "[default]\nregion = us-east-1\n[profile cross]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile = base\n\
             s3 =\n  max_concurrent = 1\n[profile pod]\nrole_arn = r\nweb_identity_token_file = /t\n\
             [profile me]\nsso_session = s\n[sso-session s]\nsso_region = x\n[profile box]\nrole_arn = r\n\
             credential_source = Ec2InstanceMetadata\n[other]\naws_access_key_id = no\n",
            true,
        );
        p.add(
            "[base]\naws_access_key_id = AK # mine\naws_secret_access_key=a=b+c/d==\n; comment\n[default]\n",
            false,
        );
        assert!(matches!(p.find("default").unwrap(), Found::Nothing));
        assert!(matches!(p.find("base").unwrap(), Found::Keys(_)));
        assert_eq!(p.get("base", "aws_access_key_id"), Some("AK"));
        assert_eq!(p.get("base", "aws_secret_access_key"), Some("a=b+c/d=="));
        let Found::Role { role, source } = p.find("cross").unwrap() else { panic!() };
        assert_eq!((role.arn.as_str(), source), ("arn:aws:iam::1:role/x", Base::Profile("base".into())));
        assert!(matches!(p.find("pod").unwrap(), Found::WebIdentity { .. }));
        assert!(matches!(p.find("box").unwrap(), Found::Role { source: Base::Instance, .. }));
        assert!(p.find("me").unwrap_err().to_string().contains("sso_session"));
        assert!(!p.knows("other") && !p.knows("s"));
    }
}
