-- The instance that every store came with: it stays where a tenant is on it, or where somebody changed it.
DELETE FROM instance WHERE id = {first_instance} AND version = 1 AND tenant_count = 0
    AND NOT EXISTS (SELECT 1 FROM tenant WHERE instance_id = {first_instance});

-- Who was sold an instance of their own and waits for a place waits for one of their own.
UPDATE tenant SET instance_mode = 'dedicated' WHERE isolation <> 'shared' AND instance_mode = 'shared' AND instance_id IS NULL;
