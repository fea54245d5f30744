-- Keys that are replaced by themselves.
ALTER TABLE virtual_keys
    -- seconds after which a key is replaced by one like it; NULL: never
    ADD COLUMN rotate_every   bigint CHECK (rotate_every >= 86400),
    -- seconds that the replaced one stays good
    ADD COLUMN rotate_grace   bigint CHECK (rotate_grace BETWEEN 3600 AND 7776000),
    -- secret of a key that was made so, until somebody fetches it; AES-256-GCM, AAD virtual_keys/<id>/waiting_secret
    ADD COLUMN waiting_secret bytea,
    ADD CHECK ((rotate_every IS NULL) = (rotate_grace IS NULL));
CREATE INDEX virtual_keys_rotation ON virtual_keys (created_at) WHERE rotate_every IS NOT NULL AND replaced_by IS NULL;
