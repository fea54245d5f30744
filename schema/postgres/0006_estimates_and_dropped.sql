-- What a translated provider did not get to see (a JSON array of the client's field names; NULL: it saw all), and
-- whether the token counts are the gateway's estimate. Both without a look at the rows that are there.
ALTER TABLE call_log ADD COLUMN dropped jsonb;
ALTER TABLE call_log ADD COLUMN estimated boolean NOT NULL DEFAULT false;
