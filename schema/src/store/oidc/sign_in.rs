//! Somebody comes back from a sign-in provider: who it is here, what the provider gives him, and his session.

use super::super::people::{Person, SUPER_ADMINS, by_id, known, lock, super_admins};
use super::super::sessions::Session;
use super::super::tx::Tx;
use super::{OidcProvider, OidcState, Store, locked};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use serde_json::json;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// Whom a provider has signed in, and what its rules give him.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcLogin {
    /// Which provider.
    pub provider: Uuid,
    /// The configuration that the rules are from.
    pub configuration: i64,
    /// Who he is there.
    pub subject: String,
    /// His e-mail address, as it is kept.
    pub email: Option<String>,
    /// His name.
    pub name: Option<String>,
    /// An existing user of this address may become his.
    pub may_link: bool,
    /// A user may be made.
    pub may_create: bool,
    /// Teams, and whether he manages them.
    pub teams: Vec<(Uuid, bool)>,
    /// Roles.
    pub roles: Vec<HeldRole>,
}

/// The session that begins.
#[derive(Clone, Debug)]
pub struct OidcSession {
    /// The session; user and epoch are put in.
    pub session: Session,
    /// SHA-256 of its first refresh secret.
    pub refresh: [u8; 32],
    /// The provider's name of its session.
    pub sid: Option<String>,
    /// Where to sign out there.
    pub end_session: Option<String>,
    /// Envelope of the ID token.
    pub id_token: Option<Vec<u8>>,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcRefusal {
    /// It began with another configuration.
    #[error("the sign-in provider has been changed or switched off meanwhile: begin again")]
    Changed,
    /// Deactivated, or deleted.
    #[error("the account is deactivated")]
    Deactivated,
    /// Somebody here has this address.
    #[error("there is a user of this e-mail address already, who does not sign in with this provider")]
    EmailTaken,
    /// Nobody is made.
    #[error("there is no user for this account, and this provider makes none: ask an administrator")]
    Unknown,
    /// A user needs an address.
    #[error("the provider gives no usable e-mail address")]
    NoEmail,
}

/// Who an account of a provider is here.
enum Found {
    Known(Person),
    /// By address; not linked yet.
    Linkable(Person),
    New(String),
}

impl Store {
    /// Signs in: finds or makes the user, gives and takes what the rules say, begins the session. All or nothing.
    pub async fn oidc_sign_in(
        &self,
        login: &OidcLogin,
        mut begun: OidcSession,
        actor: &Actor,
    ) -> Result<Result<(Person, Session), OidcRefusal>, StoreError> {
        self.bounded("signing in", async {
            let mut tx = self.begin().await?;
            // everybody takes these in one order
            lock(&mut tx, SUPER_ADMINS).await?;
            let provider = locked(&mut tx, login.provider, None).await?;
            if provider.state != OidcState::Active || provider.configuration != login.configuration {
                tx.commit().await?;
                return Ok(Err(OidcRefusal::Changed));
            }
            let by = Actor {
                kind: "system",
                id: Some(provider.id.to_string()),
                name: format!("oidc:{}", provider.slug),
                ..actor.clone()
            };
            let found = match find(&mut tx, &provider, login).await? {
                Ok(found) => found,
                Err(refusal) => {
                    tx.commit().await?;
                    return Ok(Err(refusal));
                }
            };
            let (id, before) = match found {
                Found::Known(person) => (person.id, Some(person)),
                Found::Linkable(person) => {
                    identify(&mut tx, &provider, login, person.id).await?;
                    (person.id, Some(person))
                }
                Found::New(email) => (create(&mut tx, &provider, login, &email).await?, None),
            };
            let supers = super_admins(&mut tx).await?;
            let changed = give_and_take(&mut tx, login, id, &by.name).await?;
            if supers > 0 && super_admins(&mut tx).await? == 0 {
                let why = "the provider would take the role of the last super admin who can sign in away";
                return Err(StoreError::Conflict { what: "user", why });
            }
            if changed && before.is_some() {
                sqlx::query("UPDATE users SET epoch = epoch + 1 WHERE id = $1")
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query("UPDATE users SET last_login_at = now() WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "UPDATE oidc_identities SET last_login_at = now()
                 WHERE provider_id = $1 AND issuer = $2 AND subject = $3",
            )
            .bind(provider.id)
            .bind(&provider.issuer)
            .bind(&login.subject)
            .execute(&mut *tx)
            .await?;
            let missing = || StoreError::NotFound { what: "user", name: id.to_string() };
            let person = by_id(&mut tx, id).await?.ok_or_else(missing)?;
            begun.session.user = person.id;
            begun.session.epoch = person.epoch;
            insert(&mut tx, &provider, login, &begun).await?;
            let shown = Some(person.shown());
            match before {
                None => {
                    let event = Event::done("user.create").on("user", id, &person.email).changed(None, shown);
                    tx.note(&by, &event).await?;
                }
                Some(before) if changed => {
                    let event = Event::done("user.update").on("user", id, &person.email);
                    tx.note(&by, &event.changed(Some(before.shown()), shown)).await?;
                }
                Some(_) => {}
            }
            let himself =
                Actor { kind: "user", id: Some(id.to_string()), name: person.email.clone(), ..actor.clone() };
            let after = json!({"session": begun.session.id, "method": begun.session.method});
            let event = Event::done("session.sign_in").on("user", id, &person.email);
            tx.note(&himself, &event.changed(None, Some(after))).await?;
            tx.commit().await?;
            Ok(Ok((person, begun.session)))
        })
        .await
    }

    /// What the sign-in would come to, for a test login: an existing user, a new one (None), or a refusal.
    pub async fn oidc_would_sign_in(
        &self,
        login: &OidcLogin,
    ) -> Result<Result<Option<Person>, OidcRefusal>, StoreError> {
        self.bounded("trying a sign-in", async {
            let mut tx = self.begin().await?;
            let provider = locked(&mut tx, login.provider, None).await?;
            if provider.configuration != login.configuration {
                tx.commit().await?;
                return Ok(Err(OidcRefusal::Changed));
            }
            let found = find(&mut tx, &provider, login).await?;
            tx.commit().await?;
            Ok(found.map(|found| match found {
                Found::Known(person) | Found::Linkable(person) => Some(person),
                Found::New(_) => None,
            }))
        })
        .await
    }
}

async fn find(
    tx: &mut Tx,
    provider: &OidcProvider,
    login: &OidcLogin,
) -> Result<Result<Found, OidcRefusal>, StoreError> {
    let known = sqlx::query(
        "SELECT user_id FROM oidc_identities WHERE provider_id = $1 AND issuer = $2 AND subject = $3",
    )
    .bind(provider.id)
    .bind(&provider.issuer)
    .bind(&login.subject)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = known {
        let id: Uuid = row.try_get(0)?;
        return Ok(match row_of(tx, id).await?.filter(usable) {
            Some(person) => Ok(Found::Known(person)),
            None => Err(OidcRefusal::Deactivated),
        });
    }
    let Some(email) = &login.email else { return Ok(Err(OidcRefusal::NoEmail)) };
    let taken = sqlx::query("SELECT id FROM users WHERE email = lower($1) AND deleted_at IS NULL")
        .bind(email)
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(row) = taken {
        if !login.may_link {
            return Ok(Err(OidcRefusal::EmailTaken));
        }
        let Some(person) = row_of(tx, row.try_get(0)?).await?.filter(usable) else {
            return Ok(Err(OidcRefusal::Deactivated));
        };
        // another account of the provider is this user already
        let other = sqlx::query(
            "SELECT 1 FROM oidc_identities WHERE user_id = $1 AND provider_id = $2 AND issuer = $3",
        )
        .bind(person.id)
        .bind(provider.id)
        .bind(&provider.issuer)
        .fetch_optional(&mut **tx)
        .await?;
        return Ok(match other {
            Some(_) => Err(OidcRefusal::EmailTaken),
            None => Ok(Found::Linkable(person)),
        });
    }
    Ok(if login.may_create { Ok(Found::New(email.clone())) } else { Err(OidcRefusal::Unknown) })
}

fn usable(person: &Person) -> bool {
    person.active && person.deleted_at.is_none()
}

/// The user, locked until the end of the transaction.
async fn row_of(tx: &mut Tx, id: Uuid) -> Result<Option<Person>, StoreError> {
    sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **tx).await?;
    Ok(by_id(tx, id).await?)
}

async fn create(
    tx: &mut Tx,
    provider: &OidcProvider,
    login: &OidcLogin,
    email: &str,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let name = login.name.as_deref().unwrap_or(email);
    sqlx::query("INSERT INTO users (id, email, name, source) VALUES ($1, lower($2), $3, 'oidc')")
        .bind(id)
        .bind(email)
        .bind(name)
        .execute(&mut **tx)
        .await?;
    identify(tx, provider, login, id).await?;
    Ok(id)
}

async fn identify(
    tx: &mut Tx,
    provider: &OidcProvider,
    login: &OidcLogin,
    user: Uuid,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO oidc_identities (provider_id, issuer, subject, user_id) VALUES ($1, $2, $3, $4)",
    )
    .bind(provider.id)
    .bind(&provider.issuer)
    .bind(&login.subject)
    .bind(user)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives what the rules say, takes back what the provider gave and they say no longer. What is somebody else's gift is
/// left alone. Whether anything changed.
async fn give_and_take(tx: &mut Tx, login: &OidcLogin, user: Uuid, by: &str) -> Result<bool, StoreError> {
    let (names, places): (Vec<&str>, Vec<Option<Uuid>>) =
        login.roles.iter().map(|r| (r.role.as_str(), r.team)).unzip();
    let mut changes = sqlx::query(
        "DELETE FROM role_assignments a WHERE user_id = $1 AND oidc_provider = $2
             AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::uuid[]) AS w(role, team)
                             WHERE w.role = a.role AND w.team IS NOT DISTINCT FROM a.team_id)",
    )
    .bind(user)
    .bind(login.provider)
    .bind(names)
    .bind(places)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    for held in &login.roles {
        match known(tx, &held.role).await {
            Ok(()) => {}
            // a rule may outlive its role: it gives nothing
            Err(StoreError::NotFound { .. }) => continue,
            Err(e) => return Err(e),
        }
        changes += sqlx::query(
            "INSERT INTO role_assignments (user_id, role, team_id, created_by, oidc_provider)
             SELECT $1, $2, $3, $4, $5 WHERE $3::uuid IS NULL
                 OR EXISTS (SELECT 1 FROM teams WHERE id = $3 AND deleted_at IS NULL)
             ON CONFLICT DO NOTHING",
        )
        .bind(user)
        .bind(&held.role)
        .bind(held.team)
        .bind(by)
        .bind(login.provider)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    let teams: Vec<Uuid> = login.teams.iter().map(|(team, _)| *team).collect();
    changes += sqlx::query(
        "DELETE FROM team_members WHERE user_id = $1 AND oidc_provider = $2 AND team_id <> ALL($3)",
    )
    .bind(user)
    .bind(login.provider)
    .bind(teams)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    for (team, manager) in &login.teams {
        changes += sqlx::query(
            "INSERT INTO team_members AS m (team_id, user_id, role, oidc_provider)
             SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM teams WHERE id = $1 AND deleted_at IS NULL)
             ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role
                 WHERE m.oidc_provider = excluded.oidc_provider AND m.role <> excluded.role",
        )
        .bind(team)
        .bind(user)
        .bind(if *manager { "manager" } else { "member" })
        .bind(login.provider)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    Ok(changes > 0)
}

async fn insert(
    tx: &mut Tx,
    provider: &OidcProvider,
    login: &OidcLogin,
    begun: &OidcSession,
) -> Result<(), StoreError> {
    let s = &begun.session;
    sqlx::query(
        "INSERT INTO sessions (id, user_id, refresh_hash, epoch, method, address, agent, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6::inet, $7, $8, $8, $9)",
    )
    .bind(s.id)
    .bind(s.user)
    .bind(&begun.refresh[..])
    .bind(s.epoch)
    .bind(&s.method)
    .bind(s.address.to_string())
    .bind(&s.agent)
    .bind(s.created_at)
    .bind(s.expires_at)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO oidc_sessions (session_id, provider_id, issuer, subject, sid, end_session, id_token)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(s.id)
    .bind(provider.id)
    .bind(&provider.issuer)
    .bind(&login.subject)
    .bind(&begun.sid)
    .bind(&begun.end_session)
    .bind(&begun.id_token)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A session without its user, for [`OidcSession`].
pub fn unnamed(
    id: Uuid,
    method: String,
    address: std::net::IpAddr,
    agent: String,
    until: OffsetDateTime,
) -> Session {
    let now = OffsetDateTime::now_utc();
    Session {
        id,
        user: Uuid::nil(),
        epoch: 0,
        method,
        address,
        agent,
        created_at: now,
        seen_at: now,
        expires_at: until,
        ended_at: None,
    }
}
