-- SCIM 2.0: who may provision, and what of users and teams its documents hold beyond their rows. Erasure of a person.

-- A client: a directory (Entra, Okta, …) with a token of its own.
CREATE TABLE scim_clients (
    id            uuid PRIMARY KEY,
    name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    -- SHA-256 of the token
    hash          bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    prefix        text NOT NULL,
    -- the token before, and until when it is good (rotation)
    old_hash      bytea UNIQUE CHECK (octet_length(old_hash) = 32),
    old_until     timestamptz,
    -- what it may do, and to whom: as if it were a user with these roles; [{"role": …}]
    roles         jsonb NOT NULL CHECK (jsonb_typeof(roles) = 'array'),
    -- what users that it makes get
    default_roles jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(default_roles) = 'array'),
    -- takes users and teams over that nobody else provisions
    adopt         boolean NOT NULL DEFAULT false,
    active        boolean NOT NULL DEFAULT true,
    expires_at    timestamptz,
    last_used_at  timestamptz,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text,
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX scim_clients_name_key ON scim_clients (name);
CREATE TRIGGER counted BEFORE UPDATE ON scim_clients FOR EACH ROW
    WHEN (OLD.last_used_at IS NOT DISTINCT FROM NEW.last_used_at) EXECUTE FUNCTION sallyport_version();

-- Users that a client looks after. The row in users is what counts; the document is how the client wrote it.
-- client_id NULL: the client is gone; another may take the user over.
CREATE TABLE scim_users (
    user_id     uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    client_id   uuid REFERENCES scim_clients ON DELETE SET NULL,
    user_name   text NOT NULL CHECK (user_name <> ''),
    external_id text,
    document    jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object')
);
CREATE UNIQUE INDEX scim_users_name_key ON scim_users (lower(user_name));
CREATE INDEX scim_users_client ON scim_users (client_id, user_id);
CREATE INDEX scim_users_external ON scim_users (client_id, external_id) WHERE external_id IS NOT NULL;

-- Teams that a client looks after.
CREATE TABLE scim_groups (
    team_id     uuid PRIMARY KEY REFERENCES teams ON DELETE CASCADE,
    client_id   uuid REFERENCES scim_clients ON DELETE SET NULL,
    external_id text
);
CREATE INDEX scim_groups_client ON scim_groups (client_id, team_id);

-- A name is free again once its owner is deleted, whoever deletes him.
CREATE FUNCTION sallyport_scim_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        DELETE FROM scim_users WHERE user_id = NEW.id;
    ELSE
        DELETE FROM scim_groups WHERE team_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER scim_forget AFTER UPDATE OF deleted_at ON users FOR EACH ROW
    WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION sallyport_scim_forget();
CREATE TRIGGER scim_forget AFTER UPDATE OF deleted_at ON teams FOR EACH ROW
    WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION sallyport_scim_forget();

-- Erasure. The person's name, addresses and the like go out of the audit trail; its chain stays whole: the row keeps the
-- hash of what it was, and the event of the erasure (itself in the chain) holds a hash over what its rows became.
ALTER TABLE users ADD COLUMN erased_at timestamptz,
    -- the call log has forgotten the person's addresses too
    ADD COLUMN erased_calls_at timestamptz;
CREATE INDEX users_erased ON users (erased_at) WHERE erased_at IS NOT NULL AND erased_calls_at IS NULL;

CREATE TABLE audit_erasures (
    -- the row that was rewritten
    seq    bigint NOT NULL,
    -- the event that says so
    by_seq bigint NOT NULL,
    -- what the row would hash to as it is now
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (seq, by_seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_erasures
    FOR EACH ROW EXECUTE FUNCTION sallyport_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_erasures
    FOR EACH STATEMENT EXECUTE FUNCTION sallyport_append_only();

-- Still append-only, but for the erasure: what names a person may be rewritten, nothing else, and no row goes.
CREATE OR REPLACE FUNCTION sallyport_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_log'
       AND current_setting('sallyport.erasing', true) = 'on' THEN
        IF (to_jsonb(OLD) - ARRAY['actor', 'address', 'agent', 'target', 'reason', 'before', 'after'])
           = (to_jsonb(NEW) - ARRAY['actor', 'address', 'agent', 'target', 'reason', 'before', 'after']) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- A person's calls: shown to the person, exported and erased.
CREATE INDEX call_log_user ON call_log (user_id, started_at DESC, id DESC) WHERE user_id IS NOT NULL;
