-- What a model costs, where the price table says otherwise or nothing.
ALTER TABLE models
    -- dollars per million tokens, as in YAML; NULL: the price table's
    ADD COLUMN price             jsonb CHECK (jsonb_typeof(price) = 'object'),
    -- factors of the cost of what goes in and what comes out
    ADD COLUMN input_multiplier  double precision NOT NULL DEFAULT 1
               CHECK (input_multiplier >= 0 AND input_multiplier <= 1000),
    ADD COLUMN output_multiplier double precision NOT NULL DEFAULT 1
               CHECK (output_multiplier >= 0 AND output_multiplier <= 1000);
