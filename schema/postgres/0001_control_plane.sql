-- The control plane: what a gateway's snapshot is built from.
-- Ids are made by the application (UUIDv7); gen_random_uuid() is there for people who insert by hand.
-- An empty allow-list means nothing, never everything: hence '{}' as default and no NULLs.

CREATE TABLE organisation_settings (
    key        text PRIMARY KEY CHECK (key <> '' AND length(key) <= 200),
    value      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email      text NOT NULL UNIQUE CHECK (email <> '' AND email = lower(email)),
    name       text NOT NULL DEFAULT '',
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE teams (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    active     boolean NOT NULL DEFAULT true,
    surfaces   text[] NOT NULL DEFAULT '{}' CHECK (array_position(surfaces, NULL) IS NULL),
    models     text[] NOT NULL DEFAULT '{}' CHECK (array_position(models, NULL) IS NULL),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE team_members (
    team_id    uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role       text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'manager')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);

-- A key dies with its owner (CASCADE): SET NULL would leave a working key that belongs to nobody.
CREATE TABLE virtual_keys (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL DEFAULT '',
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    prefix     text NOT NULL CHECK (length(prefix) BETWEEN 4 AND 32),
    user_id    uuid REFERENCES users ON DELETE CASCADE,
    team_id    uuid REFERENCES teams ON DELETE CASCADE,
    surfaces   text[] NOT NULL DEFAULT '{}' CHECK (array_position(surfaces, NULL) IS NULL),
    models     text[] NOT NULL DEFAULT '{}' CHECK (array_position(models, NULL) IS NULL),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text,
    expires_at timestamptz,
    revoked_at timestamptz,
    metadata   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object')
);
CREATE INDEX virtual_keys_prefix ON virtual_keys (prefix text_pattern_ops);
CREATE INDEX virtual_keys_user ON virtual_keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX virtual_keys_team ON virtual_keys (team_id) WHERE team_id IS NOT NULL;

-- api_key is an AES-256-GCM envelope, never plain text: at least version, key id, nonce and tag (1 + 8 + 12 + 16).
CREATE TABLE providers (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    kind       text NOT NULL CHECK (kind <> ''),
    base_url   text NOT NULL CHECK (base_url ~ '^https?://'),
    api_key    bytea CHECK (octet_length(api_key) >= 37),
    settings   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    enabled    boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE models (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    enabled    boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- provider is a name, not a reference: it may be a provider that only YAML knows.
CREATE TABLE routes (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model_id       uuid NOT NULL REFERENCES models ON DELETE CASCADE,
    provider       text NOT NULL CHECK (provider <> ''),
    upstream_model text CHECK (upstream_model <> ''),
    weight         bigint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 4294967295),
    position       integer NOT NULL DEFAULT 0
);
CREATE INDEX routes_model ON routes (model_id, position);
