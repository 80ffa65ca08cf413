//! Who calls. The gate makes a [`Caller`]; a handler takes the narrowest form that it needs and gets its transactions
//! from it: no permission, no caller; no caller, no transaction.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::{Ready, ready};
use platform::db::{Lookup, TenantDb};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Timestamp, Tx, View};
use uuid::Uuid;

use crate::access::Access;
use crate::credential::{Authenticator, Credential, CredentialKind, Principal, still_good};
use crate::failures::{Acting, Attempt, FailureOf};
use crate::limits::Limits;
use crate::named::tenant_named;
use crate::peer::Network;
use crate::{Code, Denied, PlatformService, Problem, Service, TenantService, Tools, strangers};

/// Who calls, and the service they call. Made by the gate.
#[derive(Clone)]
pub struct Caller {
    pub(crate) service: Service,
    /// Who; `None` on public routes.
    pub principal: Option<Principal>,
    /// The tenant that the path names.
    pub tenant: Option<Uuid>,
    /// Actor, request, address: what audit records say.
    pub ctx: Ctx,
    pub(crate) limits: Arc<Limits>,
    pub(crate) keys: Arc<dyn Authenticator>,
    pub(crate) credential: Option<Arc<Credential>>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("principal", &self.principal)
            .field("tenant", &self.tenant)
            .field("ctx", &self.ctx)
            .finish_non_exhaustive()
    }
}

/// A caller on a route about one tenant.
#[derive(Clone, Debug)]
pub struct TenantCaller {
    caller: Caller,
    service: TenantService,
}

/// A caller of the platform.
#[derive(Clone, Debug)]
pub struct PlatformCaller {
    caller: Caller,
}

/// A caller whose credential names an organization: an identity provider.
#[derive(Clone, Debug)]
pub struct OrganizationCaller {
    caller: Caller,
    /// The tenant as a whole.
    own: TenantDb,
    /// The organization.
    pub organization: Uuid,
    /// Whether the tolerance for real clients is on.
    pub compat: bool,
    /// The tenant whose rows are read and written: the caller's, or the copy on which it makes its dry run.
    directory: TenantDb,
}

/// Whose credential it is.
#[derive(Clone, Debug)]
pub enum Reach {
    /// A tenant's: it sees that tenant.
    Tenant(TenantCaller),
    /// The platform's: it sees all.
    Platform(PlatformCaller),
}

impl Caller {
    /// How far the credential reaches.
    ///
    /// # Errors
    /// `auth.required`.
    pub fn reach(&self) -> Result<Reach, Problem> {
        Ok(match self.principal()?.tenant {
            Some(tenant) => Reach::Tenant(self.within(tenant)),
            None => Reach::Platform(PlatformCaller { caller: self.clone() }),
        })
    }

    /// What is beside the store: settings, clock, keys, clients.
    pub fn tools(&self) -> &Tools {
        &self.service
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.service.clock.now()
    }

    /// The service with its whole store, for what looks after the store itself. A guard lists who takes it; the list only shrinks.
    pub fn whole_service(&self) -> &Service {
        &self.service
    }

    /// What is about no tenant, or about none yet: a public route's rows of the platform, and look-ups. A guard lists who takes it.
    pub fn platform(&self) -> &PlatformService {
        &self.service
    }

    /// The tenant that something belongs to: how a public route comes to its tenant.
    pub async fn at(&self, what: Lookup) -> Result<Option<TenantCaller>, DbError> {
        Ok(self.service.db.tenant_of(what).await?.map(|tenant| self.within(tenant)))
    }

    /// The narrow caller of a tenant to which a public route came by what it verified, or by a name in the request whose rows are opened by
    /// a secret of their own. A guard lists who asks for it.
    pub fn within(&self, tenant: Uuid) -> TenantCaller {
        TenantCaller { caller: self.clone(), service: self.service.of(tenant) }
    }

    /// Whose a credential is that came otherwise than to the gate: as a parameter, for example.
    ///
    /// # Errors
    /// [`Denied`], as the gate would refuse it.
    pub async fn recognise(&self, keys: &dyn Authenticator, bearer: &str) -> Result<Principal, Denied> {
        keys.authenticate(&self.service, bearer).await
    }

    /// Who calls; a refusal on a public route.
    ///
    /// # Errors
    /// `auth.required`.
    pub fn principal(&self) -> Result<&Principal, Problem> {
        self.principal.as_ref().ok_or_else(|| Problem::new(Code::AUTH_REQUIRED))
    }

    /// Whether what the caller showed is still taken, for the same role.
    pub async fn is_still_good(&self) -> bool {
        let (Some(credential), Some(principal)) = (&self.credential, &self.principal) else { return true };
        still_good(credential.still_shows(&self.service, principal).await)
    }

    /// Whether a credential of the management API that was recognised earlier is still good.
    pub async fn is_live(&self, kind: CredentialKind, id: Uuid) -> bool {
        still_good(self.keys.is_live(&self.service, kind, id).await)
    }

    /// Says as whom the request acts, for whom its failure then counts, before what may fail is evaluated. Said again when what was said
    /// before proved right: that is no failure any more.
    ///
    /// # Errors
    /// `rate.limited` where there were too many failures already, or too many others are at it.
    pub async fn acts_as(&self, request: &HttpRequest, acting: Acting) -> Result<(), Problem> {
        if !self.service.config.rate_limit.enabled {
            return Ok(());
        }
        // Given back first: who waits for a place holds none.
        let before = request.extensions_mut().remove::<Attempt>();
        before.into_iter().for_each(Attempt::give_back);
        let of = FailureOf::of(acting, Network::of(self.ctx.ip_address));
        let attempt = self.limits.failures.attempt(of).await?;
        request.extensions_mut().insert(attempt);
        Ok(())
    }

    /// Records an attempt that was refused, as far as there may be records of this caller.
    pub async fn record_denied(&self, tenant: Option<Uuid>, action: &'static str, target: Target) {
        let credential = self.principal.as_ref().map(|principal| principal.id);
        strangers::record_denied(&self.service, &self.ctx, credential, tenant, action, target).await;
    }

    /// Records what was refused. What failed for a reason of ours is no attempt.
    ///
    /// # Errors
    /// The refusal.
    pub async fn recorded<T>(
        &self,
        done: Result<T, Denied>,
        action: &'static str,
        target: Target,
    ) -> Result<T, Problem> {
        match done {
            Ok(done) => Ok(done),
            Err(denied) => {
                if denied.problem.is_refusal() {
                    self.record_denied(denied.tenant, action, denied.annotate(target)).await;
                }
                Err(denied.problem)
            }
        }
    }
}

impl TenantCaller {
    /// The tenant.
    pub fn tenant(&self) -> Uuid {
        self.service.db.tenant()
    }

    /// The store as the tenant sees it, for what goes on after the answer.
    pub fn db(&self) -> &TenantDb {
        &self.service.db
    }

    /// The tenant's store and the tools, for operations that make several transactions, with something outside in between.
    pub fn service(&self) -> &TenantService {
        &self.service
    }

    /// Reads of the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        self.service.db.read(work).await
    }

    /// Work on the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn write<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.service.db.write(&self.caller.ctx, work).await
    }
}

impl OrganizationCaller {
    /// The tenant.
    pub fn tenant(&self) -> Uuid {
        self.own.tenant()
    }

    /// The store as the tenant sees it, also while it makes a dry run on a copy.
    pub fn own(&self) -> &TenantDb {
        &self.own
    }

    /// The tenant whose rows are read and written: its own, or the copy on which it makes its dry run.
    pub fn directory(&self) -> &TenantDb {
        &self.directory
    }

    /// Counts one more request, for an operation within a request.
    ///
    /// # Errors
    /// `rate.limited`.
    pub fn count(&self) -> Result<(), Problem> {
        let principal = self.caller.principal()?;
        if !self.service.config.rate_limit.enabled {
            return Ok(());
        }
        self.caller.limits.count_principal(Access::Scim, principal).map(drop)
    }

    /// Takes what work costs, in about microseconds of a core, from what the tenant has; asked before the work is done.
    ///
    /// # Errors
    /// `rate.limited`.
    pub fn spend(&self, cost: u64) -> Result<(), Problem> {
        let principal = self.caller.principal()?;
        match principal.rate_multiplier.filter(|_| self.service.config.rate_limit.enabled) {
            Some(multiplier) => self.caller.limits.costs.spend(self.own.tenant(), multiplier, cost),
            None => Ok(()),
        }
    }

    /// Reads of the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        self.directory.read(work).await
    }

    /// Work on the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn write<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.directory.write(&self.caller.ctx, work).await
    }
}

impl PlatformCaller {
    /// The narrow caller of a tenant that the request names by its id or slug. Whether there is a tenant of this id says whoever reads it.
    ///
    /// # Errors
    /// `not_found` where there is no tenant of this slug.
    pub async fn named(&self, tenant: &str) -> Result<TenantCaller, Problem> {
        let found = tenant_named(&self.service, tenant).await?;
        Ok(self.within(found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?))
    }

    /// The narrow caller of a tenant.
    pub fn within(&self, tenant: Uuid) -> TenantCaller {
        self.caller.within(tenant)
    }

    /// Reads across tenants.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&PlatformView) -> Result<T, E>,
    ) -> Result<T, E> {
        self.caller.service.db.read_platform(work).await
    }

    /// Work across tenants.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn write<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut PlatformTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.caller.service.db.write_platform(&self.caller.ctx, work).await
    }
}

macro_rules! is_a_caller {
    ($($kind:ident),*) => {$(
        impl std::ops::Deref for $kind {
            type Target = Caller;
            fn deref(&self) -> &Caller {
                &self.caller
            }
        }

        impl FromRequest for $kind {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(caller(request).and_then(Self::narrow))
            }
        }

    )*};
}

is_a_caller!(TenantCaller, PlatformCaller, OrganizationCaller);

impl TenantCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        let tenant = caller.tenant.ok_or_else(|| Problem::internal("the route names no tenant"))?;
        Ok(caller.within(tenant))
    }
}

impl PlatformCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        if caller.principal()?.tenant.is_some() {
            return Err(Problem::new(Code::AUTH_INSUFFICIENT));
        }
        Ok(Self { caller })
    }
}

impl OrganizationCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        let principal = caller.principal()?;
        match (principal.tenant, principal.organization) {
            (Some(tenant), Some(organization)) => {
                let compat = principal.compat;
                let directory = caller.service.db.of(principal.dry_run.unwrap_or(tenant));
                let own = caller.service.db.of(tenant);
                Ok(Self { caller, own, organization, compat, directory })
            }
            _ => Err(Problem::new(Code::AUTH_INSUFFICIENT)),
        }
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    // Served without the gate, nobody gets in.
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Problem::internal("the route has no gate"))
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}
