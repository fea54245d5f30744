-- Sign-in by OpenID Connect: providers, whom they have signed in, and what they gave.

CREATE TABLE oidc_providers (
    id             uuid PRIMARY KEY,
    -- part of the callback's address: it stays
    slug           text NOT NULL CONSTRAINT oidc_providers_slug_key UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    name           text NOT NULL CHECK (name <> ''),
    preset         text NOT NULL,
    issuer         text NOT NULL CHECK (issuer <> ''),
    client_id      text NOT NULL CHECK (client_id <> ''),
    -- envelope; AAD oidc_providers/<id>/client_secret; NULL: a public client
    client_secret  bytea,
    -- scopes, claim names, group rules, default roles, domains, switches
    settings       jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
    state          text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'tested', 'active', 'disabled')),
    -- counts changes of what a sign-in depends on: a test holds for one of them
    configuration  bigint NOT NULL DEFAULT 1,
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER counted BEFORE UPDATE ON oidc_providers FOR EACH ROW EXECUTE FUNCTION sallyport_version();

-- The last test login of a provider.
CREATE TABLE oidc_tests (
    provider_id   uuid PRIMARY KEY REFERENCES oidc_providers ON DELETE CASCADE,
    configuration bigint NOT NULL,
    passed        boolean NOT NULL,
    outcome       jsonb NOT NULL,
    started_by    text NOT NULL,
    at            timestamptz NOT NULL DEFAULT now()
);

-- A subject means something at its issuer only.
CREATE TABLE oidc_identities (
    provider_id   uuid NOT NULL REFERENCES oidc_providers ON DELETE CASCADE,
    issuer        text NOT NULL,
    subject       text NOT NULL CHECK (subject <> ''),
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, issuer, subject)
);
-- one account of the provider a user: another one of the same address does not take the user over
CREATE UNIQUE INDEX oidc_identities_user ON oidc_identities (user_id, provider_id, issuer);

-- What a session needs to end at both ends.
CREATE TABLE oidc_sessions (
    session_id   uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    provider_id  uuid NOT NULL REFERENCES oidc_providers ON DELETE CASCADE,
    issuer       text NOT NULL,
    subject      text NOT NULL,
    -- the provider's name of its own session
    sid          text,
    -- where to sign out at the provider; NULL: it has no such place
    end_session  text,
    -- envelope; AAD oidc_sessions/<session_id>/id_token
    id_token     bytea
);
CREATE INDEX oidc_sessions_subject ON oidc_sessions (provider_id, subject);

-- What works once: the state of a flow, the jti of a logout token. SHA-256.
CREATE TABLE oidc_used (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_used_end ON oidc_used (expires_at);

-- Who gave it: NULL is somebody here; a provider takes back only what it gave.
ALTER TABLE role_assignments ADD COLUMN oidc_provider uuid REFERENCES oidc_providers ON DELETE CASCADE;
ALTER TABLE team_members ADD COLUMN oidc_provider uuid REFERENCES oidc_providers ON DELETE CASCADE;
CREATE INDEX role_assignments_oidc ON role_assignments (oidc_provider) WHERE oidc_provider IS NOT NULL;
CREATE INDEX team_members_oidc ON team_members (oidc_provider) WHERE oidc_provider IS NOT NULL;
