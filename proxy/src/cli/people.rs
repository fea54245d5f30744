//! `sallyport admin`: the first people of the admin API, from the command line.

use super::{Failure, Files, load, print, runtime, state};
use clap::{Args, Subcommand};
use sallyport_admin::password::{self, Policy};
use sallyport_config::model::{Config, PasswordRules, Secret};
use sallyport_schema::audit::Actor;
use sallyport_schema::error::StoreError;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::{NewPerson, Person};
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest line that is read as a password, in bytes.
const LINE: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Make a user who can sign in to the admin API
    #[command(
        after_help = "Example:\n  sallyport admin create -c config/base.yaml --email ada@example.com --name 'Ada Lovelace'\n\n\
        The password is asked for on the terminal, or read from stdin where that is none. With --temporary one is made, \
        printed once, and must be changed at the first sign-in."
    )]
    Create(Create),
    /// Give a user a temporary password and end the user's sessions
    ResetPassword {
        #[command(flatten)]
        files: Files,
        /// The user's e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// Take a user's second factors away (TOTP, recovery codes, passkeys) and end the user's sessions
    #[command(
        after_help = "For whoever has lost them all: the password alone opens the account then. A role that needs a \
        second factor asks for a new one at the next sign-in."
    )]
    ResetFactors {
        #[command(flatten)]
        files: Files,
        /// The user's e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    files: Files,
    /// E-mail address, with which the user signs in
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Display name (default: the address)
    #[arg(long)]
    name: Option<String>,
    /// Role: super_admin, admin, team_manager, developer, viewer, or a custom one
    #[arg(long, default_value = "super_admin")]
    role: String,
    /// Make a temporary password and print it, this once
    #[arg(long)]
    temporary: bool,
}

pub(super) fn run(command: Admin) -> Result<ExitCode, Failure> {
    match command {
        Admin::Create(c) => create(&c),
        Admin::ResetPassword { files, email } => reset(&files, &email),
        Admin::ResetFactors { files, email } => reset_factors(&files, &email),
    }
}

fn create(c: &Create) -> Result<ExitCode, Failure> {
    let loaded = load(&c.files.config)?;
    let email = sallyport_admin::email(&c.email).map_err(|e| e.to_string())?;
    let name =
        sallyport_admin::display_name(c.name.as_deref().unwrap_or(&email)).map_err(|e| e.to_string())?;
    let rules = &loaded.config.admin.password;
    let (password, until) = if c.temporary {
        let (password, until) = temporary(rules)?;
        (password, Some(until))
    } else {
        (ask()?, None)
    };
    Policy::of(rules).check(password.expose(), &[&email, &name]).map_err(|e| e.to_string())?;
    let new = NewPerson {
        email,
        name,
        source: "local",
        password: Some((password::hash(password.expose()).map_err(|e| e.to_string())?, until)),
        roles: vec![HeldRole { role: c.role.clone(), team: None }],
    };
    let person = with_store(&loaded.config, async |store| {
        store.create_person(&new, false, &Actor::cli()).await.map_err(|e| match e {
            StoreError::Refused { constraint: Some(c), .. } if c == "users_email_key" => {
                format!("there is a user {} already", new.email)
            }
            e => e.to_string(),
        })
    })?;
    let mut out = format!("Created {} ({}) with the role {}.\n", person.email, person.id, c.role);
    if let Some(until) = until {
        out.push_str(&shown_once(&password, until));
    }
    print(&out)
}

fn reset(files: &Files, email: &str) -> Result<ExitCode, Failure> {
    let loaded = load(&files.config)?;
    let (password, until) = temporary(&loaded.config.admin.password)?;
    let hash = password::hash(password.expose()).map_err(|e| e.to_string())?;
    let person = with_store(&loaded.config, async |store| {
        let found = find(store, email).await?;
        if found.source != "local" {
            return Err(format!("{email} comes from {}: the password is kept there", found.source));
        }
        store.set_password(found.id, &hash, Some(until), &Actor::cli()).await.map_err(|e| e.to_string())
    })?;
    print(&format!("All sessions of {} are over.\n{}", person.email, shown_once(&password, until)))
}

fn reset_factors(files: &Files, email: &str) -> Result<ExitCode, Failure> {
    let loaded = load(&files.config)?;
    let (person, any) = with_store(&loaded.config, async |store| {
        let found = find(store, email).await?;
        let any = store.remove_factors(found.id, &Actor::cli()).await.map_err(|e| e.to_string())?;
        Ok((found, any))
    })?;
    print(&match any {
        true => format!("{} has no second factor any more. All sessions are over.\n", person.email),
        false => format!("{} has no second factor: nothing was changed.\n", person.email),
    })
}

async fn find(store: &Store, email: &str) -> Result<Person, Failure> {
    let found = store.person_by_email(email).await.map_err(|e| e.to_string())?;
    found.ok_or_else(|| format!("there is no user {email}"))
}

fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Store) -> Result<T, Failure>,
) -> Result<T, Failure> {
    runtime(2)?.block_on(async {
        let db = state::open(config).await?;
        let done = work(&db.store).await;
        db.close().await;
        done
    })
}

fn temporary(rules: &PasswordRules) -> Result<(Secret, OffsetDateTime), Failure> {
    let password = password::temporary().map_err(|e| e.to_string())?;
    let until = OffsetDateTime::now_utc() + rules.temporary.get();
    Ok((Secret::new(password.as_str()), until))
}

fn shown_once(password: &Secret, until: OffsetDateTime) -> String {
    let until = until.replace_nanosecond(0).unwrap_or(until).format(&Rfc3339).unwrap_or_default();
    format!("Temporary password, shown this once, to be changed before {until}: {}\n", password.expose())
}

/// The password, from the terminal without echo, or the first line of stdin.
fn ask() -> Result<Secret, Failure> {
    let failed = |e: std::io::Error| format!("cannot read the password: {e}");
    if std::io::stdin().is_terminal() {
        let one = Secret::new(rpassword::prompt_password("Password: ").map_err(failed)?);
        let two = Secret::new(rpassword::prompt_password("Once more: ").map_err(failed)?);
        return if one == two { Ok(one) } else { Err("the two passwords differ".into()) };
    }
    let mut line = String::new();
    std::io::stdin().lock().take(LINE).read_line(&mut line).map_err(failed)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
