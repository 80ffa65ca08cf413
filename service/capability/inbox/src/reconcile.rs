//! Zitadel sends each event once at most: what was missed is found by comparing.

use entity::directory::identity;
use entity::tenancy::states::{IdentityBackend, SuspendedBy};
use entity::tenancy::status::Status;
use entity::tenancy::tenant;
use platform::{Ctx, PlatformView, Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::BTreeMap;
use uuid::Uuid;
use web::{Problem, Service};

use crate::zitadel;

/// Tenants of one round.
const ROUND: u64 = 200;

/// Compares all tenants that are orgs of Zitadel's with what it has.
///
/// # Errors
/// `internal`.
pub async fn reconcile(service: &Service) -> Result<(), Problem> {
    if service.config.identity.zitadel.url.is_empty() {
        return Ok(());
    }
    let issuers = backends::zitadel_issuers(service).await?;
    let mut after = Uuid::nil();
    loop {
        let find = async |view: &PlatformView| {
            let select = view
                .across::<tenant::Entity>()
                .filter(tenant::Column::Id.gt(after))
                .filter(tenant::Column::IdentityBackend.eq(IdentityBackend::Zitadel))
                .filter(tenant::Column::Status.is_in([Status::Active, Status::Suspended]));
            view.all(select.order_by_asc(tenant::Column::Id).limit(ROUND)).await
        };
        let rows = service.db.read_platform(find).await?;
        for tenant in &rows {
            if let Err(problem) = one(service, &issuers, tenant).await {
                tracing::warn!(tenant = %tenant.id, %problem, "an org of Zitadel's could not be compared");
            }
        }
        match rows.last() {
            Some(last) if rows.len() as u64 == ROUND => after = last.id,
            _ => return Ok(()),
        }
    }
}

async fn one(service: &Service, issuers: &[String], tenant: &tenant::Model) -> Result<(), Problem> {
    let unavailable =
        |failure: platform::http::Failure| Problem::detailed(web::Code::Unavailable, failure.reason);
    let outside = service.outside();
    let settings = &service.config.identity.zitadel;
    let organization = tenant.identity_external_id.as_deref().unwrap_or_default();
    let active = backends::zitadel_is_active(settings, &outside, organization).await.map_err(unavailable)?;
    let ctx = Ctx::system("zitadel");
    // A tenant that was suspended here is inactive there because of it.
    let follows = tenant.status == Status::Active || tenant.suspended_by == Some(SuspendedBy::Backend);
    if follows {
        service.db.write(&ctx, tenant.id, async |tx: &mut Tx| zitadel::follow(tx, active).await).await?;
    }
    let people = backends::people(settings, &outside, organization).await.map_err(unavailable)?;
    let there: BTreeMap<String, bool> = people.into_iter().map(|person| (person.id, person.active)).collect();
    let linked = async |view: &View| {
        view.all(view.select::<identity::Entity>().filter(identity::Column::Issuer.is_in(issuers))).await
    };
    let linked = service.db.read(tenant.id, linked).await?;
    for link in linked {
        // Who isn't there any more was removed.
        if there.get(&link.subject) == Some(&true) {
            continue;
        }
        let work = async |tx: &mut Tx| zitadel::switch(tx, issuers, &link.subject, false).await;
        if let Err(problem) = service.db.write(&ctx, tenant.id, work).await {
            tracing::warn!(tenant = %tenant.id, %problem, "a person who is gone could not be deactivated");
        }
    }
    Ok(())
}
