-- Responses (OpenAI's Responses API) that the gateway keeps for providers without state: what `previous_response_id`,
-- `GET /v1/responses/{id}` and `background` need. `content` (the turn's input and the response object) is an envelope:
-- prompts are not readable in the database.
CREATE TABLE responses (
    id          text PRIMARY KEY,
    previous_id text,
    key_id      uuid,
    user_id     uuid,
    team_id     uuid,
    status      text NOT NULL
                CHECK (status IN ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')),
    background  boolean NOT NULL,
    content     bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- of one that is being made in the background: its instance was alive and will say so again before this
    alive_until timestamptz
);
CREATE INDEX responses_expires ON responses (expires_at);
