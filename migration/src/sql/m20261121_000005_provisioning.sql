-- What provisioning keeps: runs of every kind with what was asked outside, deployments behind instances, reservations and
-- history of quotas, what came in from Stripe and Zitadel.

CREATE TABLE tenant_run (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('provision','deprovision','move','repair')),
    status          TEXT    NOT NULL CHECK (status IN ('running','compensating','done','failed','cancelled')),
    parameters      {json}  NOT NULL,           -- what the caller asked for, by kind
    created_at      {time}  NOT NULL,
    finished_at     {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX tenant_run_open_key ON tenant_run (tenant_id) WHERE status IN ('running','compensating');

CREATE TABLE tenant_run_step (
    tenant_id       {id}    NOT NULL,
    run_id          {id}    NOT NULL,
    ordinal         {int}   NOT NULL,
    name            TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','running','done','failed','compensated')),
    attempts        {int}   NOT NULL,
    started_at      {time},
    finished_at     {time},
    error           TEXT,
    waits_for       TEXT,                       -- in words; attempts don't grow meanwhile
    calls           {json}  NOT NULL DEFAULT '[]', -- the last requests to the outside, with their ids there
    PRIMARY KEY (tenant_id, run_id, ordinal),
    FOREIGN KEY (tenant_id, run_id) REFERENCES tenant_run (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE tenant ADD COLUMN identity_issuer TEXT; -- as the backend's discovery says
ALTER TABLE tenant ADD COLUMN identity_idp_alias TEXT;
ALTER TABLE tenant ADD COLUMN recycle_until {time}; -- until then a deletion can be taken back
ALTER TABLE tenant ADD COLUMN suspended_by TEXT CHECK (suspended_by IN ('operator','billing','backend'));
ALTER TABLE tenant ADD COLUMN billing_state TEXT NOT NULL DEFAULT 'full' CHECK (billing_state IN ('full','grace','suspended'));
ALTER TABLE tenant ADD COLUMN billing_customer TEXT;
CREATE UNIQUE INDEX tenant_identity_issuer_key ON tenant (identity_issuer) WHERE identity_issuer IS NOT NULL AND status <> 'deleted';
CREATE UNIQUE INDEX tenant_identity_idp_alias_key ON tenant (identity_idp_alias) WHERE identity_idp_alias IS NOT NULL AND status <> 'deleted';
CREATE UNIQUE INDEX tenant_billing_customer_key ON tenant (billing_customer) WHERE billing_customer IS NOT NULL AND status <> 'deleted';

ALTER TABLE issuer ADD COLUMN resolve_by TEXT NOT NULL DEFAULT 'claim' CHECK (resolve_by IN ('claim','issuer','idp_alias','organization'));

ALTER TABLE plan ADD COLUMN soft_quotas {json} NOT NULL DEFAULT '{}'; -- {"users": 4, ...}: crossing it is told, not refused
ALTER TABLE plan ADD COLUMN entitlements {json} NOT NULL DEFAULT '{}'; -- {"kombiStack": "read-only", ...}

ALTER TABLE quota ADD COLUMN limit_own {bool} NOT NULL DEFAULT {false}; -- whether the limit is the tenant's, not the plan's
ALTER TABLE quota ADD COLUMN limit_soft {int};
ALTER TABLE quota ADD COLUMN reserved {int} NOT NULL DEFAULT 0 CHECK (reserved >= 0);

-- What a module counts; its limits by plan stand here, so that the plan need not know every module.
CREATE TABLE quota_resource (
    key             TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    limits          {json}  NOT NULL,           -- {"free": 3, "pro": null}
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);

CREATE TABLE quota_reservation (
    tenant_id       {id}    NOT NULL,
    id              {id}    NOT NULL,
    resource        TEXT    NOT NULL,
    amount          {int}   NOT NULL CHECK (amount > 0),
    status          TEXT    NOT NULL CHECK (status IN ('held','committed','released','expired')),
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    settled_at      {time},
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, resource) REFERENCES quota (tenant_id, resource) ON DELETE CASCADE
);
CREATE INDEX quota_reservation_held_idx ON quota_reservation (expires_at) WHERE status = 'held';

CREATE TABLE quota_sample (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    resource        TEXT    NOT NULL,
    day             TEXT    NOT NULL,           -- RFC 3339 full-date, UTC
    used            {int}   NOT NULL,           -- the most of the day
    limit_value     {int},
    PRIMARY KEY (tenant_id, resource, day)
);

ALTER TABLE instance ADD COLUMN health TEXT NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown','healthy','unhealthy'));
ALTER TABLE instance ADD COLUMN health_checked_at {time};
ALTER TABLE instance ADD COLUMN health_error TEXT;

-- What stands behind an instance at Azure; the instance is registered once this has succeeded.
CREATE TABLE deployment (
    id              {id}    NOT NULL PRIMARY KEY,
    purpose         TEXT    NOT NULL,           -- 'tenant:{id}' or 'pool:{driver}:{region}:{number}': never two for one
    sku             TEXT    NOT NULL CHECK (sku IN ('shared','namespace','private')),
    driver          TEXT    NOT NULL CHECK (driver IN ('pool','azure')),
    region          TEXT    NOT NULL,
    resource_group  TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','deploying','checking','succeeded','failed','deleting','deleted')),
    operation       {json},                     -- the long-running operation that is being followed
    outputs         {json}  NOT NULL DEFAULT '{}',
    error           TEXT,
    instance_id     {id}    REFERENCES instance (id),
    template_version TEXT   NOT NULL,
    calls           {json}  NOT NULL DEFAULT '[]',
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX deployment_purpose_key ON deployment (purpose) WHERE status <> 'deleted';
CREATE INDEX deployment_instance_idx ON deployment (instance_id);

CREATE TABLE inbox_event (
    source          TEXT    NOT NULL CHECK (source IN ('stripe','zitadel')),
    id              TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    payload         {json}  NOT NULL,
    occurred_at     {time}  NOT NULL,
    received_at     {time}  NOT NULL,
    settled_at      {time},
    outcome         TEXT,                       -- what became of it, in words
    PRIMARY KEY (source, id)
);
CREATE INDEX inbox_event_received_idx ON inbox_event (received_at);

CREATE TABLE subscription (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              TEXT    NOT NULL,           -- the provider's
    customer        TEXT,
    status          TEXT    NOT NULL,
    price           TEXT,
    told_at         {time}  NOT NULL,           -- when the provider made the event that said so
    told_by         TEXT    NOT NULL,           -- its id
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
