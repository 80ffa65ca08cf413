//! Modules and their secrets.

use entity::ids::TenantId;
use entity::modules::module::{Column, Entity, Model};
use entity::modules::states::PushProfile;
use platform::crypto::{BearerSecret, SecretKind, StoredSecret};
use platform::rules::{Rule, check_limit};
use platform::{Ctx, PlatformTx, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;
use web::{IfMatch, PlatformService, Tools};

use crate::error::Error;
use crate::store::{self, MODULES_MAX, module};

/// What a module's client secret begins with.
const CLIENT_SECRET_PREFIX: &str = "tnt_client_";

/// A module with its secrets, shown once.
pub(crate) struct MadeModule {
    pub(crate) row: Model,
    pub(crate) client_secret: String,
    pub(crate) webhook_secret: String,
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

pub(crate) async fn prepare_module(tools: &Tools, fields: ModuleFields) -> Result<MadeModule, Error> {
    tools.http.check_at("/baseUrl", &fields.base_url)?;
    if let Some(uri) = &fields.logout.backchannel {
        tools.http.check_at("/backchannelLogoutUri", uri)?;
    }
    let id = ids::new();
    let client_secret = BearerSecret::generate(CLIENT_SECRET_PREFIX, id);
    let protect =
        tools.secrets.protect(SecretKind::ModuleClient, id, TenantId(Uuid::nil()), &client_secret.text);
    let proof = protect.await?;
    let webhook_secret = delivery::new_secret();
    let now = tools.clock.now();
    let row = Model {
        id,
        name: fields.name,
        base_url: fields.base_url.trim_end_matches('/').to_owned(),
        redirect_uris: json!(fields.redirect_uris),
        profile: fields.profile,
        client_id: format!("mod_{}", id.simple()),
        client_secret_hash: proof.hash,
        secret_mac: Some(proof.mac),
        webhook_secret: tools.envelope.seal("module", id.as_bytes(), webhook_secret.as_bytes())?,
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

pub(crate) async fn insert_module(tx: &mut PlatformTx, row: Model) -> Result<(), Error> {
    let id = row.id;
    check_limit(tx, Rule::Modules, "", tx.platform::<Entity>(), MODULES_MAX).await?;
    tx.insert(row).await.map_err(Error::of_module)?;
    tx.record("module.create", Target::new("module", id));
    tx.emit(&ModuleChanged { module_id: id });
    Ok(())
}

pub(crate) async fn update_module(
    tx: &mut PlatformTx,
    id: Uuid,
    seen: &IfMatch,
    change: impl FnOnce(&mut Model),
) -> Result<Model, Error> {
    let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
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

/// The secret that signs what a module gets.
///
/// # Errors
/// [`Error::Internal`] and [`Error::Store`] if it can't be opened.
pub fn webhook_secret(tools: &Tools, module: &Model) -> Result<String, Error> {
    let plain = tools.envelope.open("module", module.id.as_bytes(), &module.webhook_secret)?;
    String::from_utf8(plain.to_vec()).map_err(|error| Error::Internal(error.to_string()))
}

/// Whether it is the client's secret.
///
/// # Errors
/// [`Error::Hash`]
pub async fn is_secret_of(service: &PlatformService, module: &Model, secret: &str) -> Result<bool, Error> {
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
            store::add_secret_mac(tx, id, mac).await
        };
        // The client is right all the same; the next use tries again.
        let _ = service.db.write(&Ctx::system("module secrets"), add).await;
    }
    Ok(true)
}
