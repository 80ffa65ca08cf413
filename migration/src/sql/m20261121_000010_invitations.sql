-- Invitations by the thousand, by domain, with their seats; who is expected at the door.

ALTER TABLE invitation RENAME TO invitation_before;

CREATE TABLE invitation (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('personal','join','request')),  -- how somebody asked for it: an admin, or the person
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('admin','contributor','viewer','guest','service')),
    token_digest    {bytes} NOT NULL,           -- SHA-256 of 256 random bits
    status          TEXT    NOT NULL CHECK (status IN ('pending','accepted','revoked','expired')),
    message         TEXT,
    inviter         TEXT    NOT NULL,
    locale          TEXT,
    batch_id        {id},
    user_id         {id},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    accepted_at     {time},
    revoked_at      {time},
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id),
    CONSTRAINT invitation_was_accepted CHECK ((status = 'accepted') = (accepted_at IS NOT NULL)),
    CONSTRAINT invitation_was_revoked CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE UNIQUE INDEX invitation_digest_key ON invitation (token_digest);
CREATE UNIQUE INDEX invitation_open_key ON invitation (tenant_id, organization_id, email_key) WHERE status = 'pending';
CREATE INDEX invitation_created_idx ON invitation (tenant_id, organization_id, created_at);
CREATE INDEX invitation_over_idx ON invitation (expires_at) WHERE status = 'pending';

CREATE TABLE directory_expected (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    email_key       TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    invitation_id   {id}    NOT NULL,
    reservations    {json}  NOT NULL,           -- of seats, held until then
    expires_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, email_key),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE INDEX directory_expected_invitation_idx ON directory_expected (tenant_id, invitation_id);

CREATE TABLE invitation_batch (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('running','done')),
    limited         {bool}  NOT NULL,           -- whether the daily limits hold for who sent it
    inviter         TEXT    NOT NULL,
    total           {int}   NOT NULL,
    created_by      TEXT    NOT NULL,
    created_at      {time}  NOT NULL,
    finished_at     {time},
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);

CREATE TABLE invitation_batch_row (
    tenant_id       {id}    NOT NULL,
    batch_id        {id}    NOT NULL,
    number          {int}   NOT NULL,           -- from 1, as in the file
    email           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    message         TEXT,
    locale          TEXT,
    status          TEXT    NOT NULL CHECK (status IN ('waiting','invited','refused')),
    code            TEXT,
    detail          TEXT,
    invitation_id   {id},
    PRIMARY KEY (tenant_id, batch_id, number),
    FOREIGN KEY (tenant_id, batch_id) REFERENCES invitation_batch (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX invitation_batch_row_status_idx ON invitation_batch_row (tenant_id, batch_id, status, number);

CREATE TABLE join_rule (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    domain          TEXT    NOT NULL,
    mode            TEXT    NOT NULL CHECK (mode IN ('auto','request')),
    role            TEXT    NOT NULL CHECK (role IN ('contributor','viewer','guest')),
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, domain),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);

CREATE TABLE join_request (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL,
    display_name    TEXT,
    role            TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','approved','declined')),
    user_id         {id},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    decided_at      {time},
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE UNIQUE INDEX join_request_open_key ON join_request (tenant_id, organization_id, email_key) WHERE status = 'pending';
