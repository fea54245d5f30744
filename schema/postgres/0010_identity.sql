-- Identity: who may do what. Roles that are built in are code (schema/src/access/role.rs); rows are custom ones.
-- `version` counts a row's changes: it is the ETag of the admin API.

CREATE FUNCTION sallyport_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

ALTER TABLE users
    ADD COLUMN version         bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at      timestamptz NOT NULL DEFAULT now(),
    -- local, oidc, scim: who looks after the row
    ADD COLUMN source          text NOT NULL DEFAULT 'local' CHECK (source <> ''),
    ADD COLUMN external_id     text,
    -- argon2id, PHC string; NULL: no local password
    ADD COLUMN password_hash   text,
    ADD COLUMN password_set_at timestamptz,
    -- the password was set by somebody else: it must be changed at the next sign-in, before this instant
    ADD COLUMN password_temporary_until timestamptz,
    -- AES-256-GCM envelopes; AAD users/<id>/totp_secret
    ADD COLUMN totp_secret     bytea,
    ADD COLUMN totp_pending    bytea,
    -- last 30 s step that was used: a code opens once
    ADD COLUMN totp_step       bigint NOT NULL DEFAULT 0,
    -- raised by whatever must end all sessions: password, roles, deactivation
    ADD COLUMN epoch           bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_login_at   timestamptz;

-- An address is free again once its owner is deleted.
ALTER TABLE users DROP CONSTRAINT users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (email) WHERE deleted_at IS NULL;

ALTER TABLE teams
    ADD COLUMN version     bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN source      text NOT NULL DEFAULT 'local' CHECK (source <> ''),
    ADD COLUMN external_id text;
ALTER TABLE teams DROP CONSTRAINT teams_name_key;
CREATE UNIQUE INDEX teams_name_key ON teams (name) WHERE deleted_at IS NULL;

CREATE TABLE service_accounts (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    description text NOT NULL DEFAULT '',
    -- the team that answers for it
    team_id     uuid REFERENCES teams ON DELETE CASCADE,
    active      boolean NOT NULL DEFAULT true,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz
);
CREATE UNIQUE INDEX service_accounts_name_key ON service_accounts (name) WHERE deleted_at IS NULL;

CREATE TABLE roles (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$')
                CHECK (name NOT IN ('super_admin', 'admin', 'team_manager', 'developer', 'viewer')),
    description text NOT NULL DEFAULT '',
    grants      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(grants) = 'array'),
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- role is a name: of a built-in role, or of a row above. team_id: the assignment holds in this team only.
CREATE TABLE role_assignments (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id            uuid REFERENCES users ON DELETE CASCADE,
    service_account_id uuid REFERENCES service_accounts ON DELETE CASCADE,
    role               text NOT NULL CHECK (role <> ''),
    team_id            uuid REFERENCES teams ON DELETE CASCADE,
    created_at         timestamptz NOT NULL DEFAULT now(),
    created_by         text,
    CHECK ((user_id IS NULL) <> (service_account_id IS NULL))
);
CREATE UNIQUE INDEX role_assignments_once ON role_assignments
    (COALESCE(user_id, service_account_id), role, COALESCE(team_id, '00000000-0000-0000-0000-000000000000'));
CREATE INDEX role_assignments_role ON role_assignments (role);

-- Whoever owned keys before there were roles could call everything that the key allows: a developer may.
INSERT INTO role_assignments (user_id, role, created_by) SELECT id, 'developer', 'migration' FROM users;

CREATE TABLE role_history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_id    uuid NOT NULL,
    name       text NOT NULL,
    version    bigint NOT NULL,
    before     jsonb,
    after      jsonb,
    author     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX role_history_role ON role_history (role_id, id);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    hash    bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (user_id, hash)
);

-- One sign-in. The refresh secret changes with each use; a used one that comes back ends the session.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    refresh_hash bytea NOT NULL CHECK (octet_length(refresh_hash) = 32),
    -- the one before, and until when it may still come (two tabs refresh at once)
    used_hash    bytea,
    used_until   timestamptz,
    epoch        bigint NOT NULL,
    method       text NOT NULL,
    address      inet NOT NULL,
    agent        text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_why    text
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_end ON sessions (expires_at);

-- Wrong sign-ins of an account or an address, for all instances. subject is a SHA-256: an address book of failed
-- names is not to be had from here.
CREATE TABLE sign_in_failures (
    subject       bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    failures      integer NOT NULL,
    blocked_until timestamptz NOT NULL,
    last_at       timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE virtual_keys
    ADD COLUMN version            bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at         timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN service_account_id uuid REFERENCES service_accounts ON DELETE CASCADE,
    -- client addresses; NULL: any
    ADD COLUMN networks           text[],
    ADD COLUMN tags               text[] NOT NULL DEFAULT '{}' CHECK (array_position(tags, NULL) IS NULL),
    ADD COLUMN disabled_at        timestamptz,
    ADD COLUMN archived_at        timestamptz,
    -- id of the first of the keys that replaced one another; NULL: the key itself
    ADD COLUMN lineage            uuid,
    -- the key that took over; this one is good until expires_at
    ADD COLUMN replaced_by        uuid REFERENCES virtual_keys ON DELETE SET NULL,
    ADD COLUMN idle_timeout       bigint CHECK (idle_timeout > 0),
    ADD COLUMN last_used_at       timestamptz,
    -- days of the last expiry warning
    ADD COLUMN warned_days        integer;
CREATE INDEX virtual_keys_service_account ON virtual_keys (service_account_id) WHERE service_account_id IS NOT NULL;
CREATE INDEX virtual_keys_lineage ON virtual_keys (lineage);

ALTER TABLE providers
    ADD COLUMN version    bigint NOT NULL DEFAULT 1,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE models
    ADD COLUMN version    bigint NOT NULL DEFAULT 1,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE organisation_settings ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- A key whose last use is noted, or of whose end was warned, has not been changed.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['teams', 'service_accounts', 'roles', 'providers', 'models',
                             'organisation_settings'] LOOP
        EXECUTE format('CREATE TRIGGER counted BEFORE UPDATE ON %I
                        FOR EACH ROW EXECUTE FUNCTION sallyport_version()', t);
    END LOOP;
END $$;
CREATE TRIGGER counted BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.last_login_at IS NOT DISTINCT FROM NEW.last_login_at AND OLD.totp_step = NEW.totp_step)
    EXECUTE FUNCTION sallyport_version();
CREATE TRIGGER counted BEFORE UPDATE ON virtual_keys FOR EACH ROW
    WHEN (OLD.last_used_at IS NOT DISTINCT FROM NEW.last_used_at
          AND NOT (OLD.warned_days IS DISTINCT FROM NEW.warned_days AND NEW.warned_days IS NOT NULL))
    EXECUTE FUNCTION sallyport_version();

-- As before; a row whose parent is NULL (an assignment of the other kind) tells nothing.
CREATE OR REPLACE FUNCTION sallyport_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told   text := TG_ARGV[0];
    col    text := TG_ARGV[1];
    own    boolean := (told = TG_TABLE_NAME);
    new_id text;
    old_id text;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        new_id := to_jsonb(NEW) ->> col;
        IF new_id IS NOT NULL THEN
            PERFORM pg_notify('sallyport_changes',
                told || ':' || CASE WHEN own THEN lower(TG_OP) ELSE 'update' END || ':' || new_id);
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        old_id := to_jsonb(OLD) ->> col;
        IF old_id IS NOT NULL AND old_id IS DISTINCT FROM new_id THEN
            PERFORM pg_notify('sallyport_changes',
                told || ':' || CASE WHEN own THEN 'delete' ELSE 'update' END || ':' || old_id);
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- What the gateways must hear of. A last use and a last sign-in are no news to them.
DROP TRIGGER told ON virtual_keys;
CREATE TRIGGER told AFTER INSERT OR DELETE ON virtual_keys
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('virtual_keys', 'id');
CREATE TRIGGER told_update AFTER UPDATE ON virtual_keys FOR EACH ROW
    WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION sallyport_notify('virtual_keys', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON service_accounts
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('service_accounts', 'id');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON roles
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('roles', 'name');
-- an assignment belongs to its user or service account
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('users', 'user_id');
CREATE TRIGGER told_account AFTER INSERT OR UPDATE OR DELETE ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION sallyport_notify('service_accounts', 'service_account_id');
-- a team that goes takes its service accounts along
CREATE FUNCTION sallyport_notify_team_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('sallyport_changes', 'service_accounts:update:' || id)
        FROM service_accounts WHERE team_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER told_accounts AFTER UPDATE ON teams FOR EACH ROW
    WHEN ((OLD.active, OLD.deleted_at) IS DISTINCT FROM (NEW.active, NEW.deleted_at))
    EXECUTE FUNCTION sallyport_notify_team_accounts();
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['service_accounts', 'roles', 'role_assignments'] LOOP
        EXECUTE format('CREATE TRIGGER told_truncate AFTER TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION sallyport_notify_truncate()', t);
    END LOOP;
END $$;
