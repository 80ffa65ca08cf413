//! What each module should have, written down beside what it has: a version for each change of what a tenant gets, for many tenants in a
//! handful of statements.

use std::collections::{BTreeSet, HashMap};

use entity::flags::push;
use entity::ids::TenantId;
use entity::modules::module;
use entity::modules::states::PushProfile;
use entity::tenancy::status::Status;
use entity::tenancy::tenant;
use flags_core::{Context, Flags};
use platform::crypto::sha256;
use platform::{PlatformTx, Timestamp, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::evaluation::{self, Evaluated, Own};
use crate::jobs::push_flags::PushFlags;
use crate::store;

/// Brings the modules' rows of these tenants up to date, and lets the modules hear what changed.
pub(crate) async fn refresh(
    tx: &mut PlatformTx,
    modules: &[module::Model],
    tenants: &[tenant::Model],
) -> Result<(), Error> {
    if modules.is_empty() || tenants.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = tenants.iter().map(|tenant| tenant.id).collect();
    let flags = evaluation::definitions(tx).await?;
    let own = evaluation::own_of(tx, &ids).await?;
    let there = tx.across::<push::Entity>().filter(push::Column::TenantId.is_in(ids));
    let there = there.filter(push::Column::ModuleId.is_in(modules.iter().map(|module| module.id)));
    let there: HashMap<(Uuid, Uuid), Vec<u8>> =
        tx.all(there).await?.into_iter().map(|row| ((row.tenant_id, row.module_id), row.digest)).collect();
    let (mut new, mut wake) = (Vec::new(), BTreeSet::new());
    let nothing = Own::new();
    for tenant in tenants {
        let own = own.get(&tenant.id).unwrap_or(&nothing);
        let digests = digests(modules, tenant, &flags, own, tx.now())?;
        for (profile, digest) in digests {
            let mut changed = Vec::new();
            for module in modules.iter().filter(|module| module.profile == profile) {
                match there.get(&(tenant.id, module.id)) {
                    // A module that never had the flags of a tenant gets none of one that is being removed.
                    None if tenant.status == Status::Deprovisioning => continue,
                    None => new.push(first(TenantId(tenant.id), module.id, digest.clone(), tx.now())),
                    Some(before) if *before != digest => changed.push(module.id),
                    Some(_) => continue,
                }
                wake.insert(module.id);
            }
            if !changed.is_empty() {
                store::raise(tx, tenant.id, &changed, digest).await?;
            }
        }
    }
    tx.insert_all(new).await?;
    for module in wake {
        tx.enqueue(&PushFlags { module, at: None });
    }
    Ok(())
}

/// What each profile that one of the modules has comes to.
fn digests(
    modules: &[module::Model],
    tenant: &tenant::Model,
    flags: &Flags,
    own: &Own,
    now: Timestamp,
) -> Result<Vec<(PushProfile, Vec<u8>)>, Error> {
    let context = evaluation::context(tenant, &Context::new());
    let evaluated = evaluation::evaluate(flags, own, &context, now)?;
    let profiles = PushProfile::ALL.iter().copied();
    let profiles = profiles.filter(|profile| modules.iter().any(|module| module.profile == *profile));
    Ok(profiles.map(|profile| (profile, digest(&content(profile, tenant, &evaluated)))).collect())
}

pub(crate) fn digest(content: &Value) -> Vec<u8> {
    sha256(content.to_string().as_bytes()).to_vec()
}

fn first(tenant: TenantId, module: Uuid, digest: Vec<u8>, now: Timestamp) -> push::Model {
    push::Model {
        tenant_id: tenant.0,
        module_id: module,
        version: 1,
        digest,
        confirmed_version: 0,
        confirmed_at: None,
        updated_at: now,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    }
}

/// The body, in the module's profile, without what differs from attempt to attempt.
pub(crate) fn content(profile: PushProfile, tenant: &tenant::Model, flags: &[Evaluated]) -> Value {
    let map: Map<String, Value> = flags.iter().map(|flag| (flag.key.clone(), flag.value.clone())).collect();
    match profile {
        PushProfile::List => {
            let list = flags.iter().map(|flag| json!({"key": flag.key, "enabled": is_on(&flag.value)}));
            json!({"tenantId": tenant.id, "flags": list.collect::<Vec<_>>()})
        }
        // `sub` is what the tenant was called under the profile's older name.
        PushProfile::Map => json!({"tenantId": tenant.id, "sub": tenant.id, "flags": map}),
        PushProfile::Tenantry => json!({"tenantId": tenant.id, "tenantSlug": tenant.slug, "flags": map}),
    }
}

fn is_on(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("off")
}
