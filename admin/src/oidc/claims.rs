//! What claims say, by the provider's rules: who it is, and what he gets.

use super::OidcError;
use crate::sign_in;
use sallyport_schema::store::oidc::OidcProvider;
use sallyport_schema::store::oidc::sign_in::OidcLogin;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Longest subject (OpenID Connect Core 1.0, 2) and session name, in bytes.
const SUBJECT: usize = 255;
/// Groups of a person that are looked at; with more the sign-in is refused rather than half a mapping taken.
const GROUPS: usize = 5000;

/// The claim of this name; or, with dots, the nested one. Names may have dots themselves (`https://example.com/groups`),
/// so the whole name is looked for first.
fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let found = claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        claim(claims.get(first)?.as_object()?, rest)
    });
    found.filter(|v| !v.is_null())
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claim(claims, name)?.as_str().filter(|t| !t.is_empty())
}

/// The provider's name of its session.
pub(super) fn sid(claims: &Map<String, Value>) -> Option<String> {
    let sid = claims.get("sid")?.as_str()?;
    (!sid.is_empty() && sid.len() <= SUBJECT && !sid.chars().any(char::is_control)).then(|| sid.to_owned())
}

/// Whether userinfo could say more.
pub(super) fn lacks(provider: &OidcProvider, claims: &Map<String, Value>) -> bool {
    let names = &provider.settings.claims;
    let groups = names.groups.as_ref();
    text(claims, &names.email).is_none()
        || text(claims, &names.name).is_none()
        || groups.is_some_and(|g| claim(claims, g).is_none())
}

/// Puts in what userinfo says besides. An address and the word on whether it is verified come from one place.
pub(super) fn merge(claims: &mut Map<String, Value>, more: Map<String, Value>) {
    if !claims.contains_key("email") {
        claims.remove("email_verified");
        claims.remove("xms_edov");
    }
    let had_email = claims.contains_key("email");
    for (name, value) in more {
        if had_email && matches!(name.as_str(), "email_verified" | "xms_edov") {
            continue;
        }
        claims.entry(name).or_insert(value);
    }
}

/// What the claims come to. Who is not welcome is refused.
pub(super) fn login(provider: &OidcProvider, claims: &Map<String, Value>) -> Result<OidcLogin, OidcError> {
    let settings = &provider.settings;
    let refused = |why: &str| OidcError::Refused(why.to_owned());
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > SUBJECT || subject.chars().any(char::is_control) {
        return Err(OidcError::Token("its subject cannot be used".to_owned()));
    }
    let email = match text(claims, &settings.claims.email) {
        // other letters may become these ones in lower case
        Some(email) if !email.is_ascii() => {
            return Err(refused("the provider gives an e-mail address that is not ASCII"));
        }
        Some(email) => {
            Some(sign_in::email(email).map_err(|_| refused("the provider gives no usable e-mail address"))?)
        }
        None => None,
    };
    let verified = email.is_some() && is_verified(provider, claims);
    if settings.require_email_verified && !verified {
        return Err(refused("the provider does not say that it has verified the e-mail address"));
    }
    if !settings.allowed_domains.is_empty() {
        let domain = email.as_deref().and_then(|e| e.rsplit_once('@')).map(|(_, domain)| domain);
        if !domain.is_some_and(|d| settings.allowed_domains.iter().any(|a| a == d)) {
            return Err(refused("the e-mail address is not of a domain that may sign in here"));
        }
    }
    let groups = groups(provider, claims)?;
    let mut roles = settings.default_roles.clone();
    let mut teams: Vec<(Uuid, bool)> = Vec::new();
    for rule in settings.group_rules.iter().filter(|r| groups.contains(&r.group.as_str())) {
        if let Some(role) = &rule.role
            && !roles.contains(role)
        {
            roles.push(role.clone());
        }
        if let Some(team) = rule.team {
            match teams.iter_mut().find(|(t, _)| *t == team) {
                Some((_, manager)) => *manager |= rule.manager,
                None => teams.push((team, rule.manager)),
            }
        }
    }
    let name = text(claims, &settings.claims.name).and_then(|n| sign_in::display_name(n).ok());
    Ok(OidcLogin {
        provider: provider.id,
        configuration: provider.configuration,
        subject: subject.to_owned(),
        email,
        name,
        may_link: settings.link_by_email && verified && !settings.allowed_domains.is_empty(),
        may_create: settings.jit,
        teams,
        roles,
    })
}

/// `email_verified` speaks of the claim `email` alone. Entra has `xms_edov` instead (whether the domain's owner is
/// verified), as an optional claim.
fn is_verified(provider: &OidcProvider, claims: &Map<String, Value>) -> bool {
    if provider.settings.claims.email != "email" {
        return false;
    }
    match claims.get("email_verified") {
        Some(v) => yes(v),
        None if provider.preset == "entra" => {
            claims.get("xms_edov").is_some_and(|v| yes(v) || v.as_str() == Some("1") || v.as_i64() == Some(1))
        }
        None => false,
    }
}

fn yes(value: &Value) -> bool {
    *value == Value::Bool(true) || value.as_str() == Some("true")
}

/// A list of names, one name, or an object whose members are named so (Zitadel's roles).
fn groups<'c>(provider: &OidcProvider, claims: &'c Map<String, Value>) -> Result<Vec<&'c str>, OidcError> {
    let Some(name) = &provider.settings.claims.groups else { return Ok(Vec::new()) };
    // Entra, above 200 groups: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    let elsewhere =
        claims.get("_claim_names").and_then(Value::as_object).is_some_and(|n| n.contains_key(name))
            || (name == "groups" && claims.get("hasgroups").is_some_and(yes));
    if elsewhere {
        let why = "the provider sends no groups because there are too many (groups overage): let it send only those that \
                   are assigned to the application";
        return Err(OidcError::Refused(why.to_owned()));
    }
    let found: Vec<&str> = match claim(claims, name) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(all)) => all.keys().map(String::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    if found.len() > GROUPS {
        return Err(OidcError::Refused(format!("the provider sends more than {GROUPS} groups")));
    }
    Ok(found)
}

/// Claims as they are kept for people to look at: bounded, and fit for Postgres (no NUL).
pub(super) fn shown(value: &Value, depth: u8) -> Value {
    let short = |t: &str| t.chars().filter(|c| *c != '\0').take(1000).collect::<String>();
    match value {
        Value::String(t) => Value::String(short(t)),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::String("…".to_owned()),
        Value::Array(all) => all.iter().take(300).map(|v| shown(v, depth - 1)).collect(),
        Value::Object(all) => {
            Value::Object(all.iter().take(300).map(|(k, v)| (short(k), shown(v, depth - 1))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
