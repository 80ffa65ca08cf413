-- Everything that one tenant owns. Each table carries tenant_id, and organization_id where the row belongs
-- to an organization; foreign keys are composite, so a reference can't cross either boundary.

CREATE TABLE tenant (
    id              {id}    NOT NULL PRIMARY KEY,
    slug            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    plan            TEXT    NOT NULL REFERENCES plan (key),
    isolation       TEXT    NOT NULL CHECK (isolation IN ('shared','namespace','private')),
    region          TEXT,
    status          TEXT    NOT NULL CHECK (status IN ('provisioning','active','suspended','deprovisioning','deleted','failed')),
    identity_backend TEXT   NOT NULL CHECK (identity_backend IN ('builtin','keycloak','zitadel')),
    identity_kind   TEXT    NOT NULL CHECK (identity_kind IN ('realm','org')),
    identity_external_id TEXT,
    instance_driver TEXT    NOT NULL CHECK (instance_driver IN ('pool','azure')),
    instance_mode   TEXT    NOT NULL CHECK (instance_mode IN ('shared','dedicated')),
    instance_id     {id}    REFERENCES instance (id),
    owner_email     TEXT,
    owner_name      TEXT,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    suspended_at    {time},
    deleted_at      {time}
);
CREATE UNIQUE INDEX tenant_slug_key ON tenant (slug) WHERE status <> 'deleted';
CREATE UNIQUE INDEX tenant_external_id_key ON tenant (identity_external_id) WHERE identity_external_id IS NOT NULL AND status <> 'deleted';
CREATE INDEX tenant_status_idx ON tenant (status, id);

CREATE TABLE organization (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    slug            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX organization_slug_key ON organization (tenant_id, slug);

CREATE TABLE provisioning_run (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('provision','deprovision')),
    status          TEXT    NOT NULL CHECK (status IN ('running','compensating','done','failed')),
    quotas          {json}  NOT NULL,           -- what the caller asked for over the plan's
    created_at      {time}  NOT NULL,
    finished_at     {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX provisioning_run_open_key ON provisioning_run (tenant_id) WHERE status IN ('running','compensating');

CREATE TABLE provisioning_step (
    tenant_id       {id}    NOT NULL,
    run_id          {id}    NOT NULL,
    ordinal         {int}   NOT NULL,
    name            TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','running','done','failed','compensated')),
    attempts        {int}   NOT NULL,
    started_at      {time},
    finished_at     {time},
    error           TEXT,
    PRIMARY KEY (tenant_id, run_id, ordinal),
    FOREIGN KEY (tenant_id, run_id) REFERENCES provisioning_run (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE quota (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    resource        TEXT    NOT NULL,
    limit_override  {int},                      -- over the plan's; NULL: the plan's
    limit_value     {int},                      -- NULL: unlimited
    used            {int}   NOT NULL CHECK (used >= 0),
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, resource)
);

CREATE TABLE directory_user (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    user_name       TEXT    NOT NULL,
    user_name_key   TEXT    NOT NULL,           -- case-folded: SQLite's lower() knows only ASCII
    external_id     TEXT,
    display_name    TEXT,
    email           TEXT,
    active          {bool}  NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('admin','contributor','viewer','guest','service')),
    source          TEXT    NOT NULL CHECK (source IN ('scim','jit','invitation')),
    resource        {json}  NOT NULL,           -- the SCIM attributes, as sent
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE UNIQUE INDEX directory_user_id_key ON directory_user (tenant_id, id);
CREATE UNIQUE INDEX directory_user_user_name_key ON directory_user (tenant_id, organization_id, user_name_key);
CREATE UNIQUE INDEX directory_user_external_id_key ON directory_user (tenant_id, organization_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE directory_user_email (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    ordinal         {int}   NOT NULL,
    type_key        TEXT,
    value_key       TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, user_id, ordinal),
    FOREIGN KEY (tenant_id, organization_id, user_id) REFERENCES directory_user (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_user_email_value_idx ON directory_user_email (tenant_id, organization_id, value_key);

CREATE TABLE directory_group (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    display_name    TEXT    NOT NULL,
    display_name_key TEXT   NOT NULL,
    external_id     TEXT,
    resource        {json}  NOT NULL,           -- the SCIM attributes but members, as sent
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE UNIQUE INDEX directory_group_display_name_key ON directory_group (tenant_id, organization_id, display_name_key);
CREATE UNIQUE INDEX directory_group_external_id_key ON directory_group (tenant_id, organization_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE directory_group_member (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    group_id        {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, group_id, user_id),
    FOREIGN KEY (tenant_id, organization_id, group_id) REFERENCES directory_group (tenant_id, organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, organization_id, user_id) REFERENCES directory_user (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_group_member_user_idx ON directory_group_member (tenant_id, organization_id, user_id);

CREATE TABLE user_identity (
    tenant_id       {id}    NOT NULL,
    issuer          TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    organization_id {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    created_at      {time}  NOT NULL,
    last_seen_at    {time}  NOT NULL,
    PRIMARY KEY (tenant_id, issuer, subject),
    FOREIGN KEY (tenant_id, organization_id, user_id) REFERENCES directory_user (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE INDEX user_identity_user_idx ON user_identity (tenant_id, organization_id, user_id);

CREATE TABLE scim_token (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    name            TEXT    NOT NULL,
    profile         TEXT    NOT NULL CHECK (profile IN ('compat','rfc')),
    secret_hash     TEXT    NOT NULL,           -- Argon2id, PHC string
    created_at      {time}  NOT NULL,
    expires_at      {time},
    revoked_at      {time},
    last_used_at    {time},
    replaced_by     {id},                       -- rotation: the token that follows this one
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE UNIQUE INDEX scim_token_id_key ON scim_token (id);

CREATE TABLE session (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    issuer          TEXT    NOT NULL,           -- who vouched for the person
    client_id       TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    ended_at        {time},
    ended_reason    TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id, user_id) REFERENCES directory_user (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT session_ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE INDEX session_user_idx ON session (tenant_id, organization_id, user_id) WHERE ended_at IS NULL;

CREATE TABLE refresh_token (
    tenant_id       {id}    NOT NULL,
    session_id      {id}    NOT NULL,
    digest          {bytes} NOT NULL,           -- SHA-256 of 256 random bits
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    used_at         {time},
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, session_id) REFERENCES session (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX refresh_token_digest_key ON refresh_token (digest);
CREATE INDEX refresh_token_session_idx ON refresh_token (tenant_id, session_id);

CREATE TABLE invitation (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('admin','contributor','viewer','guest','service')),
    token_digest    {bytes} NOT NULL,           -- SHA-256 of 256 random bits
    status          TEXT    NOT NULL CHECK (status IN ('pending','accepted','revoked')),
    message         TEXT,
    inviter         TEXT    NOT NULL,
    user_id         {id},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    accepted_at     {time},
    revoked_at      {time},
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id),
    CONSTRAINT invitation_accepted CHECK ((status = 'accepted') = (accepted_at IS NOT NULL)),
    CONSTRAINT invitation_revoked CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE UNIQUE INDEX invitation_token_digest_key ON invitation (token_digest);
CREATE UNIQUE INDEX invitation_pending_key ON invitation (tenant_id, organization_id, email_key) WHERE status = 'pending';

CREATE TABLE mail_message (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    dedupe_key      TEXT    NOT NULL,
    template        TEXT    NOT NULL,
    recipient       TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    content         {bytes} NOT NULL,           -- sealed: a mail may hold a link that signs somebody in
    status          TEXT    NOT NULL CHECK (status IN ('queued','sent','kept')),
    created_at      {time}  NOT NULL,
    sent_at         {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX mail_message_dedupe_key ON mail_message (tenant_id, dedupe_key);

CREATE TABLE flag_override (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    flag_key        TEXT    NOT NULL REFERENCES flag (key) ON DELETE CASCADE,
    variant         TEXT    NOT NULL,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, flag_key)
);

CREATE TABLE flag_push (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    module_id       {id}    NOT NULL REFERENCES module (id) ON DELETE CASCADE,
    version         {int}   NOT NULL,           -- of the newest snapshot; only grows
    digest          {bytes} NOT NULL,           -- SHA-256 of that snapshot
    confirmed_version {int} NOT NULL,
    confirmed_at    {time},
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, module_id)
);

CREATE TABLE webhook_delivery (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    endpoint_id     {id}    NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
    event_id        {id}    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('pending','delivered','dead')),
    attempts        {int}   NOT NULL,
    response_status {int},
    last_error      TEXT,
    created_at      {time}  NOT NULL,
    delivered_at    {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX webhook_delivery_event_key ON webhook_delivery (tenant_id, endpoint_id, event_id);
