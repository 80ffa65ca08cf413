//! Bodies: what the Resource Manager is sent. Pure.

use entity::provisioning::deployment;
use entity::tenancy::states::Isolation;
use platform::http::Failure;
use serde_json::{Value, json};

use crate::manager::TAG;
use crate::settings::Settings;

/// Which templates these are.
pub(crate) const VERSION: &str = "1";
const SHARED: &str = include_str!("../../../../infra/azure/shared.json");
const NAMESPACE: &str = include_str!("../../../../infra/azure/namespace.json");
const PRIVATE: &str = include_str!("../../../../infra/azure/private.json");
/// Characters of a container app's name.
const NAME_MAX: usize = 32;

/// Tags of everything that is made: by them orphans are found.
pub(crate) fn tags(row: &deployment::Model) -> Value {
    json!({TAG: row.id.to_string(), "tenantry-purpose": row.purpose, "tenantry-template": row.template_version})
}

/// A resource group.
pub(crate) fn group(row: &deployment::Model) -> Value {
    json!({"location": row.region, "tags": tags(row)})
}

/// A deployment, with the SKU's template and its parameters.
pub(crate) fn deployment(
    settings: &Settings,
    health_path: &str,
    row: &deployment::Model,
) -> Result<Value, Failure> {
    let text = match row.sku {
        Isolation::Shared => SHARED,
        Isolation::Namespace => NAMESPACE,
        Isolation::Private => PRIVATE,
    };
    let template: Value = serde_json::from_str(text).map_err(Failure::permanent)?;
    let name: String = format!("i-{}", row.id.simple()).chars().take(NAME_MAX).collect();
    let parameters = json!({
        "name": {"value": name},
        "location": {"value": row.region},
        "tags": {"value": tags(row)},
        "image": {"value": settings.image},
        "healthPath": {"value": health_path},
        "keyVaultSecretUrl": {"value": settings.key_vault_secret_url},
        "identityId": {"value": settings.instance_identity},
    });
    let mut parameters = parameters.as_object().cloned().unwrap_or_default();
    if row.sku == Isolation::Namespace {
        let environment = settings.environment_of(&row.region).ok_or_else(|| {
            Failure::permanent(format!("azure.environments names no managed environment of {}", row.region))
        })?;
        parameters.insert("environmentId".to_owned(), json!({"value": environment}));
    }
    Ok(json!({"properties": {"mode": "Incremental", "template": template, "parameters": parameters}}))
}
