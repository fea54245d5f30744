//! What differs between identity providers, as a beginning for one's own settings.

use crate::problem::Problem;
use axum::Json;
use sallyport_schema::store::oidc::ClaimNames;
use serde::Serialize;
use utoipa::ToSchema;

/// A preset.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = OidcPreset)]
pub(crate) struct Preset {
    /// Its name.
    pub(super) id: &'static str,
    /// The product.
    name: &'static str,
    /// What an issuer looks like.
    issuer: &'static str,
    /// Scopes to ask for.
    pub(super) scopes: &'static [&'static str],
    /// Claim with the e-mail address.
    email: &'static str,
    /// Claim with the name.
    display_name: &'static str,
    /// Claim with the groups.
    groups: Option<&'static str>,
    /// What must be set there.
    notes: &'static str,
}

impl Preset {
    /// Its claims.
    pub(super) fn claims(&self) -> ClaimNames {
        ClaimNames {
            email: self.email.to_owned(),
            name: self.display_name.to_owned(),
            groups: self.groups.map(str::to_owned),
        }
    }
}

const PLAIN: &[&str] = &["openid", "profile", "email"];

/// All presets. Sources: the products' own documentation of their OIDC claims.
pub(super) const PRESETS: [Preset; 7] = [
    Preset {
        id: "zitadel",
        name: "Zitadel",
        issuer: "https://INSTANCE.zitadel.cloud",
        scopes: &["openid", "profile", "email", "urn:zitadel:iam:org:project:roles"],
        email: "email",
        display_name: "name",
        groups: Some("urn:zitadel:iam:org:project:roles"),
        notes: "A web application with code flow. Groups are the roles of its project: switch on `Assert roles on \
                authentication`.",
    },
    Preset {
        id: "okta",
        name: "Okta",
        issuer: "https://ORGANISATION.okta.com",
        scopes: &["openid", "profile", "email", "groups"],
        email: "email",
        display_name: "name",
        groups: Some("groups"),
        notes: "A web application; add a groups claim filter to its ID token.",
    },
    Preset {
        id: "entra",
        name: "Microsoft Entra ID",
        issuer: "https://login.microsoftonline.com/TENANT-ID/v2.0",
        scopes: PLAIN,
        email: "email",
        display_name: "name",
        groups: Some("groups"),
        notes: "The issuer of one tenant (not `common`). Add the optional claims `email`, `xms_edov` and `groups` to the ID \
                token. There is no `email_verified`: `xms_edov` stands for it, and without either only \
                require_email_verified: false lets people in. Groups are object ids; assign only the groups of the \
                application, for above 200 Entra sends none and the sign-in is refused.",
    },
    Preset {
        id: "google",
        name: "Google",
        issuer: "https://accounts.google.com",
        scopes: PLAIN,
        email: "email",
        display_name: "name",
        groups: None,
        notes: "Set allowed_domains: anybody has a Google account. Google sends no groups.",
    },
    Preset {
        id: "keycloak",
        name: "Keycloak",
        issuer: "https://HOST/realms/REALM",
        scopes: PLAIN,
        email: "email",
        display_name: "name",
        groups: Some("realm_access.roles"),
        notes: "Add the mapper `realm roles` to the ID token (or a `Group Membership` mapper, and the claim `groups`).",
    },
    Preset {
        id: "auth0",
        name: "Auth0",
        issuer: "https://TENANT.auth0.com/",
        scopes: PLAIN,
        email: "email",
        display_name: "name",
        groups: None,
        notes: "The issuer ends with a slash. Groups come from a claim with a name of your own that an Action adds, such as \
                https://sallyport.corp/groups.",
    },
    Preset {
        id: "generic",
        name: "OpenID Connect",
        issuer: "https://HOST",
        scopes: PLAIN,
        email: "email",
        display_name: "name",
        groups: Some("groups"),
        notes: "Any provider with discovery (/.well-known/openid-configuration) and the code flow.",
    },
];

/// The preset of this name.
pub(super) fn preset(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.id == id)
}

/// All presets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OidcPresets)]
pub(crate) struct Presets {
    /// The presets.
    items: &'static [Preset],
}

/// Presets
#[utoipa::path(get, path = "/api/oidc_presets", tag = "sign-in", operation_id = "listOidcPresets",
    responses((status = 200, description = "What differs between identity providers.", body = Presets)))]
pub(crate) async fn list() -> Result<Json<Presets>, Problem> {
    Ok(Json(Presets { items: &PRESETS }))
}
