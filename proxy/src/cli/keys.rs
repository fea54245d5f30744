//! `sallyport keys`: virtual keys from the command line.

use super::{Failure, Files, load, print, runtime, state};
use clap::{Args, Subcommand};
use sallyport_config::units::Duration;
use sallyport_filters::key::VirtualKey;
use sallyport_schema::audit::Actor;
use sallyport_schema::rows::KeyRow;
use sallyport_schema::store::virtual_keys::{KeyDetail, NewKey};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Create a virtual key and print its secret, this once
    #[command(
        after_help = "Example:\n  sallyport keys create -c config/base.yaml --name ci --surfaces chat,embeddings \\\n    \
        --models 'gpt-*' --expires 30d\n\nWithout --surfaces or --models the key may use nothing; without --tools it may call no MCP tool."
    )]
    Create(Box<Create>),
    /// List the virtual keys
    List {
        #[command(flatten)]
        files: Files,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a virtual key, for good; every gateway on the database refuses it within a second
    Revoke {
        #[command(flatten)]
        files: Files,
        /// The key's id or prefix (as `keys list` prints them)
        key: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    files: Files,
    /// What a person calls it
    #[arg(long)]
    name: String,
    /// Surfaces that it may use: names or globs, separated by commas ('*' = all)
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    surfaces: Vec<String>,
    /// Models that it may use: names or globs, separated by commas ('*' = all)
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    models: Vec<String>,
    /// MCP tools that it may call: server/tool or globs, separated by commas ('*' = all)
    #[arg(long, visible_alias = "tool", value_delimiter = ',', value_name = "LIST")]
    tools: Vec<String>,
    /// Time until it expires: 12h, 30d
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires: Option<std::time::Duration>,
    /// E-mail of the user who owns it
    #[arg(long, value_name = "EMAIL", conflicts_with = "team")]
    user: Option<String>,
    /// Name of the team that owns it
    #[arg(long)]
    team: Option<String>,
    /// Print the secret only
    #[arg(long, short)]
    quiet: bool,
}

/// `30d`, or what [`Duration`] reads.
fn lifetime(text: &str) -> Result<std::time::Duration, String> {
    let days = text.strip_suffix('d').and_then(|n| n.parse::<u64>().ok());
    let time = match days.and_then(|d| d.checked_mul(86_400)) {
        Some(s) => std::time::Duration::from_secs(s),
        None => {
            text.parse::<Duration>().map_err(|_| format!("'{text}' is not a time such as 12h or 30d"))?.get()
        }
    };
    if time.is_zero() { Err("a key that expires at once is of no use".into()) } else { Ok(time) }
}

pub(super) fn run(command: Keys) -> Result<ExitCode, Failure> {
    let runtime = runtime(2)?;
    match command {
        Keys::Create(c) => runtime.block_on(create(*c)),
        Keys::List { files, json } => runtime.block_on(list(&files, json)),
        Keys::Revoke { files, key } => runtime.block_on(revoke(&files, &key)),
    }
}

async fn create(c: Create) -> Result<ExitCode, Failure> {
    let loaded = load(&c.files.config)?;
    let db = state::open(&loaded.config).await?;
    let made = insert(&db, &c).await;
    db.close().await;
    let (key, row) = made?;
    let secret = key.secret.expose();
    if c.quiet {
        return print(&format!("{secret}\n"));
    }
    let mut out = format!("Created the virtual key '{}' ({}).\n", row.name, row.id);
    for (what, list) in [("surfaces", &row.surfaces), ("models", &row.models)] {
        if list.is_empty() {
            let _ = writeln!(out, "It may use no {what}: give --{what} when you create a key.");
        }
    }
    let _ = writeln!(out, "Its secret is shown this once: {secret}");
    print(&out)
}

async fn insert(db: &state::Database, c: &Create) -> Result<(VirtualKey, KeyDetail), Failure> {
    let key = VirtualKey::generate().map_err(|e| e.to_string())?;
    let (mut user_id, mut team_id) = (None, None);
    if c.user.is_some() || c.team.is_some() {
        let all = db.store.load().await.map_err(|e| e.to_string())?;
        if let Some(email) = &c.user {
            let wanted = email.to_lowercase();
            let user = all.users.iter().find(|u| u.email == wanted && u.deleted_at.is_none());
            user_id = Some(user.ok_or_else(|| format!("there is no user {email}"))?.id);
        }
        if let Some(name) = &c.team {
            let team = all.teams.iter().find(|t| t.name == *name && t.deleted_at.is_none());
            team_id = Some(team.ok_or_else(|| format!("there is no team {name}"))?.id);
        }
    }
    let now = OffsetDateTime::now_utc();
    let new = NewKey {
        hash: key.hash,
        prefix: key.prefix.clone(),
        name: c.name.clone(),
        user: user_id,
        account: None,
        team: team_id,
        surfaces: c.surfaces.clone(),
        models: c.models.clone(),
        tools: c.tools.clone(),
        networks: None,
        tags: Vec::new(),
        metadata: BTreeMap::new(),
        expires_at: c.expires.and_then(|d| now.checked_add(d.try_into().ok()?)),
        idle_timeout: None,
        rotation: None,
    };
    let made = db.store.make_key(&new, &Actor::cli()).await.map_err(|e| e.to_string())?;
    Ok((key, made))
}

fn state_of(k: &KeyRow) -> &'static str {
    if k.revoked_at.is_some() {
        "revoked"
    } else if k.expires_at.is_some_and(|t| t <= OffsetDateTime::now_utc()) {
        "expired"
    } else {
        "active"
    }
}

async fn list(files: &Files, json: bool) -> Result<ExitCode, Failure> {
    let loaded = load(&files.config)?;
    let db = state::open(&loaded.config).await?;
    let keys = db.store.list_keys().await.map_err(|e| e.to_string());
    db.close().await;
    let keys = keys?;
    let day = |t: Option<OffsetDateTime>| t.and_then(|t| t.format(&Rfc3339).ok());
    if json {
        let all: Vec<_> = keys
            .iter()
            .map(|k| {
                serde_json::json!({
                    "id": k.id, "name": k.name, "prefix": k.prefix, "state": state_of(k),
                    "surfaces": k.surfaces, "models": k.models, "tools": k.tools,
                    "user_id": k.user_id, "team_id": k.team_id,
                    "created_at": day(Some(k.created_at)), "expires_at": day(k.expires_at),
                    "revoked_at": day(k.revoked_at),
                })
            })
            .collect();
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        return print(&format!("{text}\n"));
    }
    if keys.is_empty() {
        return print("There are no virtual keys yet: make one with `sallyport keys create`.\n");
    }
    let mut out = format!(
        "{:<12} {:<8} {:<24} {:<21} {:<20} {:<20} {}\n",
        "PREFIX", "STATE", "NAME", "EXPIRES", "SURFACES", "MODELS", "TOOLS"
    );
    for k in &keys {
        let show = |l: &[String]| if l.is_empty() { "(none)".to_owned() } else { l.join(",") };
        let expires = day(k.expires_at).unwrap_or_else(|| "never".into());
        let _ = writeln!(
            out,
            "{:<12} {:<8} {:<24} {:<21} {:<20} {:<20} {}",
            k.prefix,
            state_of(k),
            k.name,
            expires.get(..19).unwrap_or(&expires),
            show(&k.surfaces),
            show(&k.models),
            show(&k.tools)
        );
    }
    print(&out)
}

async fn revoke(files: &Files, key: &str) -> Result<ExitCode, Failure> {
    let loaded = load(&files.config)?;
    let db = state::open(&loaded.config).await?;
    let done = db.store.revoke_key(key, &Actor::cli()).await.map_err(|e| e.to_string());
    db.close().await;
    let row = done?;
    print(&format!("Revoked '{}' ({}).\n", row.name, row.prefix))
}
