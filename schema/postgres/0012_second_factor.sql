-- Passkeys (WebAuthn). TOTP and recovery codes are in 0010_identity.sql.

CREATE TABLE passkeys (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential_key UNIQUE
                  CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    -- public key and properties, as webauthn-rs writes them; no secret
    credential    jsonb NOT NULL,
    -- last signature counter that was seen; 0: the authenticator has none
    counter       bigint NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz
);
CREATE INDEX passkeys_user ON passkeys (user_id);

-- A passkey that is being registered: one a user, for the session that began it.
CREATE TABLE passkey_registrations (
    user_id    uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    state      jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Challenges of sign-ins that have been answered (the challenge itself is in a cookie of the browser): SHA-256.
CREATE TABLE passkey_challenges_used (
    challenge  bytea PRIMARY KEY CHECK (octet_length(challenge) = 32),
    expires_at timestamptz NOT NULL
);
