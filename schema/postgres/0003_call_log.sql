-- The call log: one row a call, in daily partitions (UTC) that the log store makes and drops (call_log_YYYYMMDD).
-- No references to users, teams or keys: the log outlives them.

CREATE TABLE call_log (
    id                    uuid NOT NULL,
    started_at            timestamptz NOT NULL,
    instance              text NOT NULL,
    key_id                uuid,
    key_prefix            text,
    user_id               uuid,
    team_id               uuid,
    client_ip             inet,
    user_agent            text,
    surface               text NOT NULL,
    model_asked           text,
    model_served          text,
    provider              text,
    upstream_request_id   text,
    object_id             text,
    attempts              integer NOT NULL CHECK (attempts >= 0),
    status                integer NOT NULL CHECK (status BETWEEN 100 AND 999),
    error_source          text CHECK (error_source IN ('client', 'upstream', 'gateway')),
    error_code            text,
    error_detail          text,
    cancelled             boolean NOT NULL,
    streamed              boolean NOT NULL,
    -- all six or none: NULL means that nothing is known, not zero
    input_tokens          bigint CHECK (input_tokens >= 0),
    cached_input_tokens   bigint CHECK (cached_input_tokens >= 0),
    cache_write_tokens    bigint CHECK (cache_write_tokens >= 0),
    cache_write_1h_tokens bigint CHECK (cache_write_1h_tokens >= 0),
    output_tokens         bigint CHECK (output_tokens >= 0),
    reasoning_tokens      bigint CHECK (reasoning_tokens >= 0),
    cost_nanos            bigint,
    bytes_in              bigint NOT NULL CHECK (bytes_in >= 0),
    bytes_out             bigint NOT NULL CHECK (bytes_out >= 0),
    ttft_us               bigint CHECK (ttft_us >= 0),
    duration_us           bigint NOT NULL CHECK (duration_us >= 0),
    PRIMARY KEY (id, started_at),
    CHECK (num_nulls(input_tokens, cached_input_tokens, cache_write_tokens, cache_write_1h_tokens,
                     output_tokens, reasoning_tokens) IN (0, 6))
) PARTITION BY RANGE (started_at);

-- The console's questions, newest first, with (started_at, id) as keyset cursor.
CREATE INDEX call_log_time ON call_log (started_at DESC, id DESC);
CREATE INDEX call_log_key ON call_log (key_id, started_at DESC, id DESC);
CREATE INDEX call_log_model ON call_log (model_asked, started_at DESC, id DESC);
CREATE INDEX call_log_status ON call_log (status, started_at DESC, id DESC);

-- Who made an object at a provider that clients come back to (`resp_…`): nobody else may read it, and the gateway
-- knows which provider holds it.
CREATE TABLE stored_objects (
    object_id  text PRIMARY KEY CHECK (object_id <> '' AND length(object_id) <= 500),
    provider   text NOT NULL,
    key_id     uuid,
    user_id    uuid,
    team_id    uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX stored_objects_created ON stored_objects (created_at);
