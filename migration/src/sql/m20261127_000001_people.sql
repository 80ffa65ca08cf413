-- The one decision about people: what it reads, found in every organization of a tenant; what a directory said of whom it removed.

-- Text with a CHECK can't be widened in place on SQLite; a column can be replaced.
ALTER TABLE directory_user ADD COLUMN role_given_by TEXT NOT NULL DEFAULT 'local' CHECK (role_given_by IN ('local','group','sign_in'));

ALTER TABLE directory_user ADD COLUMN address_proof TEXT CHECK (address_proof IN ('nothing','word','domain','mail'));

ALTER TABLE connection ADD COLUMN client_id TEXT;
ALTER TABLE connection ADD COLUMN claimed_at {time};
ALTER TABLE connection ADD COLUMN proven_at {time};
CREATE INDEX connection_issuer_client_idx ON connection (issuer, client_id) WHERE client_id IS NOT NULL;

ALTER TABLE sign_in ADD COLUMN invitation_digest {bytes};

CREATE TABLE directory_departed (
    tenant_id       {id}    NOT NULL,
    organization_id {id}    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('address','external_id','identity')),
    key             TEXT    NOT NULL,           -- an address, folded; externalId; issuer and subject
    user_id         {id}    NOT NULL,           -- whom the directory removed by SCIM
    departed_at     {time}  NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, kind, key),
    FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_departed_key_idx ON directory_departed (tenant_id, kind, key);
CREATE INDEX directory_departed_user_idx ON directory_departed (tenant_id, organization_id, user_id);
CREATE INDEX directory_departed_at_idx ON directory_departed (departed_at);

-- A person is looked for in all organizations of the tenant; with one organization Postgres takes these for its own searches, too.
CREATE INDEX directory_user_user_name_key_all ON directory_user (tenant_id, user_name_key);
CREATE INDEX directory_user_external_id_key_all ON directory_user (tenant_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX directory_user_email_value_idx_all ON directory_user_email (tenant_id, value_key);
CREATE INDEX invitation_address_idx ON invitation (tenant_id, email_key) WHERE status IN ('pending','accepted');

-- Who switched a person off: the identity backend lets in again only whom it cut off itself. NULL: nobody, or it was before.
ALTER TABLE directory_user ADD COLUMN deactivated_by TEXT CHECK (deactivated_by IN ('directory','admin','backend'));

-- The number of the backend's last event that was applied: an earlier one that comes late says nothing.
ALTER TABLE user_identity ADD COLUMN sequence {int};
ALTER TABLE tenant ADD COLUMN identity_sequence {int};
