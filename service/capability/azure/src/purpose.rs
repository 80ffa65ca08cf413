//! What a deployment is for, and the names that follow from it. Pure.

use entity::provisioning::deployment;
use platform::config::Azure;
use platform::{Timestamp, ids};
use serde_json::json;
use uuid::Uuid;

use crate::template;

/// A deployment to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    purpose: String,
    /// The end of its names: letters and digits.
    short: String,
    sku: String,
    driver: String,
    region: String,
}

/// What a tenant's own deployment is for.
pub fn tenant_purpose(tenant: Uuid) -> String {
    format!("tenant:{tenant}")
}

/// The instance of one tenant.
pub fn for_tenant(tenant: Uuid, sku: &str, region: &str) -> Plan {
    Plan {
        purpose: tenant_purpose(tenant),
        short: tenant.simple().to_string(),
        sku: sku.to_owned(),
        driver: "azure".to_owned(),
        region: region.to_owned(),
    }
}

/// The `number`th shared instance of a driver in a region.
pub fn for_pool(driver: &str, region: &str, number: u64) -> Plan {
    Plan {
        purpose: format!("pool:{driver}:{region}:{number}"),
        short: format!("{driver}-{region}-{number}"),
        sku: "shared".to_owned(),
        driver: driver.to_owned(),
        region: region.to_owned(),
    }
}

impl Plan {
    /// What it is for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Its row.
    pub fn row(&self, settings: &Azure, now: Timestamp) -> deployment::Model {
        deployment::Model {
            id: ids::new(),
            purpose: self.purpose.clone(),
            sku: self.sku.clone(),
            driver: self.driver.clone(),
            region: self.region.clone(),
            resource_group: format!("{}-{}", settings.name_prefix, self.short),
            name: format!("{}-instance", settings.name_prefix),
            status: "pending".to_owned(),
            operation: None,
            outputs: json!({}),
            error: None,
            instance_id: None,
            template_version: template::VERSION.to_owned(),
            calls: json!([]),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}
