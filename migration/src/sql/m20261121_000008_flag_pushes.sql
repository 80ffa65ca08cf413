-- Pushes of flags are queues too: of each module, its tenants that it has not confirmed.

ALTER TABLE flag_push ADD COLUMN attempts {int} NOT NULL DEFAULT 0;
ALTER TABLE flag_push ADD COLUMN next_attempt_at {time};    -- NULL: at once
ALTER TABLE flag_push ADD COLUMN last_error TEXT;
CREATE INDEX flag_push_waiting_idx ON flag_push (module_id, tenant_id) WHERE confirmed_version < version;

ALTER TABLE module ADD COLUMN failures {int} NOT NULL DEFAULT 0;               -- in a row
ALTER TABLE module ADD COLUMN failing_since {time};
ALTER TABLE module ADD COLUMN paused_until {time};
