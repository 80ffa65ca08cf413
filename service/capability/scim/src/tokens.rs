//! Tokens by which identity providers come: made, rotated, revoked.

use chrono::TimeDelta;
use entity::scim::states::{TokenKind, TokenProfile, TokenVerb};
use entity::scim::token::{Column, Entity, Model};
use platform::crypto::SecretProof;
use platform::rules::{LimitReached, Rule, check_limit};
use platform::{DbError, Target, Timestamp, Tx, View, Work as _};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect};
use serde_json::Value;
use uuid::Uuid;
use web::Tools;

use crate::dry_run;
use crate::error::Error;
use crate::settings::Limits;

/// A token to be made.
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) profile: TokenProfile,
    pub(crate) kind: TokenKind,
    pub(crate) allowed_addresses: Value,
    pub(crate) jwks: Option<Value>,
    pub(crate) dry_run: bool,
}

/// Refuses one token more than an organization may have that count.
async fn require_below_limit(tx: &Tx, tools: &Tools, organization: Uuid) -> Result<(), LimitReached> {
    let live = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let live = live.filter(Column::RevokedAt.is_null());
    let live =
        live.filter(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(tx.now())));
    check_limit(tx, Rule::ScimTokens, organization, live, tools.config.section::<Limits>().scim_tokens).await
}

/// Makes a token of an organization, with the id of its secret and what is stored of it.
pub(crate) async fn create(
    tx: &mut Tx,
    tools: &Tools,
    organization: &str,
    (id, proof): (Uuid, SecretProof),
    new: NewToken,
) -> Result<Model, Error> {
    tenancy::active(tx).await?;
    let organization = tenancy::organization_named(tx, organization).await?;
    require_below_limit(tx, tools, organization.id).await?;
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: organization.id,
        id,
        name: new.name,
        profile: new.profile,
        secret_hash: proof.hash,
        secret_mac: Some(proof.mac),
        created_at: tx.now(),
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
        replaced_by: None,
        kind: new.kind,
        allowed_addresses: new.allowed_addresses,
        jwks: new.jwks,
        dry_run: new.dry_run,
        warned_days: None,
    };
    tx.insert(row.clone()).await?;
    if row.dry_run {
        dry_run::begin(tx, &row).await?;
    }
    tx.record("scim_token.create", Target::new("scim_token", row.id));
    Ok(row)
}

pub(crate) async fn find(view: &View, organization: &str, id: Uuid) -> Result<Model, Error> {
    let organization = tenancy::organization_named(view, organization).await?;
    let select =
        view.select::<Entity>().filter(Column::OrganizationId.eq(organization.id)).filter(Column::Id.eq(id));
    view.one(select).await?.ok_or(Error::NotFound)
}

/// A token whose row is written as a whole: nobody revokes or replaces it meanwhile.
async fn locked(tx: &Tx, organization: &str, id: Uuid) -> Result<Model, Error> {
    let organization = tenancy::organization_named(tx, organization).await?;
    let select =
        tx.select::<Entity>().filter(Column::OrganizationId.eq(organization.id)).filter(Column::Id.eq(id));
    tx.lock(select).await?.ok_or(Error::NotFound)
}

/// Replaces a token; the old one ends after so many seconds.
pub(crate) async fn rotate(
    tx: &mut Tx,
    tools: &Tools,
    (organization, id): (&str, Uuid),
    (successor, proof): (Uuid, SecretProof),
    overlap: i64,
) -> Result<Model, Error> {
    let old = find(tx, organization, id).await?;
    tx.exclusive(Rule::ScimTokens, old.organization_id).await?;
    let old = locked(tx, organization, id).await?;
    if old.state(tx.now()).after(TokenVerb::Rotate).is_none() {
        return Err(Error::TokenRevoked);
    }
    // One that ends at once makes the room that its successor takes: a leaked one can always be replaced.
    let frees_place = overlap == 0 && old.expires_at.is_none_or(|end| end > tx.now());
    if !frees_place {
        require_below_limit(tx, tools, old.organization_id).await?;
    }
    let new = Model {
        id: successor,
        secret_hash: proof.hash,
        secret_mac: Some(proof.mac),
        created_at: tx.now(),
        last_used_at: None,
        replaced_by: None,
        warned_days: None,
        ..old.clone()
    };
    tx.insert(new.clone()).await?;
    if new.dry_run {
        dry_run::begin(tx, &new).await?;
    }
    let end = tx.now() + TimeDelta::seconds(overlap);
    let expires_at = Some(old.expires_at.map_or(end, |old| old.min(end)));
    tx.update(Model { expires_at, replaced_by: Some(new.id), ..old }).await?;
    tx.record("scim_token.rotate", Target::new("scim_token", id));
    Ok(new)
}

pub(crate) async fn revoke(tx: &mut Tx, organization: &str, id: Uuid) -> Result<(), Error> {
    let row = locked(tx, organization, id).await?;
    // Revoked twice it was revoked the first time.
    let was = row.state(tx.now());
    if was.after(TokenVerb::Revoke) != Some(was) {
        dry_run::end(tx, &row).await?;
        tx.update(Model { revoked_at: Some(tx.now()), ..row }).await?;
    }
    tx.record("scim_token.revoke", Target::new("scim_token", id));
    Ok(())
}

/// Removes everything that SCIM keeps for a tenant that goes: tokens, copies on which they rehearsed, schemas.
pub async fn remove_all(tx: &mut Tx) -> Result<(), DbError> {
    dry_run::end_all(tx).await?;
    tx.purge(tx.remove::<Entity>()).await?;
    tx.purge(tx.remove::<entity::scim::schema::Entity>()).await?;
    tx.purge(tx.remove::<entity::scim::assertion::Entity>()).await?;
    Ok(())
}

/// Whether an identity provider keeps the organization's directory: a token of its that still holds has been used.
pub async fn owns_directory(view: &View, organization: Uuid) -> Result<bool, DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    // One that makes a dry run pushes into a copy.
    let select = select.filter(Column::DryRun.eq(false)).filter(Column::LastUsedAt.is_not_null());
    let holds = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(view.now()));
    let select = select.filter(Column::RevokedAt.is_null()).filter(holds).limit(1);
    Ok(view.one(select).await?.is_some())
}
