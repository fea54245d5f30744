//! What a person wants of a key, checked.

use crate::caller::Caller;
use crate::params::wrong;
use crate::problem::Problem;
use sallyport_config::addresses;
use sallyport_config::key::VirtualKey;
use sallyport_schema::access::{Assignment, Effect, Grant, Role, Scope};
use sallyport_schema::store::virtual_keys::{KeyChange, KeyDetail, NewKey, Rotation};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest list, and most members.
const MOST: usize = 200;
/// Longest text.
const LONGEST: usize = 200;
/// Longest grace of a rotation: 90 days.
const GRACE: u64 = 90 * 86_400;

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The user who owns it.
    #[serde(default)]
    user: Option<Uuid>,
    /// The service account that owns it.
    #[serde(default)]
    service_account: Option<Uuid>,
    /// The team that it is for: its allow-lists hold too, and roles that hold in it.
    #[serde(default)]
    team: Option<Uuid>,
    /// Surfaces that it may use (`chat`, `messages`, `*`); empty: none.
    #[serde(default)]
    surfaces: Vec<String>,
    /// Models that it may use, exact names or globs; empty: none.
    #[serde(default)]
    models: Vec<String>,
    /// MCP tools that it may call, `server/tool` or globs; empty: none.
    #[serde(default)]
    tools: Vec<String>,
    /// Client addresses that may use it (CIDR); null: any.
    #[serde(default)]
    networks: Option<Vec<String>>,
    /// For finding.
    #[serde(default)]
    tags: Vec<String>,
    /// Anything else.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Refused from then on; null: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Seconds without use after which it is disabled.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 315360000)]
    idle_timeout: Option<i64>,
    /// When it is replaced by itself; null: never.
    #[serde(default)]
    rotation: Option<RotationPolicy>,
}

/// When a key is replaced by itself. The new secret waits, sealed, until it is fetched, once; the replaced key stays good
/// for the grace.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationPolicy {
    /// Seconds after which it is replaced: a day to ten years.
    #[schema(minimum = 86400, maximum = 315360000)]
    every: i64,
    /// Seconds that the replaced one stays good: an hour to 90 days; default: 7 days.
    #[serde(default = "week")]
    #[schema(minimum = 3600, maximum = 7776000, default = 604800)]
    grace: i64,
}

const fn week() -> i64 {
    7 * 86_400
}

impl RotationPolicy {
    fn read(self) -> Result<Rotation, Problem> {
        if !(86_400..=315_360_000).contains(&self.every) {
            return Err(wrong("rotation.every: a day (86400) to ten years of seconds"));
        }
        if !(3600..=7_776_000).contains(&self.grace) {
            return Err(wrong("rotation.grace: an hour (3600) to 90 days of seconds"));
        }
        Ok(Rotation { every: self.every, grace: self.grace })
    }
}

impl From<Rotation> for RotationPolicy {
    fn from(r: Rotation) -> Self {
        Self { every: r.every, grace: r.grace }
    }
}

/// What changes of a key; what is not named stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChangeKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Surfaces that it may use.
    surfaces: Option<Vec<String>>,
    /// Models that it may use.
    models: Option<Vec<String>>,
    /// MCP tools that it may call.
    tools: Option<Vec<String>>,
    /// Client addresses that may use it; null: any.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    networks: Option<Option<Vec<String>>>,
    /// For finding.
    tags: Option<Vec<String>>,
    /// Anything else.
    metadata: Option<BTreeMap<String, String>>,
    /// Refused from then on; null: never.
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<OffsetDateTime>>,
    /// Seconds without use after which it is disabled; null: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 315360000)]
    idle_timeout: Option<Option<i64>>,
    /// When it is replaced by itself; null: never.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<RotationPolicy>)]
    rotation: Option<Option<RotationPolicy>>,
}

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RotateKey {
    /// Seconds that the old secret stays good: at most 90 days; default: a day.
    #[schema(maximum = 7776000, default = 86400)]
    grace_seconds: Option<u64>,
}

/// Tells `null` (Some(None)) from what is not there (None).
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}

fn instant<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(d).map(Some)
}

fn text(field: &str, value: &str) -> Result<(), Problem> {
    let fine = (1..=LONGEST).contains(&value.chars().count()) && !value.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(wrong(format!("{field}: 1 to {LONGEST} printable characters"))) }
}

fn list(field: &str, values: &[String]) -> Result<(), Problem> {
    if values.len() > MOST {
        return Err(wrong(format!("{field}: at most {MOST} entries")));
    }
    values.iter().try_for_each(|v| text(field, v))
}

fn networks(values: Option<&Vec<String>>) -> Result<(), Problem> {
    let Some(values) = values else { return Ok(()) };
    list("networks", values)?;
    match values.iter().find(|v| addresses::network(v).is_none()) {
        Some(bad) => Err(wrong(format!("networks: `{bad}` is no address and no network such as 10.0.0.0/8"))),
        None => Ok(()),
    }
}

fn metadata(values: &BTreeMap<String, String>) -> Result<(), Problem> {
    if values.len() > MOST {
        return Err(wrong(format!("metadata: at most {MOST} members")));
    }
    values.iter().try_for_each(|(k, v)| {
        text("metadata", k)?;
        if v.chars().count() <= 1000 && !v.contains('\0') {
            Ok(())
        } else {
            Err(wrong("metadata: values of at most 1000 characters"))
        }
    })
}

fn end(at: Option<OffsetDateTime>) -> Result<(), Problem> {
    if at.is_some_and(|at| at <= OffsetDateTime::now_utc()) {
        return Err(wrong("expires_at: an instant that is still to come"));
    }
    Ok(())
}

fn idle(seconds: Option<i64>) -> Result<(), Problem> {
    match seconds {
        Some(s) if !(60..=315_360_000).contains(&s) => Err(wrong("idle_timeout: 60 seconds to ten years")),
        _ => Ok(()),
    }
}

impl CreateKey {
    /// Checks it.
    pub(crate) fn read(self, secret: &VirtualKey) -> Result<NewKey, Problem> {
        text("name", &self.name)?;
        let (surfaces, models) = (("surfaces", &self.surfaces), ("models", &self.models));
        for (field, values) in [surfaces, models, ("tools", &self.tools), ("tags", &self.tags)] {
            list(field, values)?;
        }
        networks(self.networks.as_ref())?;
        metadata(&self.metadata)?;
        end(self.expires_at)?;
        idle(self.idle_timeout)?;
        if self.user.is_some() && self.service_account.is_some() {
            return Err(wrong("a key has one owner: `user` or `service_account`"));
        }
        Ok(NewKey {
            hash: secret.hash,
            prefix: secret.prefix.clone(),
            name: self.name,
            user: self.user,
            account: self.service_account,
            team: self.team,
            surfaces: self.surfaces,
            models: self.models,
            tools: self.tools,
            networks: self.networks,
            tags: self.tags,
            metadata: self.metadata,
            expires_at: self.expires_at,
            idle_timeout: self.idle_timeout,
            rotation: self.rotation.map(RotationPolicy::read).transpose()?,
        })
    }
}

impl ChangeKey {
    /// Checks it.
    pub(crate) fn read(self) -> Result<KeyChange, Problem> {
        if let Some(name) = &self.name {
            text("name", name)?;
        }
        let (surfaces, models) = (("surfaces", &self.surfaces), ("models", &self.models));
        for (field, values) in [surfaces, models, ("tools", &self.tools), ("tags", &self.tags)] {
            values.as_ref().map_or(Ok(()), |v| list(field, v))?;
        }
        networks(self.networks.as_ref().and_then(Option::as_ref))?;
        self.metadata.as_ref().map_or(Ok(()), metadata)?;
        end(self.expires_at.flatten())?;
        idle(self.idle_timeout.flatten())?;
        Ok(KeyChange {
            name: self.name,
            surfaces: self.surfaces,
            models: self.models,
            tools: self.tools,
            networks: self.networks,
            tags: self.tags,
            metadata: self.metadata,
            expires_at: self.expires_at,
            idle_timeout: self.idle_timeout,
            rotation: self.rotation.map(|r| r.map(RotationPolicy::read).transpose()).transpose()?,
        })
    }
}

impl RotateKey {
    /// How long the old secret stays good.
    pub(crate) fn grace(&self) -> Result<Duration, Problem> {
        match self.grace_seconds.unwrap_or(86_400) {
            s if s <= GRACE => Ok(Duration::from_secs(s)),
            _ => Err(wrong(format!("grace_seconds: at most {GRACE}"))),
        }
    }
}

/// What the lists of a key open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'a> {
    /// Surfaces.
    pub(crate) surfaces: &'a [String],
    /// Models.
    pub(crate) models: &'a [String],
    /// MCP tools.
    pub(crate) tools: &'a [String],
}

impl<'a> Opened<'a> {
    /// By a key as it is.
    pub(crate) fn by(key: &'a KeyDetail) -> Self {
        Self { surfaces: &key.surfaces, models: &key.models, tools: &key.tools }
    }
}

/// The caller may call all that these lists open, or a key would give him (or another) what he has not. A key of his own
/// is bounded by his roles at each call: there is nothing to ask.
pub(crate) fn covered(
    caller: &Caller,
    owner: Option<Uuid>,
    opened: Opened<'_>,
    team: Option<Uuid>,
) -> Result<(), Problem> {
    if owner.is_some() && owner == caller.user() {
        return Ok(());
    }
    let grant = Grant {
        effect: Effect::Allow,
        scope: Scope::Own,
        permissions: Vec::new(),
        surfaces: opened.surfaces.to_vec(),
        models: opened.models.to_vec(),
        tools: opened.tools.to_vec(),
    };
    let role = Role { name: "key".into(), description: String::new(), grants: vec![grant] };
    caller.covers(&[Assignment { role, team }])
}
