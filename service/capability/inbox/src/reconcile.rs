//! Zitadel sends each event once at most: what was missed is found by comparing, and mended in both directions.

use chrono::TimeDelta;
use entity::directory::identity;
use entity::directory::states::UserState;
use entity::tenancy::states::{IdentityBackend, SuspendedBy};
use entity::tenancy::status::Status;
use entity::tenancy::tenant;
use platform::{Ctx, Timestamp, Tx, View};
use std::collections::BTreeMap;
use uuid::Uuid;
use web::{Service, TenantService};

use crate::error::Error;
use crate::zitadel::{self, Access, Word};

/// What Zitadel lists may be older than what its events told, by so much.
const LAG: TimeDelta = TimeDelta::minutes(1);

/// Compares all tenants that are orgs of Zitadel's with what it has.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn reconcile(service: &Service) -> Result<(), Error> {
    if service.config.section::<backends::Settings>().zitadel.url.is_empty() {
        return Ok(());
    }
    let issuers = backends::zitadel_issuers(service).await?;
    let work = async |tenant: &tenant::Model| {
        if let Err(error) = one(&service.of(tenant.id), &issuers).await {
            tracing::warn!(tenant = %tenant.id, %error, "an org could not be compared with Zitadel");
        }
        Ok(())
    };
    tenancy::each(&service.db, &[IdentityBackend::Zitadel], work).await
}

/// Who is switched off here.
#[derive(Clone, Copy, Debug)]
struct Off {
    state: UserState,
    since: Timestamp,
}

/// What is here. It is read before Zitadel is asked: whatever comes meanwhile is seen when something is to be changed.
struct Here {
    tenant: tenant::Model,
    links: Vec<identity::Model>,
    off: BTreeMap<Uuid, Off>,
    now: Timestamp,
}

async fn here(service: &TenantService, issuers: &[String]) -> Result<Here, Error> {
    let read = async |view: &View| {
        let off = directory::switched_off(view).await?;
        Ok::<_, Error>(Here {
            tenant: tenancy::get(view).await?,
            links: directory::identities_of_issuers(view, issuers).await?,
            off: off
                .into_iter()
                .map(|(id, by, since)| (id, Off { state: UserState::off(by), since }))
                .collect(),
            now: view.now(),
        })
    };
    service.db.read(read).await
}

/// What is to be done about a person of whom Zitadel says this; `None`: nothing. Whoever was switched off a moment ago waits for the next
/// round: Zitadel's lists come later than its events.
fn repairs(there: Access, off: Option<Off>, word: Word, now: Timestamp) -> Option<Access> {
    let was = off.map_or(UserState::Active, |off| off.state);
    let changes = was.after(word.verb(there)).is_some_and(|is| is != was);
    let waits = off.is_some_and(|off| off.since + LAG > now);
    (changes && !waits).then_some(there)
}

async fn one(service: &TenantService, issuers: &[String]) -> Result<(), Error> {
    let outside = service.outside();
    let settings = &service.config.section::<backends::Settings>().zitadel;
    let Here { tenant, links, off, now } = here(service, issuers).await?;
    let organization = tenant.identity_external_id.as_deref().unwrap_or_default();
    let active =
        backends::zitadel_is_active(settings, &outside, organization).await.map_err(Error::Unreachable)?;
    let ctx = Ctx::system(directory::BACKEND);
    // A tenant that was suspended here is inactive there because of it.
    let follows = tenant.status == Status::Active || tenant.suspended_by == Some(SuspendedBy::Backend);
    if follows {
        let word = Word::Reading(tenant.identity_sequence);
        let work = async |tx: &mut Tx| zitadel::follow(tx, Access::from(active), word).await;
        service.db.write(&ctx, work).await?;
    }
    let people = backends::people(settings, &outside, organization).await.map_err(Error::Unreachable)?;
    let there: BTreeMap<String, bool> = people.into_iter().map(|person| (person.id, person.active)).collect();
    for link in links {
        // Who isn't there any more was removed.
        let said = Access::from(there.get(&link.subject) == Some(&true));
        let word = Word::Reading(link.sequence);
        let Some(access) = repairs(said, off.get(&link.user_id).copied(), word, now) else { continue };
        let work = async |tx: &mut Tx| zitadel::switch(tx, issuers, &link.subject, (access, word)).await;
        if let Err(error) = service.db.write(&ctx, work).await {
            tracing::warn!(tenant = %tenant.id, %error, "a user could not be reconciled with Zitadel");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use entity::directory::states::DeactivatedBy;

    use super::*;

    #[test]
    fn what_is_otherwise_there_is_mended_in_both_directions() {
        use Access::{Given, Taken};
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let off = |by: Option<DeactivatedBy>, since: TimeDelta| {
            Some(Off { state: UserState::off(by), since: now - since })
        };
        let (long, just) = (TimeDelta::hours(1), TimeDelta::seconds(59));
        let backend = Some(DeactivatedBy::Backend);
        for (there, here, wanted) in [
            (Taken, None, Some(Taken)),
            (Given, None, None),
            (Taken, off(backend, long), None),
            (Given, off(backend, long), Some(Given)),
            (Given, off(backend, LAG), Some(Given)),
            (Given, off(backend, just), None),
            (Given, off(Some(DeactivatedBy::Directory), long), None),
            (Given, off(Some(DeactivatedBy::Admin), long), None),
            (Given, off(None, long), None),
        ] {
            assert_eq!(repairs(there, here, Word::Reading(None), now), wanted, "{there:?} {here:?}");
        }
    }
}
