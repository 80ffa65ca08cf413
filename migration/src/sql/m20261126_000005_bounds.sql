-- Sign-ins to which nothing came back are removed every minute: found without a look at those that are retained for their trace.
CREATE INDEX sign_in_open_idx ON sign_in (expires_at) WHERE status IN ('started','answered');
-- A person's newest sessions in one index: in the order of their ids SQLite would else read every session of the tenant.
DROP INDEX session_user_idx;
CREATE INDEX session_user_idx ON session (tenant_id, organization_id, user_id, id) WHERE ended_at IS NULL;
