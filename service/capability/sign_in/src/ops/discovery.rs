//! Home-realm discovery: which connection a person is sent to, by what the request says.

use connections::{Connection, ConnectionStatus};
use platform::{DbError, View};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use web::PlatformService;

use super::parameters::Parameters;
use crate::error::Error;
use crate::store;

/// Tenants that one request can have mail sent by.
const RESIDENTS_MAX: usize = 10;

/// What a request says about where somebody belongs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) tenant: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) login: Option<String>,
}

impl Hints {
    pub(crate) fn of(parameters: &Parameters) -> Self {
        let get = |name: &str| parameters.get(name).cloned();
        Self {
            tenant: get("tenant"),
            organization: get("organization"),
            connection: get("connection"),
            domain: get("domain_hint"),
            login: get("login_hint"),
        }
    }

    /// The domains that are hinted at, the surer first.
    fn domains(&self) -> impl Iterator<Item = String> + '_ {
        let by_login = self.login.as_deref().and_then(identity_core::domain_of);
        self.domain.as_deref().and_then(connections::domain).into_iter().chain(by_login)
    }
}

/// Where somebody belongs within a tenant.
#[derive(Debug)]
pub(crate) enum Home {
    /// One connection.
    Connection(Box<Connection>),
    /// Several.
    Choice(Vec<Connection>),
}

/// A way in, as a page shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Way {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

/// The tenant that the hints name: all that name one must agree.
pub(crate) async fn tenant(service: &PlatformService, hints: &Hints) -> Result<Option<Uuid>, Error> {
    let mut found: Option<Uuid> = None;
    let mut agree = |one: Uuid| match found {
        Some(other) if other != one => Err(Error::NotFound),
        _ => {
            found = Some(one);
            Ok(())
        }
    };
    if let Some(name) = &hints.tenant {
        agree(web::tenant_named(service, name).await?.ok_or(Error::NotFound)?)?;
    }
    if let Some(text) = &hints.connection {
        let id = Uuid::try_parse(text).map_err(|_| Error::NotFound)?;
        agree(connections::tenant_of(service, id).await?)?;
    }
    if found.is_some() {
        return Ok(found);
    }
    for domain in hints.domains() {
        if let Some(tenant) = service.db.tenant_of(connections::by_domain(&domain)).await? {
            return Ok(Some(tenant));
        }
    }
    Ok(None)
}

/// The way in that the hints lead to.
pub(crate) async fn home(view: &View, hints: &Hints) -> Result<Home, Error> {
    tenancy::active(view).await?;
    let organization = match &hints.organization {
        Some(name) => Some(tenancy::organization_named(view, name).await?.id),
        None => organization_by_domain(view, hints).await?,
    };
    if let Some(text) = &hints.connection {
        let id = Uuid::try_parse(text).map_err(|_| Error::NotFound)?;
        // Asked again within the tenant: an id that another hint didn't choose must not choose past it.
        let connection = connections::find(view, id).await?;
        if organization.is_some_and(|organization| organization != connection.row.organization_id) {
            return Err(Error::NotFound);
        }
        return Ok(Home::Connection(Box::new(connection)));
    }
    let organization = match organization {
        Some(organization) => organization,
        None => tenancy::organization_named(view, "default").await?.id,
    };
    let all = connections::of_organization(view, organization).await?;
    if all.is_empty() {
        return Err(Error::NoWayIn);
    }
    let mut usable: Vec<Connection> =
        all.into_iter().filter(|one| one.status() == ConnectionStatus::Active).collect();
    if let Some(only) = directory::sign_in_policy(view, organization).await?.row.connection_id {
        usable.retain(|one| one.row.id == only);
    }
    match usable.pop() {
        Some(only) if usable.is_empty() => Ok(Home::Connection(Box::new(only))),
        Some(last) => {
            usable.push(last);
            Ok(Home::Choice(usable))
        }
        None => Err(Error::NoConnectionActive),
    }
}

async fn organization_by_domain(view: &View, hints: &Hints) -> Result<Option<Uuid>, DbError> {
    for domain in hints.domains() {
        if let Some(organization) = connections::organization_of_domain(view, &domain).await? {
            return Ok(Some(organization));
        }
    }
    Ok(None)
}

/// Somebody with an address in a tenant.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) tenant: Uuid,
    /// As the directory has it: what was typed may be another mailbox's name that is compared as equal.
    pub(crate) address: String,
}

/// Tenants in which an active user has this address: those that a mail may tell of.
pub(crate) async fn residents(service: &PlatformService, email: &str) -> Result<Vec<Resident>, Error> {
    let key = directory::fold(email);
    let rows = service.db.read(async |view| store::active_users_of_address(view, &key).await).await?;
    let mut found: Vec<Resident> = Vec::new();
    for row in rows {
        let tenant: Uuid = row.try_get("", "tenant_id").map_err(Error::internal)?;
        let resource: Value = row.try_get("", "resource").map_err(Error::internal)?;
        let name: String = row.try_get("", "user_name").map_err(Error::internal)?;
        let emails = resource.get("emails").and_then(Value::as_array).into_iter().flatten();
        let emails = emails.filter_map(|item| item.get("value")?.as_str());
        let mut values = emails.chain(Some(name.as_str()).filter(|name| identity_core::is_email(name)));
        if let Some(address) = values.find(|value| directory::fold(value) == key)
            && found.len() < RESIDENTS_MAX
            && !found.iter().any(|one| one.tenant == tenant)
        {
            found.push(Resident { tenant, address: address.trim().to_owned() });
        }
    }
    Ok(found)
}
