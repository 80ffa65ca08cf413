//! Whether instances are well.

use std::time::Duration;

use entity::tenancy::states::InstanceHealth;
use http::Request;
use platform::http::Outside;
use platform::{Ctx, PlatformTx, Target, Work as _};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::error::Error;
use crate::settings::Instances;
use crate::store;

/// An instance that doesn't answer in this time isn't well.
const PATIENCE: Duration = Duration::from_secs(5);
/// Instances asked in one round.
const ROUND: u64 = 1000;

platform::events! {
    /// An instance became healthy or unhealthy.
    pub(crate) struct HealthChanged = "instance.health_changed" { instance_id: Uuid, health: InstanceHealth }
}

/// Asks an instance; `Err`: why it isn't well. Its endpoint was named by an operator or by Azure.
pub(crate) async fn ask(tools: &Tools, outside: &Outside, endpoint: &str) -> Result<(), String> {
    let url =
        format!("{}{}", endpoint.trim_end_matches('/'), tools.config.section::<Instances>().health_path);
    match timeout(PATIENCE, outside.json(Request::get(url), None)).await {
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answers {}", answer.status().as_u16())),
    }
}

/// Asks all instances that have an endpoint, several at a time, and notes what changed.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn check(service: &PlatformService) -> Result<(), Error> {
    let rows = service.db.read(async |view| tenancy::instances_to_check(view, ROUND).await).await?;
    for some in rows.chunks(16) {
        let asked = some.iter().map(|row| async move {
            let outside = service.outside();
            ask(service, &outside, row.endpoint.as_deref().unwrap_or_default()).await
        });
        let answers = futures_util::future::join_all(asked).await;
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            for (row, answer) in some.iter().zip(&answers) {
                let health = match answer {
                    Ok(()) => InstanceHealth::Healthy,
                    Err(_) => InstanceHealth::Unhealthy,
                };
                store::record_health(tx, row.id, health, answer.clone().err()).await?;
                if row.health != health {
                    let details = json!({"from": {"health": row.health}, "to": {"health": health}});
                    tx.record("instance.health", Target::new("instance", row.id).with(details));
                    tx.emit(&HealthChanged { instance_id: row.id, health });
                }
            }
            Ok::<_, Error>(())
        };
        service.db.write(&Ctx::system("health"), work).await?;
    }
    Ok(())
}
