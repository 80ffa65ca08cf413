//! The platform itself: a realm is an issuer with keys of its own, an org uses the platform's.

use entity::tenancy::states::IdentityKind;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::http::{Failure, Outside};
use platform::{Ctx, PlatformTx, PlatformView};
use web::PlatformService;

use crate::error::failed;
use crate::{DesiredState, Difference, IdentityBackend, Made};

pub(crate) struct Builtin<'a> {
    pub(crate) service: &'a PlatformService,
}

impl IdentityBackend for Builtin<'_> {
    fn ensure<'a>(
        &'a self,
        _: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Made, Failure>> {
        async move {
            if desired.kind == IdentityKind::Realm {
                let envelope = &self.service.envelope;
                let work = async |tx: &mut PlatformTx| {
                    sessions::ensure_key(tx, envelope, Some(desired.tenant)).await
                };
                let ctx = Ctx::system("provisioning");
                self.service.db.write(&ctx, work).await.map_err(failed)?;
            }
            Ok(Made { external_id: desired.external_id.clone(), issuer: None })
        }
        .boxed_local()
    }

    fn compare<'a>(
        &'a self,
        _: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Vec<Difference>, Failure>> {
        async move {
            if desired.kind != IdentityKind::Realm {
                return Ok(Vec::new());
            }
            let find = async |view: &PlatformView| sessions::has_key(view, desired.tenant).await;
            let has_key = self.service.db.read(find).await.map_err(failed)?;
            Ok(if has_key { Vec::new() } else { vec![Difference::missing("signing_key")] })
        }
        .boxed_local()
    }

    fn remove<'a>(
        &'a self,
        _: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<(), Failure>> {
        let work = async |tx: &mut PlatformTx| sessions::remove_keys(tx, desired.tenant).await;
        async move { self.service.db.write(&Ctx::system("provisioning"), work).await.map_err(failed) }
            .boxed_local()
    }

    fn ping<'a>(&'a self, _: &'a Outside) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed_local()
    }
}
