-- What was spent of an allowance: so many within a period, each under a key.

CREATE TABLE allowance (
    tenant_id       {id}    NOT NULL,
    rule            TEXT    NOT NULL,
    key             TEXT    NOT NULL,           -- SHA-256: an address stands here as its digest
    began_at        {time}  NOT NULL,           -- when the first one of the period was spent
    spent           {int}   NOT NULL CHECK (spent > 0),
    PRIMARY KEY (tenant_id, rule, key)
);
CREATE INDEX allowance_began_idx ON allowance (began_at);
