//! The platform itself: a realm is an issuer with keys of its own, an org uses the platform's.

use entity::sessions::signing_key;
use entity::tenancy::states::IdentityKind;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::http::{Failure, Outside};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
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
            let work = async |view: &PlatformView| {
                let keys = view.platform::<signing_key::Entity>();
                view.count(keys.filter(signing_key::Column::TenantId.eq(desired.tenant))).await
            };
            let keys = self.service.db.read(work).await.map_err(failed)?;
            Ok(if keys == 0 { vec![Difference::missing("signing_key")] } else { Vec::new() })
        }
        .boxed_local()
    }

    fn remove<'a>(
        &'a self,
        _: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<(), Failure>> {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let keys = tx.platform::<signing_key::Entity>();
            for key in tx.all(keys.filter(signing_key::Column::TenantId.eq(desired.tenant))).await? {
                tx.record_for(desired.tenant, "signing_key.delete", Target::new("signing_key", &key.kid));
                tx.delete(key).await?;
            }
            Ok::<_, DbError>(())
        };
        async move { self.service.db.write(&Ctx::system("provisioning"), work).await.map_err(failed) }
            .boxed_local()
    }

    fn ping<'a>(&'a self, _: &'a Outside) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed_local()
    }
}
