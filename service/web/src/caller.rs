//! Who calls. The gate makes a [`Caller`]; a handler takes the narrowest form that it needs and gets its transactions
//! from it: no permission, no caller; no caller, no transaction.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use ipnet::IpNet;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Tx, View};
use policy_core::Role;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::limits::{Limits, Window};
use crate::routes::{Describe, Operation};
use crate::{Code, Problem, Service};

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
}

/// Who calls, and the service they call. Made by the gate.
#[derive(Clone, Debug)]
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
    pub(crate) credential: Option<Arc<Credential>>,
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
        match principal.rate_multiplier.filter(|_| self.service.config.rate_limit.enabled) {
            Some(multiplier) => self.caller.limits.count(Window::Scim, principal.id, multiplier).map(drop),
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
