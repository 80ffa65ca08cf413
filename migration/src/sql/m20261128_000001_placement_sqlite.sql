-- SQLite changes no CHECK: the table is made anew. Who refers to it is kept aside meanwhile, for rows whose parent is dropped would
-- count as orphans at the commit.
CREATE TABLE instance_after (
    id              {id}    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    driver          TEXT    NOT NULL CHECK (driver IN ('pool','azure')),
    mode            TEXT    NOT NULL CHECK (mode IN ('shared','dedicated')),
    region          TEXT,
    endpoint        TEXT,
    status          TEXT    NOT NULL CHECK (status IN ('active','draining','offline')),
    capacity        {int}   NOT NULL CHECK (capacity BETWEEN 1 AND 100000),
    tenant_count    {int}   NOT NULL CHECK (tenant_count >= 0 AND tenant_count <= capacity),
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL,
    health          TEXT    NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown','healthy','unhealthy')),
    health_checked_at {time},
    health_error    TEXT
);
CREATE TABLE instance_of_tenant (id {id} NOT NULL, instance_id {id} NOT NULL);
CREATE TABLE instance_of_deployment (id {id} NOT NULL, instance_id {id} NOT NULL);

INSERT INTO instance_after (id, name, driver, mode, region, endpoint, status, capacity, tenant_count, version, created_at, updated_at, health, health_checked_at, health_error)
    SELECT id, name, driver, mode, region, endpoint, status, capacity, tenant_count, version, created_at, updated_at, health, health_checked_at, health_error FROM instance;
INSERT INTO instance_of_tenant SELECT id, instance_id FROM tenant WHERE instance_id IS NOT NULL;
INSERT INTO instance_of_deployment SELECT id, instance_id FROM deployment WHERE instance_id IS NOT NULL;
UPDATE tenant SET instance_id = NULL WHERE instance_id IS NOT NULL;
UPDATE deployment SET instance_id = NULL WHERE instance_id IS NOT NULL;
DROP TABLE instance;
ALTER TABLE instance_after RENAME TO instance;
CREATE UNIQUE INDEX instance_name_key ON instance (name);
CREATE INDEX instance_room_idx ON instance (mode, tenant_count, id) WHERE status = 'active';
UPDATE tenant SET instance_id = (SELECT b.instance_id FROM instance_of_tenant b WHERE b.id = tenant.id)
    WHERE id IN (SELECT id FROM instance_of_tenant);
UPDATE deployment SET instance_id = (SELECT b.instance_id FROM instance_of_deployment b WHERE b.id = deployment.id)
    WHERE id IN (SELECT id FROM instance_of_deployment);
DROP TABLE instance_of_tenant;
DROP TABLE instance_of_deployment;
