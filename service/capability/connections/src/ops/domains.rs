//! E-mail domains that organizations prove to be theirs, by a TXT record.

use std::net::SocketAddr;
use std::time::Duration;

use entity::connections::domain::{Column, Entity, Model};
use entity::connections::states::{DomainState, DomainVerb};
use entity::ids::OrganizationId;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use platform::crypto::{hex, random};
use platform::refusal::{Classified as _, Invalid};
use platform::rules::{Rule, check_limit};
use platform::{Ctx, DbError, PlatformView, Target, Tx, View, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;
use web::{Service, TenantService, Tools};

use crate::error::Error;
use crate::settings;
use crate::settings::Settings;

/// Domains of one organization.
const DOMAINS_MAX: u64 = 200;
/// The label under which the record stands, so that the domain's own records stay as they are.
const LABEL: &str = "_tenantry-challenge";
/// A proof is looked at again after this long.
const RECHECKED_EVERY: chrono::TimeDelta = chrono::TimeDelta::days(7);
/// Domains that are looked at again in one round.
const RECHECKED_AT_ONCE: u64 = 50;

platform::events! {
    /// A domain was claimed or verified, or its DNS record is no longer there.
    pub(crate) struct DomainChanged = "domain.changed" { organization_id: Uuid, domain: String, verified: bool }
}

/// Where the record stands and what it says.
pub(crate) fn record(row: &Model) -> (String, String) {
    (format!("{LABEL}.{}", row.name), format!("tenantry-domain-verification={}", row.token))
}

/// An organization's domain, unproven.
pub(crate) async fn create(tx: &mut Tx, organization: Uuid, text: &str) -> Result<Model, Error> {
    let name = settings::domain(text)
        .ok_or_else(|| Invalid::at("/domain", "must be a domain of your own, like example.com"))?;
    let there = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    check_limit(tx, Rule::Domains, organization, there, DOMAINS_MAX).await?;
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        id: ids::new(),
        name,
        token: hex(&random::<16>()),
        verified_name: None,
        verified_at: None,
        checked_at: None,
        check_error: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let taken = |error: DbError| match error {
        DbError::Conflict(_) => Error::DomainExists,
        other => other.into(),
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    tx.record("domain.create", Target::new("domain", row.id));
    Ok(row)
}

/// One domain of the organization.
pub(crate) async fn find(view: &View, organization: OrganizationId, id: Uuid) -> Result<Model, Error> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let found = view.one(select.filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// The domains of an organization.
pub(crate) async fn list(view: &View, organization: Uuid) -> Result<Vec<Model>, DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    view.all(select.order_by_asc(Column::Name).limit(DOMAINS_MAX)).await
}

/// Removes a domain: addresses in it prove nothing any more.
pub(crate) async fn delete(tx: &mut Tx, row: Model) -> Result<(), DbError> {
    tx.purge(tx.remove::<Entity>().filter(Column::Id.eq(row.id))).await?;
    tx.record("domain.delete", Target::new("domain", row.id));
    tx.emit(&DomainChanged {
        organization_id: row.organization_id,
        domain: row.name.clone(),
        verified: false,
    });
    Ok(())
}

/// Asks for the record and writes down what came of it.
///
/// # Errors
/// [`Error::DomainTaken`] if another tenant has proven the domain; [`Error::DomainUnproven`] if the record isn't there.
pub(crate) async fn verify(
    service: &TenantService,
    ctx: &Ctx,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Model, Error> {
    let row = service.db.read(async |view| find(view, organization, id).await).await?;
    let (name, wanted) = record(&row);
    let outcome = texts(service, &name).await.map(|texts| texts.contains(&wanted));
    let work = async |tx: &mut Tx| record_check(tx, organization, id, &outcome).await;
    let row = match service.db.write(ctx, work).await {
        Err(Error::Store(DbError::Conflict(_))) => return Err(Error::DomainTaken),
        other => other?,
    };
    let unproven = |why: String| Error::DomainUnproven { why, record_name: name, record_value: wanted };
    match (&row.verified_at, outcome) {
        (_, Ok(true)) => Ok(row),
        (_, Ok(false)) => Err(unproven("the record is not there".to_owned())),
        (_, Err(why)) => Err(unproven(why)),
    }
}

async fn record_check(
    tx: &mut Tx,
    organization: OrganizationId,
    id: Uuid,
    outcome: &Result<bool, String>,
) -> Result<Model, Error> {
    let select = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let found = tx.lock(select.filter(Column::Id.eq(id))).await?;
    let before = found.ok_or(Error::NotFound)?;
    let (was, since) = (before.state(), before.verified_at);
    let mut row =
        Model { checked_at: Some(tx.now()), updated_at: tx.now(), version: before.version + 1, ..before };
    let verb = match outcome {
        Ok(true) => Some(DomainVerb::Prove),
        Ok(false) => Some(DomainVerb::Lapse),
        // A resolver that doesn't answer proves nothing, neither way.
        Err(_) => None,
    };
    let is = verb.and_then(|verb| was.after(verb)).unwrap_or(was);
    row.verified_at = (is == DomainState::Verified).then(|| since.unwrap_or(tx.now()));
    row.verified_name = row.verified_at.map(|_| row.name.clone());
    row.check_error = match outcome {
        Ok(true) => None,
        Ok(false) => Some("the record is not there".to_owned()),
        Err(why) => Some(why.clone()),
    };
    tx.update(row.clone()).await?;
    if was != is {
        let verified = is == DomainState::Verified;
        let action = if verified { "domain.verify" } else { "domain.lapse" };
        tx.record(action, Target::new("domain", row.id));
        tx.emit(&DomainChanged { organization_id: organization.0, domain: row.name.clone(), verified });
    } else {
        tx.housekeeping();
    }
    Ok(row)
}

/// Looks again at proofs that are old: a record that is gone proves nothing any more.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn recheck_domains(service: &Service) -> Result<usize, Error> {
    let before = service.db.clock().now() - RECHECKED_EVERY;
    let find = async |view: &PlatformView| {
        let select = view.across::<Entity>().filter(Column::VerifiedAt.is_not_null());
        let select = select.filter(Column::CheckedAt.lt(before)).order_by_asc(Column::CheckedAt);
        view.all(select.limit(RECHECKED_AT_ONCE)).await
    };
    let rows = service.db.read_platform(find).await?;
    let ctx = Ctx::system("domains");
    for row in &rows {
        let tenant = service.of(row.tenant_id);
        match verify(&tenant, &ctx, OrganizationId(row.organization_id), row.id).await {
            Ok(_) => {}
            Err(error) if error.is_refusal() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rows.len())
}

/// Whether the tenant has proven the domain of this address.
pub async fn owns(view: &View, email: &str) -> Result<bool, DbError> {
    let Some(domain) = identity_core::domain_of(email) else { return Ok(false) };
    Ok(organization_of(view, &domain).await?.is_some())
}

/// The organization that has proven this domain.
pub async fn organization_of(view: &View, domain: &str) -> Result<Option<Uuid>, DbError> {
    let found = view.one(view.select::<Entity>().filter(Column::VerifiedName.eq(domain))).await?;
    Ok(found.map(|row| row.organization_id))
}

/// The TXT records of a name; none is an answer too.
async fn texts(tools: &Tools, name: &str) -> Result<Vec<String>, String> {
    let resolver =
        resolver(&tools.config.section::<Settings>().dns_server).map_err(|_| "no resolver".to_owned())?;
    match resolver.txt_lookup(format!("{name}.")).await {
        Ok(found) => Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(_) => Err("the domain's name servers don't answer".to_owned()),
    }
}

fn text(data: &hickory_resolver::proto::rr::RData) -> Option<String> {
    match data {
        hickory_resolver::proto::rr::RData::TXT(txt) => {
            let bytes: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
            String::from_utf8(bytes).ok()
        }
        _ => None,
    }
}

/// The configured name server, or the system's.
fn resolver(server: &str) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let mut builder = match server.parse::<SocketAddr>() {
        Ok(address) => {
            let mut udp = ConnectionConfig::udp();
            udp.port = address.port();
            let server = NameServerConfig::new(address.ip(), true, vec![udp]);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        Err(_) => TokioResolver::builder_tokio()?,
    };
    builder.options_mut().timeout = Duration::from_secs(3);
    builder.options_mut().attempts = 2;
    builder.options_mut().cache_size = 0;
    builder.build()
}
