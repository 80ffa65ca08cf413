-- What the complete SCIM server keeps: documents to search, nested groups, every change of a directory for as long as it
-- can be undone, the guard, roles by group, declared schemas, the request log.

ALTER TABLE directory_user ADD COLUMN folded {json} NOT NULL DEFAULT '{}';
ALTER TABLE directory_user ADD COLUMN role_source TEXT NOT NULL DEFAULT 'local' CHECK (role_source IN ('local','group'));
ALTER TABLE directory_group ADD COLUMN folded {json} NOT NULL DEFAULT '{}';
ALTER TABLE tenant ADD COLUMN rehearses {id};
ALTER TABLE scim_token ADD COLUMN kind TEXT NOT NULL DEFAULT 'bearer' CHECK (kind IN ('bearer','client'));
ALTER TABLE scim_token ADD COLUMN allowed_addresses {json} NOT NULL DEFAULT '[]';
ALTER TABLE scim_token ADD COLUMN jwks {json};
ALTER TABLE scim_token ADD COLUMN rehearsal {bool} NOT NULL DEFAULT FALSE;
ALTER TABLE scim_token ADD COLUMN warned_days {int};
ALTER TABLE webhook_endpoint ADD COLUMN format TEXT NOT NULL DEFAULT 'webhook' CHECK (format IN ('webhook','set'));

-- With the group in it: SQLite, which has no figures about its rows, takes a covering index before a selective one.
DROP INDEX directory_group_member_user_idx;
CREATE INDEX directory_group_member_user_idx ON directory_group_member (tenant_id, organization_id, user_id, group_id);

CREATE TABLE directory_group_child (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    group_id        {id}    NOT NULL,
    child_id        {id}    NOT NULL,           -- a group whose members are members of the group, too
    PRIMARY KEY (tenant_id, organization_id, group_id, child_id),
    FOREIGN KEY (tenant_id, organization_id, group_id) REFERENCES directory_group (tenant_id, organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, organization_id, child_id) REFERENCES directory_group (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_group_child_child_idx ON directory_group_child (tenant_id, organization_id, child_id, group_id);

CREATE TABLE directory_change (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    occurred_at     {time}  NOT NULL,
    request_id      TEXT,
    actor_kind      TEXT    NOT NULL,
    actor_id        TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('user','group','member','child')),
    action          TEXT    NOT NULL CHECK (action IN ('create','update','deactivate','reactivate','delete','add','remove')),
    subject_id      {id}    NOT NULL,           -- the user or group; of a member or child: the group
    before          {json},                     -- the row as it was; of members and children: their ids
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_change_occurred_idx ON directory_change (tenant_id, organization_id, occurred_at);
CREATE INDEX directory_change_removal_idx ON directory_change (tenant_id, organization_id, occurred_at) WHERE kind = 'user' AND action IN ('deactivate','delete');

CREATE TABLE directory_guard (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    users_max       {int},                      -- removals in a window
    percent_max     {int},                      -- the same, of the active users
    window_seconds  {int}   NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('armed','held','confirmed','rejected')),
    state_until     {time},                     -- confirmed and rejected end here
    held_at         {time},
    held_count      {int}   NOT NULL,           -- removals refused since it held
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE directory_restore (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    moment          {time}  NOT NULL,           -- the directory becomes what it was then
    status          TEXT    NOT NULL CHECK (status IN ('running','done','failed')),
    changes         {int}   NOT NULL,           -- things to put back
    done            {int}   NOT NULL,
    error           TEXT,
    created_at      {time}  NOT NULL,
    finished_at     {time},
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX directory_restore_running_key ON directory_restore (tenant_id, organization_id) WHERE status = 'running';

CREATE TABLE directory_role_mapping (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    group_id        {id}    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('admin','contributor','viewer','guest','service')),
    created_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id, group_id) REFERENCES directory_group (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX directory_role_mapping_group_key ON directory_role_mapping (tenant_id, organization_id, group_id);

CREATE TABLE scim_schema (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    urn_key         TEXT    NOT NULL,           -- lower case
    resource_type   TEXT    NOT NULL CHECK (resource_type IN ('User','Group')),
    definition      {json}  NOT NULL,           -- RFC 7643, section 7
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX scim_schema_urn_key ON scim_schema (tenant_id, urn_key);

CREATE TABLE scim_rehearsal (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    token_id        {id}    NOT NULL,
    shadow_id       {id}    NOT NULL,           -- the hidden tenant that holds the copy; made by a job
    status          TEXT    NOT NULL CHECK (status IN ('preparing','ready')),
    created_at      {time}  NOT NULL,
    ready_at        {time},
    PRIMARY KEY (tenant_id, organization_id, token_id),
    FOREIGN KEY (tenant_id, organization_id, token_id) REFERENCES scim_token (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX scim_rehearsal_shadow_key ON scim_rehearsal (shadow_id);

CREATE TABLE scim_request (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    occurred_at     {time}  NOT NULL,
    token_id        {id}    NOT NULL,
    request_id      TEXT,
    method          TEXT    NOT NULL,
    path            TEXT    NOT NULL,           -- with the query
    status          {int}   NOT NULL,
    scim_type       TEXT,
    detail          TEXT,
    duration_micros {int}   NOT NULL,
    request_body    TEXT,                       -- redacted, cut
    response_body   TEXT,                       -- redacted, cut
    whole           {bool}  NOT NULL,           -- whether the request's body is whole, so that it can be replayed
    rehearsal       {bool}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE scim_assertion (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    client_id       {id}    NOT NULL,
    jti             TEXT    NOT NULL,           -- taken once (RFC 7523, section 3)
    expires_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, client_id, jti)
);
