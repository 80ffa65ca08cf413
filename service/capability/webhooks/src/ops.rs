//! Modules, endpoints, their secrets.

use chrono::TimeDelta;
use entity::ids::TenantId;
use entity::webhooks::states::{Algorithm, Format, PushProfile};
use entity::webhooks::{endpoint, module as module_row};
use platform::crypto::{BearerSecret, SecretKind, StoredSecret};
use platform::http::HttpError;
use platform::jobs::SWEPT_AT_ONCE;
use platform::refusal::{FieldError, Invalid};
use platform::rules::{Rule, room};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use url::Url;
use uuid::Uuid;
use web::{IfMatch, Service};

use crate::deliver::Deliver;
use crate::error::Error;
use crate::signature::{generate, new_secret};

/// What a module's client secret begins with.
const CLIENT_SECRET_PREFIX: &str = "tnt_client_";
/// Modules and endpoints that are told of things.
pub(crate) const RECEIVERS_MAX: u64 = 1000;
/// Deliveries that are over are kept this long, as long as events.
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(30);

/// A module with its secrets, shown once.
pub(crate) struct MadeModule {
    pub(crate) row: module_row::Model,
    pub(crate) client_secret: String,
    pub(crate) webhook_secret: String,
}

/// Refuses a URL that the service would not go to.
pub(crate) fn check_url(service: &Service, pointer: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| Invalid::at(pointer, "must be an absolute URL"))?;
    match service.http.check(&url) {
        Ok(()) => Ok(url),
        Err(HttpError::Refused(why)) => {
            Err(Error::UrlRefused(FieldError { pointer: pointer.to_owned(), detail: why.to_owned() }))
        }
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}

/// What a module is made of.
pub(crate) struct ModuleFields {
    pub(crate) name: String,
    pub(crate) base_url: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) profile: PushProfile,
    pub(crate) public: bool,
    pub(crate) logout: LogoutUris,
}

/// Where a module wants to hear of sign-outs, and where it lets browsers go after one.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogoutUris {
    pub(crate) post_logout_redirect_uris: Vec<String>,
    pub(crate) backchannel: Option<String>,
    pub(crate) frontchannel: Option<String>,
}

pub(crate) async fn prepare_module(service: &Service, fields: ModuleFields) -> Result<MadeModule, Error> {
    check_url(service, "/baseUrl", &fields.base_url)?;
    if let Some(uri) = &fields.logout.backchannel {
        check_url(service, "/backchannelLogoutUri", uri)?;
    }
    let id = ids::new();
    let client_secret = BearerSecret::generate(CLIENT_SECRET_PREFIX, id);
    let protect =
        service.secrets.protect(SecretKind::ModuleClient, id, TenantId(Uuid::nil()), &client_secret.text);
    let proof = protect.await?;
    let webhook_secret = new_secret();
    let now = service.db.clock().now();
    let row = module_row::Model {
        id,
        name: fields.name,
        base_url: fields.base_url.trim_end_matches('/').to_owned(),
        redirect_uris: json!(fields.redirect_uris),
        profile: fields.profile,
        client_id: format!("mod_{}", id.simple()),
        client_secret_hash: proof.hash,
        secret_mac: Some(proof.mac),
        webhook_secret: service.envelope.seal("module", id.as_bytes(), webhook_secret.as_bytes())?,
        public: fields.public,
        post_logout_redirect_uris: json!(fields.logout.post_logout_redirect_uris),
        backchannel_logout_uri: fields.logout.backchannel,
        frontchannel_logout_uri: fields.logout.frontchannel,
        failures: 0,
        failing_since: None,
        paused_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(MadeModule { row, client_secret: client_secret.text.to_string(), webhook_secret })
}

// Flags are pushed to it then.
platform::events! {
    /// A module was registered or changed.
    pub struct ModuleChanged = "module.changed" {
        /// The module.
        pub module_id: Uuid,
    }
}

pub(crate) async fn insert_module(tx: &mut PlatformTx, row: module_row::Model) -> Result<(), Error> {
    let id = row.id;
    room(tx, Rule::Modules, "", tx.platform::<module_row::Entity>(), RECEIVERS_MAX).await?;
    tx.insert(row).await.map_err(Error::of_module)?;
    tx.record("module.create", Target::new("module", id));
    tx.emit(&ModuleChanged { module_id: id });
    Ok(())
}

pub(crate) async fn update_module(
    tx: &mut PlatformTx,
    id: Uuid,
    seen: &IfMatch,
    change: impl FnOnce(&mut module_row::Model),
) -> Result<module_row::Model, Error> {
    let found = tx.lock(tx.platform::<module_row::Entity>().filter(module_row::Column::Id.eq(id))).await?;
    let mut row = found.ok_or(Error::NotFound)?;
    seen.require(row.version)?;
    let before = row.clone();
    change(&mut row);
    row.version += 1;
    row.updated_at = tx.now();
    tx.update(row.clone()).await.map_err(Error::of_module)?;
    tx.record("module.update", Target::new("module", id).changed(&before, &row));
    tx.emit(&ModuleChanged { module_id: id });
    Ok(row)
}

pub(crate) async fn delete_module(tx: &mut PlatformTx, id: Uuid) -> Result<(), Error> {
    let row = module(tx, id).await?.ok_or(Error::NotFound)?;
    tx.delete(row).await?;
    tx.record("module.delete", Target::new("module", id));
    Ok(())
}

/// One module.
///
/// # Errors
/// [`DbError`].
pub async fn module(view: &PlatformView, id: Uuid) -> Result<Option<module_row::Model>, DbError> {
    view.one(view.platform::<module_row::Entity>().filter(module_row::Column::Id.eq(id))).await
}

/// All modules.
///
/// # Errors
/// [`DbError`].
pub async fn modules(view: &PlatformView) -> Result<Vec<module_row::Model>, DbError> {
    view.all(view.platform::<module_row::Entity>().order_by_asc(module_row::Column::Id).limit(RECEIVERS_MAX))
        .await
}

/// The secret that signs what a module gets.
///
/// # Errors
/// [`Error::Internal`] and [`Error::Store`] if it can't be opened.
pub fn webhook_secret(service: &Service, module: &module_row::Model) -> Result<String, Error> {
    let plain = service.envelope.open("module", module.id.as_bytes(), &module.webhook_secret)?;
    String::from_utf8(plain.to_vec()).map_err(|error| Error::Internal(error.to_string()))
}

/// The module of this client id.
///
/// # Errors
/// [`DbError`].
pub async fn client(service: &Service, client_id: &str) -> Result<Option<module_row::Model>, DbError> {
    let by_id = module_row::Column::ClientId.eq(client_id);
    let find =
        async |view: &PlatformView| view.one(view.platform::<module_row::Entity>().filter(by_id)).await;
    service.db.read_platform(find).await
}

/// Whether it is the client's secret.
///
/// # Errors
/// [`Error::Hash`]
pub async fn is_secret_of(
    service: &Service,
    module: &module_row::Model,
    secret: &str,
) -> Result<bool, Error> {
    if secret.len() > 512 {
        return Ok(false);
    }
    let (id, hash) = (module.id, &module.client_secret_hash);
    let stored = StoredSecret { kind: SecretKind::ModuleClient, id, hash, mac: module.secret_mac.as_deref() };
    let Some(missing_mac) = service.secrets.recognise(secret, stored).await?.right() else {
        return Ok(false);
    };
    if let Some(mac) = missing_mac {
        let add = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let sql = "UPDATE module SET secret_mac = $2 WHERE id = $1 AND secret_mac IS NULL";
            tx.execute(&platform::CrossTenantStatement::new(sql), vec![id.into(), mac.into()]).await
        };
        // The client is right all the same; the next use tries again.
        let _ = service.db.write_platform(&Ctx::system("module secrets"), add).await;
    }
    Ok(true)
}

/// What an endpoint is made of.
pub(crate) struct EndpointFields {
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) format: Format,
    pub(crate) algorithm: Algorithm,
}

/// What the endpoint's secrets are sealed for.
const SEALED_FOR: &str = "webhook_endpoint";
/// How long the secret before signs beside the new one.
const ROTATION: TimeDelta = TimeDelta::hours(24);

/// An endpoint with its secret.
pub(crate) struct MadeEndpoint {
    pub(crate) row: endpoint::Model,
    pub(crate) secret: String,
}

pub(crate) fn prepare_endpoint(service: &Service, fields: EndpointFields) -> Result<MadeEndpoint, Error> {
    check_url(service, "/url", &fields.url)?;
    let id = ids::new();
    let secret = generate(fields.algorithm);
    let now = service.db.clock().now();
    let row = endpoint::Model {
        id,
        url: fields.url,
        event_types: json!(fields.event_types),
        format: fields.format,
        secret: service.envelope.seal(SEALED_FOR, id.as_bytes(), secret.as_bytes())?,
        disabled_at: None,
        description: fields.description,
        algorithm: fields.algorithm,
        previous_secret: None,
        previous_until: None,
        disabled_reason: None,
        failures: 0,
        failing_since: None,
        paused_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(MadeEndpoint { row, secret })
}

pub(crate) async fn insert_endpoint(tx: &mut PlatformTx, row: endpoint::Model) -> Result<(), Error> {
    room(tx, Rule::WebhookEndpoints, "", tx.platform::<endpoint::Entity>(), RECEIVERS_MAX).await?;
    tx.record("webhook_endpoint.create", Target::new("webhook_endpoint", row.id));
    Ok(tx.insert(row).await?)
}

fn open_secret(service: &Service, id: Uuid, sealed: &[u8]) -> Result<String, Error> {
    let plain = service.envelope.open(SEALED_FOR, id.as_bytes(), sealed)?;
    String::from_utf8(plain.to_vec()).map_err(|error| Error::Internal(error.to_string()))
}

/// What signs now: the secret, and for a day after its rotation the one before.
pub(crate) fn secrets(service: &Service, row: &endpoint::Model) -> Result<Vec<String>, Error> {
    let mut all = vec![open_secret(service, row.id, &row.secret)?];
    let now = service.db.clock().now();
    if let (Some(sealed), Some(until)) = (&row.previous_secret, row.previous_until)
        && until > now
    {
        all.push(open_secret(service, row.id, sealed)?);
    }
    Ok(all)
}

/// A new secret; both sign for a day.
pub(crate) async fn rotate_endpoint(
    tx: &mut PlatformTx,
    service: &Service,
    id: Uuid,
) -> Result<MadeEndpoint, Error> {
    let row = find_endpoint_locked(tx, id).await?;
    let secret = generate(row.algorithm);
    let row = endpoint::Model {
        previous_secret: Some(row.secret),
        previous_until: Some(tx.now() + ROTATION),
        secret: service.envelope.seal(SEALED_FOR, id.as_bytes(), secret.as_bytes())?,
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("webhook_endpoint.rotate", Target::new("webhook_endpoint", id));
    Ok(MadeEndpoint { row, secret })
}

pub(crate) async fn update_endpoint(
    tx: &mut PlatformTx,
    id: Uuid,
    seen: &IfMatch,
    change: impl FnOnce(&mut endpoint::Model),
) -> Result<endpoint::Model, Error> {
    let mut row = find_endpoint_locked(tx, id).await?;
    seen.require(row.version)?;
    let before = row.clone();
    let was_disabled = row.disabled_at.is_some();
    change(&mut row);
    if was_disabled && row.disabled_at.is_none() {
        row = endpoint::Model {
            disabled_reason: None,
            failures: 0,
            failing_since: None,
            paused_until: None,
            ..row
        };
        tx.enqueue(&Deliver { endpoint: id, at: None });
    }
    row.version += 1;
    row.updated_at = tx.now();
    tx.update(row.clone()).await?;
    tx.wake_workers();
    tx.record("webhook_endpoint.update", Target::new("webhook_endpoint", id).changed(&before, &row));
    Ok(row)
}

pub(crate) async fn find_endpoint_locked(tx: &PlatformTx, id: Uuid) -> Result<endpoint::Model, Error> {
    let found = tx.lock(tx.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// Removes deliveries that are long over, with the log of their attempts, a bounded number at a time.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn sweep(tx: &mut PlatformTx) -> Result<u64, DbError> {
    let sql = "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery \
               WHERE status <> 'pending' AND created_at < $1 LIMIT $2)";
    let removed = tx
        .execute(
            &platform::CrossTenantStatement::new(sql),
            vec![(tx.now() - DELIVERIES_KEPT).into(), SWEPT_AT_ONCE.cast_signed().into()],
        )
        .await?;
    // What waited at a disabled endpoint for longer than its event is kept.
    let sql = "UPDATE webhook_delivery SET status = 'dead', last_error = 'the event is no longer kept' \
               WHERE id IN (SELECT id FROM webhook_delivery AS waiting WHERE status = 'pending' AND NOT EXISTS \
               (SELECT 1 FROM outbox_event WHERE outbox_event.id = waiting.event_id) LIMIT $1)";
    Ok(removed.max(
        tx.execute(&platform::CrossTenantStatement::new(sql), vec![SWEPT_AT_ONCE.cast_signed().into()])
            .await?,
    ))
}

/// Whether an endpoint takes security event tokens.
///
/// # Errors
/// [`DbError`].
pub async fn takes_security_events(view: &PlatformView) -> Result<bool, DbError> {
    let select = view.platform::<endpoint::Entity>().filter(endpoint::Column::Format.eq(Format::Set));
    Ok(view.one(select.filter(endpoint::Column::DisabledAt.is_null())).await?.is_some())
}

pub(crate) async fn find_endpoint(view: &PlatformView, id: Uuid) -> Result<endpoint::Model, Error> {
    let found = view.one(view.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}
