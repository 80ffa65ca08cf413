INSERT INTO plan (key, name, quotas, rate_multiplier, version, created_at, updated_at) VALUES
    ('free', 'Free', '{"users":5,"nodes":3,"groups":50}', 1, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00'),
    ('pro', 'Pro', '{"users":250,"nodes":25,"groups":500}', 5, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00'),
    ('enterprise', 'Enterprise', '{"users":null,"nodes":null,"groups":null}', 20, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00');

-- A pool to begin with, so that the first tenant finds a place; operators register what they really run.
INSERT INTO instance (id, name, driver, mode, region, endpoint, status, capacity, tenant_count, version, created_at, updated_at) VALUES
    ({first_instance}, 'shared-1', 'pool', 'shared', NULL, NULL, 'active', 50, 0, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00');
