//! What provisioning keeps.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000005_provisioning.sql")).await?;
        run(manager, include_str!("sql/m20261121_000005_seeds.sql")).await?;
        postgres::protect(
            manager,
            "tenant_id",
            &["tenant_run", "tenant_run_step", "quota_reservation", "quota_sample", "subscription"],
        )
        .await?;
        postgres::share(manager, &["quota_resource", "deployment"]).await?;
        postgres::platform_only(manager, &["inbox_event"]).await?;
        postgres::lookup(manager, "tenant", "identity_issuer", "text", "id").await?;
        postgres::lookup(manager, "tenant", "identity_idp_alias", "text", "id").await?;
        postgres::lookup(manager, "tenant", "billing_customer", "text", "id").await?;
        postgres::lookup(manager, "quota_reservation", "id", "uuid", "tenant_id").await?;
        // Runs that were begun before; limits that were the tenant's own; what was not counted so far.
        let copies = [
            "INSERT INTO tenant_run (tenant_id, id, kind, status, parameters, created_at, finished_at) \
             SELECT tenant_id, id, kind, status, quotas, created_at, finished_at FROM provisioning_run",
            "INSERT INTO tenant_run_step (tenant_id, run_id, ordinal, name, status, attempts, started_at, finished_at, error) \
             SELECT tenant_id, run_id, ordinal, name, status, attempts, started_at, finished_at, error FROM provisioning_step",
            "UPDATE quota SET limit_own = TRUE WHERE limit_override IS NOT NULL",
            "INSERT INTO quota (tenant_id, resource, used, updated_at) SELECT id, 'admins', \
             (SELECT count(*) FROM directory_user person WHERE person.tenant_id = tenant.id AND active AND role = 'admin'), \
             updated_at FROM tenant WHERE EXISTS (SELECT 1 FROM quota WHERE quota.tenant_id = tenant.id)",
            "INSERT INTO quota (tenant_id, resource, used, updated_at) SELECT id, 'connections', \
             (SELECT count(*) FROM connection WHERE connection.tenant_id = tenant.id), \
             updated_at FROM tenant WHERE EXISTS (SELECT 1 FROM quota WHERE quota.tenant_id = tenant.id)",
        ];
        postgres::as_platform(manager, &copies.map(ToOwned::to_owned)).await?;
        run(manager, "DROP TABLE provisioning_step;\nDROP TABLE provisioning_run;").await?;
        run(manager, "ALTER TABLE quota DROP COLUMN limit_override;").await
    }
}
