UPDATE plan SET quotas = '{"users":5,"admins":5,"nodes":3,"groups":50,"connections":10}', soft_quotas = '{"users":4}',
    entitlements = '{"kombiStack":"read-only","simulationsPerMonth":3,"stackKits":"public"}' WHERE key = 'free' AND version = 1;
UPDATE plan SET quotas = '{"users":250,"admins":50,"nodes":25,"groups":500,"connections":50}', soft_quotas = '{"users":225}',
    entitlements = '{"kombiStack":"full","simulationsPerMonth":null,"stackKits":"all"}' WHERE key = 'pro' AND version = 1;
UPDATE plan SET quotas = '{"users":null,"admins":null,"nodes":null,"groups":null,"connections":null}',
    entitlements = '{"kombiStack":"full","simulationsPerMonth":null,"stackKits":"custom","prioritySupport":true,"dedicated":true}' WHERE key = 'enterprise' AND version = 1;
