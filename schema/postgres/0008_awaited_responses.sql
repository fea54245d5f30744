-- Tokens that are told later: of a response that its provider makes in the background the answer is only an id. Each
-- stays here until its end is known and in the call log, as a call of its own that `follows` the first.
ALTER TABLE call_log ADD COLUMN follows uuid;

CREATE TABLE awaited_responses (
    object_id  text PRIMARY KEY,
    -- the first call's record: whose it is, and where it was made; no prompt, no secret
    call       jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    asked      integer NOT NULL DEFAULT 0,
    -- when the provider is asked (again); while its end is on its way into the log: when that is given up
    next_at    timestamptz NOT NULL,
    settling   boolean NOT NULL DEFAULT false
);
CREATE INDEX awaited_responses_next ON awaited_responses (next_at);
