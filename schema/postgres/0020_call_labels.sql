-- The key's own words about a call: its tags (a JSON array of texts) and metadata (an object of texts) at that time, for
-- whoever adds up what a project or a customer costs. NULL: it has none.
ALTER TABLE call_log ADD COLUMN key_tags jsonb;
ALTER TABLE call_log ADD COLUMN key_metadata jsonb;

-- What a key is tagged with is read by the gateways now: a change is told (told_update goes by `version`).
