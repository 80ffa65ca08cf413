-- Single sign-on: connections to identity providers, who may come in by them, sign-ins with their steps, sessions of browsers,
-- and what the OpenID Provider hands out.

CREATE TABLE connection (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    type            TEXT    NOT NULL CHECK (type IN ('oidc','saml')),
    name            TEXT    NOT NULL,
    enabled         {bool}  NOT NULL,
    issuer          TEXT,                       -- OIDC's issuer, SAML's entity id of the provider, once known
    settings        {json}  NOT NULL,           -- what the admin said
    provider        {json},                     -- what the provider's metadata said, when it was asked last
    provider_at     {time},
    client_secret   {bytes},                    -- sealed
    secret_expires_at {time},                   -- as the admin said: identity providers let secrets expire
    tested_at       {time},                     -- the last test that went through
    warned_days     {int},                      -- days before an expiry at which it was announced last
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
);
CREATE UNIQUE INDEX connection_id_key ON connection (id);
CREATE UNIQUE INDEX connection_tenant_key ON connection (tenant_id, id);
CREATE INDEX connection_issuer_idx ON connection (issuer);

CREATE TABLE connection_key (
    tenant_id       {id}    NOT NULL,
    connection_id   {id}    NOT NULL,
    id              {id}    NOT NULL,
    private_key     {bytes} NOT NULL,           -- PKCS#8 PEM, sealed
    certificate     TEXT    NOT NULL,           -- base64 of DER
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE sso_policy (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    connection_id   {id},                       -- the one that the organization's people use
    enforced        {bool}  NOT NULL,
    allowed_domains {json}  NOT NULL,           -- []: every domain
    jit_provisioning {bool} NOT NULL,
    default_role    TEXT    NOT NULL CHECK (default_role IN ('admin','contributor','viewer','guest','service')),
    group_roles     {json}  NOT NULL,           -- [{"group","role"}]: the first that fits
    session_seconds {int},                      -- NULL: the service's
    idle_seconds    {int},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, organization_id, connection_id) REFERENCES connection (tenant_id, organization_id, id)
);

CREATE TABLE domain (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    name            TEXT    NOT NULL,           -- lower case, A-labels
    token           TEXT    NOT NULL,           -- what the TXT record must say
    verified_name   TEXT,                       -- the name once it is proven: one tenant at most holds it
    verified_at     {time},
    checked_at      {time},
    check_error     TEXT,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, id),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id),
    CONSTRAINT domain_verified CHECK ((verified_at IS NULL) = (verified_name IS NULL))
);
CREATE UNIQUE INDEX domain_name_key ON domain (tenant_id, name);
CREATE UNIQUE INDEX domain_verified_name_key ON domain (verified_name) WHERE verified_name IS NOT NULL;

CREATE TABLE sign_in (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    connection_id   {id}    NOT NULL,
    code            TEXT    NOT NULL,           -- what the user's error page shows
    purpose         TEXT    NOT NULL CHECK (purpose IN ('sign_in','test')),
    status          TEXT    NOT NULL CHECK (status IN ('started','answered','proving','succeeded','failed')),
    state_digest    {bytes} NOT NULL,           -- SHA-256 of what comes back: OIDC's state, SAML's request ID
    browser_digest  {bytes} NOT NULL,           -- SHA-256 of the cookie of the browser that began
    secrets         {bytes} NOT NULL,           -- sealed: nonce, PKCE verifier, proof
    continues       {json}  NOT NULL,           -- where to go afterwards
    steps           {json}  NOT NULL,
    reason          TEXT,
    user_id         {id},
    proof_attempts  {int}   NOT NULL,
    request_id      TEXT,
    ip_address      TEXT,
    started_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    finished_at     {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX sign_in_state_key ON sign_in (tenant_id, connection_id, state_digest);
CREATE INDEX sign_in_code_idx ON sign_in (tenant_id, code);
CREATE INDEX sign_in_organization_idx ON sign_in (tenant_id, organization_id, id);
CREATE INDEX sign_in_started_idx ON sign_in (started_at);

CREATE TABLE assertion_use (
    tenant_id       {id}    NOT NULL,
    connection_id   {id}    NOT NULL,
    assertion_id    TEXT    NOT NULL,           -- a SAML assertion, or a logout token's jti: taken once
    expires_at      {time}  NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, assertion_id)
);
CREATE INDEX assertion_use_expiry_idx ON assertion_use (expires_at);

CREATE TABLE browser_session (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    id              {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    digest          {bytes} NOT NULL,           -- SHA-256 of the cookie
    connection_id   {id},
    subject         TEXT    NOT NULL,           -- who the identity provider says it is
    upstream_sid    TEXT,                       -- the session there: OIDC's sid, SAML's SessionIndex
    upstream        {bytes},                    -- sealed: what a logout there needs
    address         TEXT,
    user_agent      TEXT,
    authenticated_at {time} NOT NULL,
    created_at      {time}  NOT NULL,
    last_seen_at    {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    idle_seconds    {int},
    ended_at        {time},
    ended_reason    TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, organization_id, user_id) REFERENCES directory_user (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT browser_session_ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE UNIQUE INDEX browser_session_digest_key ON browser_session (digest);
CREATE INDEX browser_session_user_idx ON browser_session (tenant_id, organization_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX browser_session_upstream_idx ON browser_session (tenant_id, connection_id, subject) WHERE ended_at IS NULL;
CREATE INDEX browser_session_expiry_idx ON browser_session (expires_at);

ALTER TABLE session ADD COLUMN browser_session_id {id};
ALTER TABLE session ADD COLUMN token_issuer TEXT; -- the issuer at which a browser's sign-in began; NULL: the tenant's own
ALTER TABLE session ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN authenticated_at {time};
CREATE INDEX session_browser_idx ON session (tenant_id, browser_session_id) WHERE browser_session_id IS NOT NULL;
CREATE INDEX session_expiry_idx ON session (expires_at);

CREATE TABLE authorization_code (
    tenant_id       {id}    NOT NULL,
    digest          {bytes} NOT NULL,
    organization_id {id}    NOT NULL,
    user_id         {id}    NOT NULL,
    browser_session_id {id} NOT NULL,
    client_id       TEXT    NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    code_challenge  TEXT    NOT NULL,           -- S256
    nonce           TEXT,
    scope           TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    issuer          TEXT    NOT NULL,           -- at which the module asked
    session_id      {id},                       -- once it is used: a second use ends that session
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    used_at         {time},
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, browser_session_id) REFERENCES browser_session (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX authorization_code_digest_key ON authorization_code (digest);
CREATE INDEX authorization_code_expiry_idx ON authorization_code (expires_at);

-- Authorization requests before a tenant is known: pushed ones (RFC 9126), and those that a sign-in page holds.
CREATE TABLE authorization_request (
    id              {id}    NOT NULL PRIMARY KEY,
    client_id       TEXT    NOT NULL,
    pushed          {bool}  NOT NULL,
    parameters      {json}  NOT NULL,
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL
);
CREATE INDEX authorization_request_expiry_idx ON authorization_request (expires_at);

ALTER TABLE module ADD COLUMN public {bool} NOT NULL DEFAULT {false};
ALTER TABLE module ADD COLUMN post_logout_redirect_uris {json} NOT NULL DEFAULT '[]';
ALTER TABLE module ADD COLUMN backchannel_logout_uri TEXT;
ALTER TABLE module ADD COLUMN frontchannel_logout_uri TEXT;

-- People of the platform who may come in when everything else is broken.
CREATE TABLE operator (
    id              {id}    NOT NULL PRIMARY KEY,
    email           TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('operator','auditor')),
    enrollment_digest {bytes},                  -- SHA-256 of the one-time link that lets a passkey be made
    enrollment_expires_at {time},
    recovery_codes  {json}  NOT NULL,           -- digests of those that are left
    password_hash   TEXT,                       -- Argon2id (PHC); counts only where sso.operator_passwords is on
    password_failures {int} NOT NULL DEFAULT 0, -- wrong passwords in a row
    disabled_at     {time},
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);
CREATE UNIQUE INDEX operator_email_key ON operator (email);

CREATE TABLE passkey (
    id              {id}    NOT NULL PRIMARY KEY,
    operator_id     {id}    NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    credential_id   {bytes} NOT NULL,
    credential      {json}  NOT NULL,
    name            TEXT    NOT NULL,
    created_at      {time}  NOT NULL,
    last_used_at    {time}
);
CREATE UNIQUE INDEX passkey_credential_key ON passkey (credential_id);
CREATE INDEX passkey_operator_idx ON passkey (operator_id);

CREATE TABLE operator_session (
    id              {id}    NOT NULL PRIMARY KEY,
    operator_id     {id}    NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    digest          {bytes} NOT NULL,           -- SHA-256 of the cookie
    method          TEXT    NOT NULL CHECK (method IN ('passkey','recovery_code','password')),
    created_at      {time}  NOT NULL,
    expires_at      {time}  NOT NULL,
    ended_at        {time}
);
CREATE UNIQUE INDEX operator_session_digest_key ON operator_session (digest);

-- WebAuthn ceremonies under way, of whichever replica began them.
CREATE TABLE ceremony (
    id              {id}    NOT NULL PRIMARY KEY,
    operator_id     {id},
    kind            TEXT    NOT NULL CHECK (kind IN ('register','authenticate')),
    state           {bytes} NOT NULL,           -- sealed
    expires_at      {time}  NOT NULL
);

-- Who has this address, in whichever tenant: for the sign-in page's mail.
-- An expression, so that no planner takes it for questions within one tenant.
CREATE INDEX directory_user_email_any_idx ON directory_user_email ((value_key || ''));
