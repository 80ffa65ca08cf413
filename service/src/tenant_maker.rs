//! A tenant is made by somebody's coming: the exchange meets an organization that nobody knows.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use platform::Tx;
use platform::crypto::{hex, sha256};
use provisioning::NewTenant;
use serde_json::json;
use tokio::time::{Instant, sleep};
use web::{Caller, Code, Problem};

/// How long the exchange waits for the run.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// Characters of an external id that a slug begins with.
const READABLE_MAX: usize = 40;

/// Makes tenants by provisioning them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provisions;

impl exchange::TenantMaker for Provisions {
    fn make<'a>(
        &'a self,
        caller: &'a Caller,
        external_id: &'a str,
    ) -> LocalBoxFuture<'a, Result<(), exchange::Error>> {
        async move {
            let body = json!({
                "slug": slug(external_id), "name": identity_core::name_of(external_id),
                "plan": caller.tools().config.section::<exchange::Settings>().exchange.plan,
                "identity": {"externalId": external_id},
            });
            // An id that no tenant may have, e.g. one of control characters.
            let new = NewTenant::read(body).map_err(|_| exchange::Error::TenantUnknown)?;
            make(caller, external_id, new).map_err(exchange::Error::NotMade).await
        }
        .boxed_local()
    }
}

async fn make(caller: &Caller, external_id: &str, new: NewTenant) -> Result<(), Problem> {
    let (row, parameters) = new.into_row(caller.platform()).await?;
    let mut tenant = caller.within(row.id);
    let work = async |tx: &mut Tx| provisioning::create(tx, row, parameters).await;
    // Of its own: it stands whatever becomes of the sign-in, which is asked again until the tenant is there.
    let ctx = caller.ctx.apart();
    match tenant.db().write(&ctx, work).await {
        Ok(_) => {}
        // Somebody else of the same organization came at the same moment.
        Err(taken @ (provisioning::Error::ExternalIdTaken | provisioning::Error::SlugTaken)) => {
            let found = tenancy::by_external_id(external_id);
            tenant = caller.at(found).await?.ok_or(taken)?;
        }
        Err(error) => return Err(error.into()),
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let row = tenant.read(async |view| tenancy::get(view).await).await?;
        if row.status != tenancy::Status::Provisioning {
            return Ok(());
        }
        if Instant::now() > until {
            let problem = Problem::detailed(Code::UNAVAILABLE, "The tenant is being provisioned.");
            return Err(Problem { retry_after: Some(5), ..problem });
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// A DNS label that nobody else's organization gets: what is readable of the id, and some of its digest.
fn slug(external_id: &str) -> String {
    let readable: String = external_id
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' })
        .take(READABLE_MAX)
        .collect();
    let readable = readable.trim_matches('-');
    let digest = hex(sha256(external_id.as_bytes()).get(..4).unwrap_or_default());
    if readable.is_empty() { format!("t-{digest}") } else { format!("{readable}-{digest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_label_and_differs_where_ids_do() {
        assert_eq!(slug("Org_42"), "org-42-5e427315");
        assert_ne!(slug("a.b"), slug("a_b"));
        for id in ["", "€", &"x".repeat(255), "-a-", "ORG 1"] {
            assert!(web::is_slug(&slug(id)), "{id}: {}", slug(id));
        }
    }
}
