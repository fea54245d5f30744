//! Sign-in providers as the API reads and writes them. The client secret goes in and never out.

use super::presets::preset;
use crate::params::{line, wrong};
use crate::problem::Problem;
use crate::roles::view::Held;
use crate::state::AdminState;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::oidc::{ClaimNames, GroupRule, OidcProvider, OidcSettings, OidcState};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Rules, default roles, domains, scopes of a provider, at most.
const RULES: usize = 500;
const ROLES: usize = 50;
const DOMAINS: usize = 100;
const SCOPES: usize = 30;

/// Where a provider stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OidcState)]
pub(crate) enum StateWord {
    /// Not tested since it was changed.
    Draft,
    /// A test login has passed: it can be activated.
    Tested,
    /// People can sign in with it.
    Active,
    /// Switched off.
    Disabled,
}

/// Which claims say what: names, or paths with dots to nested ones (`realm_access.roles`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OidcClaims)]
pub(crate) struct Claims {
    /// The e-mail address. The provider's word on whether it is verified holds for the claim `email` alone.
    #[schema(max_length = 200, example = "email")]
    email: String,
    /// The display name.
    #[schema(max_length = 200, example = "name")]
    name: String,
    /// The groups: a list of names, one name, or an object whose members are named so. None: there are no groups.
    #[schema(max_length = 200, example = "groups")]
    groups: Option<String>,
}

/// What the members of a group get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OidcGroupRule)]
pub(crate) struct Rule {
    /// The group, as the claim names it.
    #[schema(max_length = 256)]
    group: String,
    /// Membership of this team.
    #[serde(default)]
    team: Option<Uuid>,
    /// As its manager.
    #[serde(default)]
    manager: bool,
    /// A role.
    #[serde(default)]
    role: Option<Held>,
}

/// A sign-in provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OidcProvider)]
pub(crate) struct ProviderView {
    id: Uuid,
    /// Part of its addresses here.
    slug: String,
    /// For people.
    name: String,
    /// Which preset it began as.
    preset: String,
    /// Its issuer identifier.
    issuer: String,
    /// We there.
    client_id: String,
    /// Whether there is a client secret; it is never shown.
    has_client_secret: bool,
    /// Scopes that are asked for.
    scopes: Vec<String>,
    claims: Claims,
    /// What groups give; taken anew at each sign-in.
    group_rules: Vec<Rule>,
    /// What everybody gets.
    default_roles: Vec<Held>,
    /// Domains of e-mail addresses that may sign in. None: any.
    allowed_domains: Vec<String>,
    /// Users are made at their first sign-in.
    jit: bool,
    /// Only with an address that the provider says it has verified.
    require_email_verified: bool,
    /// The first sign-in may take an existing user of the same verified address, in an allowed domain.
    link_by_email: bool,
    state: StateWord,
    /// To be registered at the provider. None: `admin.public_url` is not set.
    callback_url: Option<String>,
    /// To be registered at the provider, for back-channel logout.
    backchannel_logout_url: Option<String>,
    /// To be registered at the provider, for its sign-out.
    post_logout_redirect_url: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A new sign-in provider. What is left out is as the preset has it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOidcProvider {
    /// Unique, for good.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,39}$", example = "corp")]
    pub(super) slug: String,
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) name: String,
    /// See `GET /api/oidc_presets`.
    #[schema(example = "generic")]
    pub(super) preset: String,
    /// Its issuer identifier, to the letter: an https URL (http only on loopback).
    #[schema(max_length = 500)]
    pub(super) issuer: String,
    /// We there.
    #[schema(min_length = 1, max_length = 500)]
    pub(super) client_id: String,
    /// Our secret there. None: a public client.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) client_secret: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub(super) settings: SettingsPatch,
}

/// What changes of a sign-in provider. What is left out stays. All but the name makes it a draft again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcProviderPatch {
    /// For people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub(super) name: Option<String>,
    /// Its issuer identifier.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(super) issuer: Option<String>,
    /// We there.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub(super) client_id: Option<String>,
    /// Our secret there; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    pub(super) client_secret: Option<Option<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub(super) settings: SettingsPatch,
}

/// What a sign-in makes of the claims.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = OidcSettings)]
pub(crate) struct SettingsPatch {
    /// Scopes that are asked for.
    #[schema(max_items = 30)]
    scopes: Option<Vec<String>>,
    claims: Option<Claims>,
    /// What groups give.
    #[schema(max_items = 500)]
    group_rules: Option<Vec<Rule>>,
    /// What everybody gets.
    #[schema(max_items = 50)]
    default_roles: Option<Vec<Held>>,
    /// Domains of e-mail addresses that may sign in; none: any.
    #[schema(max_items = 100)]
    allowed_domains: Option<Vec<String>>,
    /// Users are made at their first sign-in. Default: false.
    jit: Option<bool>,
    /// Only with an address that the provider says it has verified. Default: true.
    require_email_verified: Option<bool>,
    /// The first sign-in may take an existing user of the same verified address; needs allowed_domains. Default: false.
    link_by_email: Option<bool>,
}

/// Tells `null` (Some(None)) from what is not there (None).
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}

impl SettingsPatch {
    /// What they become.
    pub(super) fn on(self, old: OidcSettings) -> Result<OidcSettings, Problem> {
        let new = OidcSettings {
            scopes: self.scopes.unwrap_or(old.scopes),
            claims: self.claims.map_or(old.claims, |c| ClaimNames {
                email: c.email,
                name: c.name,
                groups: c.groups,
            }),
            group_rules: self
                .group_rules
                .map_or(old.group_rules, |rules| rules.into_iter().map(GroupRule::from).collect()),
            default_roles: self
                .default_roles
                .map_or(old.default_roles, |roles| roles.into_iter().map(HeldRole::from).collect()),
            allowed_domains: self.allowed_domains.unwrap_or(old.allowed_domains),
            jit: self.jit.unwrap_or(old.jit),
            require_email_verified: self.require_email_verified.unwrap_or(old.require_email_verified),
            link_by_email: self.link_by_email.unwrap_or(old.link_by_email),
        };
        fits(&new)?;
        Ok(new)
    }
}

/// As a preset has them.
pub(super) fn preset_settings(id: &str) -> Result<OidcSettings, Problem> {
    let preset =
        preset(id).ok_or_else(|| wrong("preset: there is no such one; see GET /api/oidc_presets"))?;
    Ok(OidcSettings {
        scopes: preset.scopes.iter().map(|s| (*s).to_owned()).collect(),
        claims: preset.claims(),
        group_rules: Vec::new(),
        default_roles: Vec::new(),
        allowed_domains: Vec::new(),
        jit: false,
        require_email_verified: true,
        link_by_email: false,
    })
}

fn short(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    let fine = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(wrong(format!("{field}: 1 to {most} printable characters"))) }
}

fn count(field: &str, count: usize, most: usize) -> Result<(), Problem> {
    if count <= most { Ok(()) } else { Err(wrong(format!("{field}: at most {most} entries"))) }
}

fn fits(s: &OidcSettings) -> Result<(), Problem> {
    count("scopes", s.scopes.len(), SCOPES)?;
    // RFC 6749, 3.3
    let token = |t: &String| {
        (1..=200).contains(&t.len()) && t.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    if !s.scopes.iter().all(token) {
        return Err(wrong("scopes: words of visible ASCII characters, without quotes and backslashes"));
    }
    short("claims.email", &s.claims.email, 200)?;
    short("claims.name", &s.claims.name, 200)?;
    s.claims.groups.as_deref().map_or(Ok(()), |g| short("claims.groups", g, 200))?;
    count("group_rules", s.group_rules.len(), RULES)?;
    for rule in &s.group_rules {
        short("group_rules: group", &rule.group, 256)?;
        if rule.team.is_none() && (rule.role.is_none() || rule.manager) {
            return Err(wrong("group_rules: each gives a team, a role, or both; a manager needs a team"));
        }
    }
    if !s.group_rules.is_empty() && s.claims.groups.is_none() {
        return Err(wrong("group_rules: claims.groups says where the groups are"));
    }
    count("default_roles", s.default_roles.len(), ROLES)?;
    count("allowed_domains", s.allowed_domains.len(), DOMAINS)?;
    let domain = |d: &String| {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        (1..=253).contains(&d.len()) && d.bytes().all(letter) && !d.starts_with('.') && !d.ends_with('.')
    };
    if !s.allowed_domains.iter().all(domain) {
        return Err(wrong("allowed_domains: domains in lower case, such as example.com"));
    }
    if s.link_by_email && (s.allowed_domains.is_empty() || s.claims.email != "email") {
        return Err(wrong("link_by_email: needs allowed_domains, and the claim `email` for the address"));
    }
    Ok(())
}

/// A slug.
pub(super) fn slug(text: String) -> Result<String, Problem> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=40).contains(&text.len()) && text.bytes().all(letter) && !text.starts_with('-') {
        Ok(text)
    } else {
        Err(wrong("slug: 1 to 40 small letters, digits or `-`, a letter or digit first"))
    }
}

/// A name for people.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    line("name", text)
}

/// An issuer identifier (OpenID Connect Discovery 1.0, 3): no query, no fragment.
pub(super) fn issuer(text: String) -> Result<String, Problem> {
    let fine = text.len() <= 500
        && text.bytes().all(|b| b.is_ascii_graphic())
        && url::Url::parse(&text).is_ok_and(|url| {
            let local = match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                None => false,
            };
            let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
            secure
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
    if fine {
        Ok(text)
    } else {
        Err(wrong("issuer: an https URL without query and fragment (http only on loopback)"))
    }
}

/// A client id.
pub(super) fn client_id(text: String) -> Result<String, Problem> {
    short("client_id", &text, 500).map(|()| text)
}

/// A client secret.
pub(super) fn client_secret(text: &str) -> Result<(), Problem> {
    short("client_secret", text, 2000)
}

impl ProviderView {
    /// As it is shown.
    pub(super) fn of(state: &AdminState, p: OidcProvider) -> Self {
        let home = state.oidc().public_url().ok();
        let here = |what: &str| home.map(|home| format!("{home}/api/oidc/{}/{what}", p.slug));
        let s = p.settings;
        Self {
            id: p.id,
            callback_url: here("callback"),
            backchannel_logout_url: here("backchannel_logout"),
            post_logout_redirect_url: home.map(|home| format!("{home}/")),
            slug: p.slug,
            name: p.name,
            preset: p.preset,
            issuer: p.issuer,
            client_id: p.client_id,
            has_client_secret: p.client_secret.is_some(),
            scopes: s.scopes,
            claims: Claims { email: s.claims.email, name: s.claims.name, groups: s.claims.groups },
            group_rules: s.group_rules.into_iter().map(Rule::from).collect(),
            default_roles: s.default_roles.into_iter().map(Held::from).collect(),
            allowed_domains: s.allowed_domains,
            jit: s.jit,
            require_email_verified: s.require_email_verified,
            link_by_email: s.link_by_email,
            state: p.state.into(),
            created_at: p.created_at,
            updated_at: p.updated_at,
        }
    }
}

impl From<OidcState> for StateWord {
    fn from(state: OidcState) -> Self {
        match state {
            OidcState::Draft => Self::Draft,
            OidcState::Tested => Self::Tested,
            OidcState::Active => Self::Active,
            OidcState::Disabled => Self::Disabled,
        }
    }
}

impl From<Rule> for GroupRule {
    fn from(r: Rule) -> Self {
        Self { group: r.group, team: r.team, manager: r.manager, role: r.role.map(HeldRole::from) }
    }
}

impl From<GroupRule> for Rule {
    fn from(r: GroupRule) -> Self {
        Self { group: r.group, team: r.team, manager: r.manager, role: r.role.map(Held::from) }
    }
}
