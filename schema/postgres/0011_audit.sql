-- The audit trail of the control plane: append-only, each row's hash covers the row and the hash before it.

CREATE TABLE audit_log (
    seq         bigint PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor_kind  text NOT NULL,
    actor_id    text,
    actor       text NOT NULL,
    address     text,
    agent       text,
    action      text NOT NULL,
    target_kind text,
    target_id   text,
    target      text,
    outcome     text NOT NULL CHECK (outcome IN ('done', 'denied', 'failed')),
    reason      text,
    before      jsonb,
    after       jsonb,
    request_id  text,
    previous    bytea NOT NULL CHECK (octet_length(previous) = 32),
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_actor ON audit_log (actor_id, seq);
CREATE INDEX audit_log_target ON audit_log (target_kind, target_id, seq);
CREATE INDEX audit_log_action ON audit_log (action, seq);

CREATE FUNCTION sallyport_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION sallyport_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION sallyport_append_only();

-- Answers to POSTs with an Idempotency-Key, for a day.
CREATE TABLE idempotent_answers (
    caller     text NOT NULL,
    key        text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request    bytea NOT NULL CHECK (octet_length(request) = 32),
    status     smallint,
    -- AES-256-GCM envelope (an answer may show a secret once)
    answer     bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotent_answers_age ON idempotent_answers (created_at);
