//! Who calls. The gate makes a [`Caller`]; a handler takes the narrowest form that it needs and gets its transactions
//! from it: no permission, no caller; no caller, no transaction.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use ipnet::IpNet;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Tx, View};
use policy_core::Role;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::failures::{Acting, FailureOf};
use crate::limits::Limits;
use crate::peer::Network;
use crate::routes::{Access, Describe, Operation};
use crate::{Code, Problem, Service, strangers};

/// Somebody whose credentials were accepted.
#[derive(Clone, Debug)]
pub struct Principal {
    /// `key` or `scim_token`.
    pub kind: &'static str,
    /// The credential's id.
    pub id: Uuid,
    /// What it may do.
    pub role: Role,
    /// The tenant it belongs to; `None`: the platform.
    pub tenant: Option<Uuid>,
    /// The organization it belongs to.
    pub organization: Option<Uuid>,
    /// How often a tenant's credential may call, by plan; a platform's isn't limited.
    pub rate_multiplier: Option<u32>,
    /// A SCIM token's profile: whether the tolerance for real clients is on.
    pub compat: bool,
    /// Where it may be used from; empty: everywhere.
    pub addresses: Arc<[IpNet]>,
    /// The hidden tenant on whose copy of the directory its requests work, instead of the real one.
    pub rehearsal: Option<Uuid>,
}

impl Principal {
    /// Whether it may be used from there. An address that isn't known is nowhere.
    pub(crate) fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let inside = |address: IpAddr| self.addresses.iter().any(|range| range.contains(&address));
        self.addresses.is_empty() || address.is_some_and(inside)
    }
}

/// Recognises bearer credentials of one kind.
pub trait Authenticator: Send + Sync {
    /// Who `bearer` is, or the refusal. Wrong, unknown and other people's credentials are answered alike.
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Problem>>;

    /// Whether a credential that was recognised earlier, named by its kind and id, is still good: what a ticket asks that was handed
    /// out for it. Where no tickets are handed out, none is.
    fn is_live<'a>(
        &'a self,
        _service: &'a Service,
        _kind: &'a str,
        _id: Uuid,
    ) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        Box::pin(ready(Ok(false)))
    }
}

/// Who calls, and the service they call. Made by the gate.
#[derive(Clone)]
pub struct Caller {
    /// The service.
    pub service: Service,
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

/// What was shown, for those who look again: an answer that goes on for hours outlives a revocation.
pub(crate) struct Credential {
    authenticator: Arc<dyn Authenticator>,
    bearer: SecretString,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    pub(crate) fn new(authenticator: &Arc<dyn Authenticator>, bearer: &str) -> Arc<Self> {
        Arc::new(Self { authenticator: authenticator.clone(), bearer: bearer.into() })
    }
}

/// A caller on a route about one tenant.
#[derive(Clone, Debug)]
pub struct TenantCaller {
    caller: Caller,
    tenant: Uuid,
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
    tenant: Uuid,
    /// The organization.
    pub organization: Uuid,
    /// Whether the tolerance for real clients is on.
    pub compat: bool,
    /// The tenant whose rows are read and written: the caller's, or the copy on which it rehearses.
    directory: Uuid,
}

impl Caller {
    /// Who calls; a refusal on a public route.
    ///
    /// # Errors
    /// `auth.required`.
    pub fn principal(&self) -> Result<&Principal, Problem> {
        self.principal.as_ref().ok_or_else(|| Problem::new(Code::AuthRequired))
    }

    /// Whether what the caller showed is still taken, for the same role.
    pub async fn is_still_good(&self) -> bool {
        let (Some(credential), Some(principal)) = (&self.credential, &self.principal) else { return true };
        let bearer = credential.bearer.expose_secret();
        let again = credential.authenticator.authenticate(&self.service, bearer).await;
        again.is_ok_and(|again| again.id == principal.id && again.role == principal.role)
    }

    /// Whether a credential of the management API that was recognised earlier is still good. A store that can't be asked takes nobody's
    /// word back.
    pub async fn is_live(&self, kind: &str, id: Uuid) -> bool {
        self.keys.is_live(&self.service, kind, id).await.unwrap_or(true)
    }

    /// Says as whom the request acts, for whom its failure then counts. Said again, the later word holds: a claim is proven, or is not.
    ///
    /// # Errors
    /// `rate.limited` where there were too many failures already.
    pub fn acts_as(&self, request: &HttpRequest, acting: Acting<'_>) -> Result<(), Problem> {
        let of = FailureOf::of(acting, Network::of(self.ctx.ip_address));
        request.extensions_mut().insert(of);
        if self.service.config.rate_limit.enabled { self.limits.failures.may(of) } else { Ok(()) }
    }

    /// Records an attempt that was refused, as far as there may be records of this caller.
    pub async fn record_denied(&self, tenant: Option<Uuid>, action: &'static str, target: Target) {
        let credential = self.principal.as_ref().map(|principal| principal.id);
        strangers::record_denied(&self.service, &self.ctx, credential, tenant, action, target).await;
    }
}

impl TenantCaller {
    /// The tenant.
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// Reads of the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        self.caller.service.db.read(self.tenant, work).await
    }

    /// Work on the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn write<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.caller.service.db.write(&self.caller.ctx, self.tenant, work).await
    }
}

impl OrganizationCaller {
    /// The tenant.
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// The tenant whose rows are read and written: its own, or the copy on which it rehearses.
    pub fn directory(&self) -> Uuid {
        self.directory
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
            Some(multiplier) => self.caller.limits.costs.spend(self.tenant, multiplier, cost),
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
        self.caller.service.db.read(self.directory, work).await
    }

    /// Work on the tenant.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn write<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.caller.service.db.write(&self.caller.ctx, self.directory, work).await
    }
}

impl PlatformCaller {
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

        impl Describe for $kind {
            fn describe(_: &mut Operation) {}
        }
    )*};
}

is_a_caller!(TenantCaller, PlatformCaller, OrganizationCaller);

impl TenantCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        let tenant = caller.tenant.ok_or_else(|| Problem::internal("the route names no tenant"))?;
        Ok(Self { caller, tenant })
    }
}

impl PlatformCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        if caller.principal()?.tenant.is_some() {
            return Err(Problem::new(Code::AuthInsufficient));
        }
        Ok(Self { caller })
    }
}

impl OrganizationCaller {
    fn narrow(caller: Caller) -> Result<Self, Problem> {
        let principal = caller.principal()?;
        match (principal.tenant, principal.organization) {
            (Some(tenant), Some(organization)) => {
                let (compat, directory) = (principal.compat, principal.rehearsal.unwrap_or(tenant));
                Ok(Self { caller, tenant, organization, compat, directory })
            }
            _ => Err(Problem::new(Code::AuthInsufficient)),
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

impl Describe for Caller {
    fn describe(_: &mut Operation) {}
}
