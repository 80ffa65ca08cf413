//! An identity becomes a session: which tenant it belongs to, and the transaction there.

use std::cell::Cell;

use futures_util::future::LocalBoxFuture;
use platform::Tx;
use sessions::{Keyring, Signers};
use web::{Caller, Denied, TenantCaller};

use crate::error::Error;
use crate::ops::exchange::{Asked, Exchanged, open_session};
use crate::ops::subject::{Identity, Named, SubjectHints, Via, is_known_by_alias};
use crate::settings::Settings;

/// Makes tenants at a first exchange, where `sso.exchange.auto_provision` is on.
pub trait TenantMaker: Send + Sync {
    /// Makes the tenant of this external id, unless it is there, and waits a while until it is active. Why not is
    /// [`Error::NotMade`].
    fn make<'a>(&'a self, caller: &'a Caller, external_id: &'a str) -> LocalBoxFuture<'a, Result<(), Error>>;
}

/// The tenant that a token names.
async fn named(caller: &Caller, named: &Named) -> Result<TenantCaller, Error> {
    let tenant = caller.at(named.lookup()).await?.ok_or(Error::TenantUnknown)?;
    if named.is_alias() {
        let row = tenant.read(async |view| tenancy::get(view).await).await?;
        if !is_known_by_alias(&row) {
            return Err(Error::TenantUnknown);
        }
    }
    Ok(tenant)
}

/// Whether nobody knows the organization, or somebody who came a moment before is having its tenant made.
async fn is_missing(caller: &Caller, of: &Named) -> Result<bool, Error> {
    match named(caller, of).await {
        Ok(tenant) => {
            let row = tenant.read(async |view| tenancy::get(view).await).await?;
            Ok(row.status == tenancy::Status::Provisioning)
        }
        Err(Error::TenantUnknown) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Lets the person of an identity in, and opens their session.
///
/// # Errors
/// [`Denied`]: with the tenant and the organization that refuse, as far as they are known.
pub async fn exchange(
    caller: &Caller,
    makes: &dyn TenantMaker,
    keys: &Keyring,
    (identity, said): (&Identity, &SubjectHints),
    asked: Result<Asked, Error>,
) -> Result<Exchanged, Denied> {
    let tenant = match &identity.via {
        Via::Tenant(of) => match of {
            Named::ExternalId(id) if caller.tools().config.section::<Settings>().exchange.auto_provision => {
                if is_missing(caller, of).await? {
                    makes.make(caller, id).await?;
                }
                named(caller, of).await?
            }
            _ => named(caller, of).await?,
        },
        Via::Connection(connection, _) => caller.within(connection.row.tenant_id),
    };
    let refuses = Cell::new(match &identity.via {
        Via::Connection(connection, _) => Some(connection.row.organization_id),
        Via::Tenant(_) => None,
    });
    let denied = |error: Error| Denied::from(error).at(tenant.tenant(), refuses.get());
    let asked = asked.map_err(denied)?;
    if said.tenant.is_some_and(|named| named != tenant.tenant()) {
        return Err(denied(Error::TenantOther));
    }
    let work = async |tx: &mut Tx, signers: &Signers| {
        open_session(tx, (caller.tools(), signers), (identity, said), (&asked, &refuses)).await
    };
    let write = async || keys.write_signed(caller.platform(), tenant.db(), &caller.ctx, &work).await;
    directory::again_after_race(Error::is_race, write).await.map_err(denied)
}
