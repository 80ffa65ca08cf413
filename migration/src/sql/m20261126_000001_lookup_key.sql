-- Bearer secrets are looked at by an HMAC before their Argon2id hash: the key of those HMACs, and the HMACs.

CREATE TABLE lookup_key (
    id              {int}   NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed_key      {bytes} NOT NULL,           -- 32 random bytes, sealed; what the master key doesn't open is another store's
    created_at      {time}  NOT NULL
);

-- HMAC-SHA-256 of kind, id and secret under the lookup key; NULL: from before, until its first right use.
ALTER TABLE management_key ADD COLUMN secret_mac {bytes};
ALTER TABLE scim_token ADD COLUMN secret_mac {bytes};
ALTER TABLE module ADD COLUMN secret_mac {bytes};
