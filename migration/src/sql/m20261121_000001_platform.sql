-- What the service itself needs: keys, durable work, events, audit, idempotency, catalogues.
-- {id}, {time}, {json}, {bytes}, {bool}, {int} are the column types; lib.rs spells them for each store.

CREATE TABLE management_key (
    id              {id}    NOT NULL PRIMARY KEY,
    tenant_id       {id},                       -- NULL: a platform key
    name            TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('operator','auditor','gateway','module','admin','contributor','viewer','guest','service')),
    secret_hash     TEXT    NOT NULL,           -- Argon2id, PHC string
    created_at      {time}  NOT NULL,
    expires_at      {time},
    revoked_at      {time},
    last_used_at    {time},
    CONSTRAINT management_key_scope CHECK ((role IN ('operator','auditor','gateway','module')) = (tenant_id IS NULL))
);
CREATE INDEX management_key_tenant_idx ON management_key (tenant_id, id);

CREATE TABLE job (
    id              {id}    NOT NULL PRIMARY KEY,
    tenant_id       {id},
    kind            TEXT    NOT NULL,
    lane            TEXT,                       -- at most one job of a lane runs at a time
    dedupe_key      TEXT,                       -- at most one pending job per key
    payload         {json}  NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','running','done','dead')),
    attempts        {int}   NOT NULL,
    attempts_max    {int}   NOT NULL,
    next_run_at     {time}  NOT NULL,
    lease_owner     TEXT,
    lease_expires_at {time},
    last_error      TEXT,
    request_id      TEXT,
    created_at      {time}  NOT NULL,
    finished_at     {time},
    CONSTRAINT job_lease CHECK ((status = 'running') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL))
);
CREATE INDEX job_due_idx ON job (next_run_at, id) WHERE status = 'pending';
CREATE INDEX job_lease_idx ON job (lease_expires_at) WHERE status = 'running';
CREATE INDEX job_finished_idx ON job (finished_at) WHERE status = 'done';
CREATE INDEX job_lane_pending_idx ON job (lane) WHERE status = 'pending' AND lane IS NOT NULL;
CREATE UNIQUE INDEX job_lane_running_key ON job (lane) WHERE status = 'running' AND lane IS NOT NULL;
CREATE UNIQUE INDEX job_dedupe_key ON job (dedupe_key) WHERE status = 'pending' AND dedupe_key IS NOT NULL;
CREATE INDEX job_tenant_idx ON job (tenant_id, id);

CREATE TABLE outbox_event (
    id              {id}    NOT NULL PRIMARY KEY,
    tenant_id       {id},
    type            TEXT    NOT NULL,
    data            {json}  NOT NULL,
    occurred_at     {time}  NOT NULL,
    request_id      TEXT,
    dispatched_at   {time}
);
CREATE INDEX outbox_event_waiting_idx ON outbox_event (id) WHERE dispatched_at IS NULL;
CREATE INDEX outbox_event_tenant_idx ON outbox_event (tenant_id, id);

CREATE TABLE audit_event (
    id              {id}    NOT NULL PRIMARY KEY,
    tenant_id       {id},
    occurred_at     {time}  NOT NULL,
    actor_kind      TEXT    NOT NULL,
    actor_id        TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    target_kind     TEXT    NOT NULL,
    target_id       TEXT    NOT NULL,
    outcome         TEXT    NOT NULL CHECK (outcome IN ('success','denied','failure')),
    details         {json}  NOT NULL,
    request_id      TEXT,
    ip_address      TEXT
);
CREATE INDEX audit_event_tenant_idx ON audit_event (tenant_id, id);
CREATE INDEX audit_event_action_idx ON audit_event (action, id);

CREATE TABLE idempotency_record (
    principal       TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    fingerprint     {bytes} NOT NULL,           -- SHA-256 of method, path and body
    state           TEXT    NOT NULL CHECK (state IN ('started','applied','answered')),
    reply           {bytes},                    -- sealed: a reply may hold a secret that is shown once
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    PRIMARY KEY (principal, idempotency_key)
);
CREATE INDEX idempotency_record_expiry_idx ON idempotency_record (expires_at);

CREATE TABLE signing_key (
    id              {id}    NOT NULL PRIMARY KEY,
    tenant_id       {id},                       -- NULL: the platform's issuer
    kid             TEXT    NOT NULL,           -- RFC 7638 thumbprint
    algorithm       TEXT    NOT NULL,
    public_jwk      {json}  NOT NULL,
    private_key     {bytes} NOT NULL,           -- PKCS#8, sealed
    created_at      {time}  NOT NULL,
    activates_at    {time}  NOT NULL,
    retires_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX signing_key_kid_key ON signing_key (kid);
CREATE INDEX signing_key_tenant_idx ON signing_key (tenant_id, activates_at);

CREATE TABLE plan (
    key             TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    quotas          {json}  NOT NULL,           -- {"users": 5, ...}; null: unlimited
    rate_multiplier {int}   NOT NULL CHECK (rate_multiplier > 0),
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);

CREATE TABLE instance (
    id              {id}    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    driver          TEXT    NOT NULL CHECK (driver IN ('pool','azure')),
    mode            TEXT    NOT NULL CHECK (mode IN ('shared','dedicated')),
    region          TEXT,
    endpoint        TEXT,
    status          TEXT    NOT NULL CHECK (status IN ('active','draining','offline')),
    capacity        {int}   NOT NULL CHECK (capacity BETWEEN 1 AND 50),
    tenant_count    {int}   NOT NULL CHECK (tenant_count >= 0 AND tenant_count <= capacity),
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX instance_name_key ON instance (name);
CREATE INDEX instance_room_idx ON instance (mode, tenant_count, id) WHERE status = 'active';

CREATE TABLE module (
    id              {id}    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    base_url        TEXT    NOT NULL,
    redirect_uris   {json}  NOT NULL,
    profile         TEXT    NOT NULL CHECK (profile IN ('tenantry','kombify-list','kombify-map')),
    client_id       TEXT    NOT NULL,
    client_secret_hash TEXT NOT NULL,           -- Argon2id, PHC string
    webhook_secret  {bytes} NOT NULL,           -- sealed
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX module_name_key ON module (name);
CREATE UNIQUE INDEX module_client_id_key ON module (client_id);

CREATE TABLE issuer (
    id              {id}    NOT NULL PRIMARY KEY,
    issuer          TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    tenant_claim    TEXT    NOT NULL,
    jwks_uri        TEXT,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX issuer_issuer_audience_key ON issuer (issuer, audience);

CREATE TABLE flag (
    key             TEXT    NOT NULL PRIMARY KEY,
    type            TEXT    NOT NULL CHECK (type IN ('boolean','string','number','object')),
    variants        {json}  NOT NULL,
    default_variant TEXT    NOT NULL,
    rules           {json}  NOT NULL,
    plans           {json},                     -- NULL: every plan
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);

CREATE TABLE webhook_endpoint (
    id              {id}    NOT NULL PRIMARY KEY,
    url             TEXT    NOT NULL,
    event_types     {json}  NOT NULL,           -- []: every type
    secret          {bytes} NOT NULL,           -- sealed
    disabled_at     {time},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
