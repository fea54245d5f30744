//! The columns that hold envelopes: all of them, so that whoever seals everything anew under another key finds each.

/// A column of envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedColumn {
    /// Its table.
    pub table: &'static str,
    /// The column that names the row: of it and the names here the place is made that an envelope is sealed for.
    pub key: &'static str,
    /// The column; NULL or empty where there is nothing.
    pub column: &'static str,
}

impl SealedColumn {
    /// What the envelope in the row `key` is sealed for.
    pub fn place(&self, key: impl std::fmt::Display) -> String {
        format!("{}/{key}/{}", self.table, self.column)
    }
}

const fn column(table: &'static str, column: &'static str) -> SealedColumn {
    SealedColumn { table, key: "id", column }
}

/// A provider's API key.
pub const PROVIDER_API_KEY: SealedColumn = column("providers", "api_key");
/// A provider's other secrets.
pub const PROVIDER_SECRETS: SealedColumn = column("providers", "secrets");
/// What was asked and answered.
pub const RESPONSE_CONTENT: SealedColumn = column("responses", "content");
/// The events of a response.
pub const RESPONSE_EVENTS: SealedColumn = column("responses", "events");

/// The secret of a virtual key that was made by its policy, until somebody fetches it.
pub const WAITING_SECRET: SealedColumn = column("virtual_keys", "waiting_secret");

/// A second factor.
pub const USER_TOTP: SealedColumn = column("users", "totp_secret");
/// A second factor that is being set up.
pub const USER_TOTP_PENDING: SealedColumn = column("users", "totp_pending");

/// Our secret at a sign-in provider.
pub const OIDC_CLIENT_SECRET: SealedColumn = column("oidc_providers", "client_secret");
/// The ID token of a session, which signs out at its provider.
pub const OIDC_ID_TOKEN: SealedColumn =
    SealedColumn { table: "oidc_sessions", key: "session_id", column: "id_token" };

/// All of them that outlast a day (answers that are kept for an `Idempotency-Key` do not).
pub const SEALED: [SealedColumn; 9] = [
    PROVIDER_API_KEY,
    PROVIDER_SECRETS,
    RESPONSE_CONTENT,
    RESPONSE_EVENTS,
    USER_TOTP,
    USER_TOTP_PENDING,
    WAITING_SECRET,
    OIDC_CLIENT_SECRET,
    OIDC_ID_TOKEN,
];
