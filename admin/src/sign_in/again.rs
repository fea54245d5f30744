//! Who has signed in shows again who he is, before what decides about the account: whoever found an open browser cannot.

use super::account::{Factor, Failed, Proof, check};
use super::{PASSKEY, password};
use crate::caller::{Caller, no_account};
use crate::problem::Problem;
use crate::state::AdminState;
use http::StatusCode;
use sallyport_schema::store::people::Person;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// How long a sign-in with a passkey counts as the second factor.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// Who one is, shown again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnProof {
    /// The password.
    #[schema(max_length = 256)]
    password: String,
    /// Of the authenticator app, if the account has TOTP. Not needed within 10 minutes after a sign-in with a passkey.
    #[schema(max_length = 64)]
    code: Option<String>,
    /// In its place, once: one of the recovery codes.
    #[schema(max_length = 64)]
    recovery_code: Option<String>,
}

/// Checks all that the account has: password and second factor.
pub(super) async fn whole<'c>(
    state: &AdminState,
    caller: &'c Caller,
    asked: OwnProof,
    from: IpAddr,
    action: &'static str,
) -> Result<&'c Person, Problem> {
    let password = Zeroizing::new(asked.password);
    let person = possible(caller, &password)?;
    let proof = Proof::of(password, asked.code, asked.recovery_code)?;
    let began = caller.began()?;
    let fresh = began.method == PASSKEY && OffsetDateTime::now_utc() - began.at < FRESH;
    let factor = if fresh { Factor::Shown } else { Factor::Asked };
    shown(state, caller, proof, factor, from, action).await?;
    Ok(person)
}

/// The caller's account, if it has a password, and this may be it.
pub(super) fn possible<'c>(caller: &'c Caller, password: &str) -> Result<&'c Person, Problem> {
    let person = caller.person().ok_or_else(no_account)?;
    if !person.has_password {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no_password",
            "the account has no local password: its sign-in is elsewhere",
        ));
    }
    if password.chars().count() > password::LONGEST {
        return Err(Failed::Password.again());
    }
    Ok(person)
}

/// Checks what is shown; wrong ones are counted as wrong sign-ins.
pub(super) async fn shown(
    state: &AdminState,
    caller: &Caller,
    proof: Proof,
    factor: Factor,
    from: IpAddr,
    action: &'static str,
) -> Result<(), Problem> {
    let person = caller.person().ok_or_else(no_account)?;
    let with = (state.sign_in(), state.store(), state.keyring());
    let checked = check(with, &person.email, proof, factor, from, caller.actor(), action).await;
    checked.map(drop).map_err(Failed::again)
}
