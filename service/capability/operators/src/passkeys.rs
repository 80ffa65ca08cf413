//! Passkeys: WebAuthn's two ceremonies. Their state is kept sealed in the store, so that whichever replica gets the answer can
//! finish, once.

use chrono::TimeDelta;
use entity::operators::states::CeremonyKind;
use entity::operators::{ceremony, operator, passkey};
use passkey_core::{PublicKeyCredential, RegisterPublicKeyCredential, RelyingParty};
use platform::crypto::{hex, random};
use platform::rules::{Rule, check_limit};
use platform::{PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;
use web::Tools;

use crate::error::Error;

/// A ceremony that takes longer is over.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Passkeys of one operator.
const PASSKEYS_MAX: u64 = 20;

fn relying_party(tools: &Tools) -> Result<RelyingParty, Error> {
    Ok(RelyingParty::new(&tools.config.public_url())?)
}

async fn store_ceremony(
    tx: &PlatformTx,
    tools: &Tools,
    kind: CeremonyKind,
    operator: Option<Uuid>,
    state: &Value,
) -> Result<Uuid, Error> {
    let id = ids::new();
    let plain = serde_json::to_vec(state).map_err(Error::internal)?;
    let row = ceremony::Model {
        id,
        operator_id: operator,
        kind,
        state: tools.envelope.seal("ceremony", id.as_bytes(), &plain)?,
        expires_at: tx.now() + LIFETIME,
    };
    tx.insert(row).await?;
    Ok(id)
}

/// Takes a ceremony's state, once.
async fn take(
    tx: &PlatformTx,
    tools: &Tools,
    id: Uuid,
    kind: CeremonyKind,
) -> Result<(Option<Uuid>, Value), Error> {
    let select = tx.platform::<ceremony::Entity>().filter(ceremony::Column::Id.eq(id));
    let row = tx.lock(select).await?.ok_or(Error::PasskeyRefused)?;
    tx.delete(row.clone()).await?;
    // One without an operator was made for an address that is nobody's.
    if row.kind != kind || row.expires_at <= tx.now() || row.operator_id.is_none() {
        return Err(Error::PasskeyRefused);
    }
    let plain = tools.envelope.open("ceremony", id.as_bytes(), &row.state)?;
    Ok((row.operator_id, serde_json::from_slice(&plain).map_err(Error::internal)?))
}

async fn rows_of(view: &PlatformView, operator: Uuid) -> Result<Vec<passkey::Model>, Error> {
    let select = view.platform::<passkey::Entity>().filter(passkey::Column::OperatorId.eq(operator));
    Ok(view.all(select.limit(PASSKEYS_MAX)).await?)
}

/// The passkeys that an operator has, one more of which there may be.
async fn require_below_limit(tx: &PlatformTx, operator: Uuid) -> Result<Vec<passkey::Model>, Error> {
    let there = tx.platform::<passkey::Entity>().filter(passkey::Column::OperatorId.eq(operator));
    check_limit(tx, Rule::Passkeys, operator, there, PASSKEYS_MAX).await?;
    rows_of(tx, operator).await
}

/// Begins to make a passkey; answers the ceremony's id and what the browser is asked.
pub(crate) async fn begin_registration(
    tx: &mut PlatformTx,
    tools: &Tools,
    who: &operator::Model,
) -> Result<(Uuid, Value), Error> {
    tx.housekeeping();
    let there = require_below_limit(tx, who.id).await?;
    let there: Vec<&Value> = there.iter().map(|row| &row.credential).collect();
    let begun = relying_party(tools)?.begin_registration((who.id, &who.email, &who.name), &there)?;
    let id = store_ceremony(tx, tools, CeremonyKind::Register, Some(who.id), &begun.state).await?;
    Ok((id, begun.options))
}

/// Finishes making a passkey.
pub(crate) async fn finish_registration(
    tx: &mut PlatformTx,
    tools: &Tools,
    who: &operator::Model,
    ceremony: Uuid,
    credential: &RegisterPublicKeyCredential,
    name: &str,
) -> Result<(), Error> {
    let (operator, state) = take(tx, tools, ceremony, CeremonyKind::Register).await?;
    if operator != Some(who.id) {
        return Err(Error::PasskeyRefused);
    }
    require_below_limit(tx, who.id).await?;
    let made = relying_party(tools)?.finish_registration(credential, &state)?;
    let row = passkey::Model {
        id: ids::new(),
        operator_id: who.id,
        credential_id: made.id,
        credential: made.passkey,
        name: name.to_owned(),
        created_at: tx.now(),
        last_used_at: None,
    };
    tx.record("passkey.create", Target::new("operator", who.id));
    Ok(tx.insert(row).await?)
}

/// Begins what nobody can finish: for an address that is no operator's the store is asked and written as for one that is, or the time
/// would tell.
pub(crate) async fn begin_nothing(tx: &mut PlatformTx, tools: &Tools) -> Result<Uuid, Error> {
    tx.housekeeping();
    rows_of(tx, Uuid::nil()).await?;
    store_ceremony(tx, tools, CeremonyKind::Authenticate, None, &json!(hex(&random::<256>()))).await
}

/// Begins a sign-in; `None` for one who has no passkey.
pub(crate) async fn begin_authentication(
    tx: &mut PlatformTx,
    tools: &Tools,
    who: &operator::Model,
) -> Result<Option<(Uuid, Value)>, Error> {
    tx.housekeeping();
    let rows = rows_of(tx, who.id).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let keys: Vec<&Value> = rows.iter().map(|row| &row.credential).collect();
    let begun = relying_party(tools)?.begin_authentication(&keys)?;
    let id = store_ceremony(tx, tools, CeremonyKind::Authenticate, Some(who.id), &begun.state).await?;
    Ok(Some((id, begun.options)))
}

/// Finishes a sign-in: who it is.
pub(crate) async fn finish_authentication(
    tx: &mut PlatformTx,
    tools: &Tools,
    ceremony: Uuid,
    credential: &PublicKeyCredential,
) -> Result<Uuid, Error> {
    tx.housekeeping();
    let (operator, state) = take(tx, tools, ceremony, CeremonyKind::Authenticate).await?;
    let operator = operator.ok_or(Error::PasskeyRefused)?;
    let shown = relying_party(tools)?.finish_authentication(credential, &state)?;
    for row in rows_of(tx, operator).await? {
        if let Some(credential) = shown.updated_credential(&row.credential)? {
            tx.update(passkey::Model { credential, last_used_at: Some(tx.now()), ..row }).await?;
        }
    }
    Ok(operator)
}
