//! What a deployment is for, and the names that follow from it. Pure.

use entity::provisioning::deployment;
use entity::provisioning::states::DeploymentStatus;
use entity::tenancy::states::{Driver, Isolation};
use platform::{Timestamp, ids};
use serde_json::json;
use uuid::Uuid;

use crate::settings::Settings;
use crate::template;

/// A deployment to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    purpose: String,
    /// The end of its names: letters and digits.
    short: String,
    sku: Isolation,
    driver: Driver,
    region: String,
}

/// What a tenant's own deployment is for; with it begin the purposes of those to which it moves.
pub fn tenant_purpose(tenant: Uuid) -> String {
    format!("tenant:{tenant}")
}

/// The instance of one tenant. The one to which it moves stands beside the one where it is, and has the run of the move in its names.
pub fn for_tenant(tenant: Uuid, moves: Option<Uuid>, sku: Isolation, region: &str) -> Plan {
    let (purpose, short) = (tenant_purpose(tenant), tenant.simple().to_string());
    let (purpose, short) = match moves {
        None => (purpose, short),
        // The last twelve digits are those by chance.
        Some(run) => (format!("{purpose}:{run}"), format!("{short}-{}", &run.simple().to_string()[20..])),
    };
    Plan { purpose, short, sku, driver: Driver::Azure, region: region.to_owned() }
}

/// The `number`th shared instance of a driver in a region.
pub fn for_pool(driver: Driver, region: &str, number: u64) -> Plan {
    Plan {
        purpose: format!("pool:{driver}:{region}:{number}"),
        short: format!("{driver}-{region}-{number}"),
        sku: Isolation::Shared,
        driver,
        region: region.to_owned(),
    }
}

impl Plan {
    /// What it is for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Its row.
    pub fn row(&self, settings: &Settings, now: Timestamp) -> deployment::Model {
        deployment::Model {
            id: ids::new(),
            purpose: self.purpose.clone(),
            sku: self.sku,
            driver: self.driver,
            region: self.region.clone(),
            resource_group: format!("{}-{}", settings.name_prefix, self.short),
            name: format!("{}-instance", settings.name_prefix),
            status: DeploymentStatus::Pending,
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
