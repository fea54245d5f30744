-- Providers of the clouds: their secrets beside the API key, and addresses that follow from other settings.
-- secrets is an AES-256-GCM envelope like api_key: JSON, laid over settings.
ALTER TABLE providers ADD COLUMN secrets bytea CHECK (octet_length(secrets) >= 37);
ALTER TABLE providers DROP CONSTRAINT providers_base_url_check;
ALTER TABLE providers ADD CONSTRAINT providers_base_url_check CHECK (base_url = '' OR base_url ~ '^https?://');
