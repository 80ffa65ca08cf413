INSERT INTO plan (key, name, quotas, rate_multiplier, version, created_at, updated_at) VALUES
    ('free', 'Free', '{"users":5,"nodes":3,"groups":50}', 1, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00'),
    ('pro', 'Pro', '{"users":250,"nodes":25,"groups":500}', 5, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00'),
    ('enterprise', 'Enterprise', '{"users":null,"nodes":null,"groups":null}', 20, 1, '2026-11-21T00:00:00+00:00', '2026-11-21T00:00:00+00:00');
