//! Flags reach modules.

use std::time::Duration;

use entity::flags::{flag, push};
use entity::platform::outbox_event;
use entity::tenancy::tenant;
use entity::webhooks::module;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::crypto::sha256;
use platform::jobs::{Backoff, Handler, Job, JobError, JobRun};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, Timestamp, Tx, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;
use web::{Problem, Service};

use crate::ops::{self, Evaluated};

/// Tenants that one step of a fan-out covers.
const FANOUT_BATCH: u64 = 200;
/// No delay between attempts is longer: a module that comes back is served within this time.
const DELAY_MAX: Duration = Duration::from_secs(600);

/// Pushes one tenant's flags to one module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PushFlags {
    pub(crate) tenant: Uuid,
    pub(crate) module: Uuid,
}

impl Job for PushFlags {
    const KIND: &'static str = "flags.push";
    // Until the module confirms: more than a year of ten-minute intervals.
    const ATTEMPTS_MAX: u32 = 60_000;

    fn lane(&self) -> Option<String> {
        Some(format!("module:{}", self.module))
    }

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.module, self.tenant))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Leaves a push for each tenant, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FanOut {
    /// To this module; `None`: to all.
    module: Option<Uuid>,
    /// Tenants after this one.
    after: Uuid,
}

impl Job for FanOut {
    const KIND: &'static str = "flags.fan_out";

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{:?}:{}", self.module, self.after))
    }
}

/// Tells modules at the moment at which a schedule changes what tenants get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    flag: String,
    at: Timestamp,
}

impl Job for Turn {
    const KIND: &'static str = "flags.turn";

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.flag, self.at.timestamp_micros()))
    }
}

/// Leaves the next turn of a flag's schedules, if there is one.
async fn schedule(tx: &mut PlatformTx, key: &str) -> Result<(), DbError> {
    let found = tx.one(tx.platform::<flag::Entity>().filter(flag::Column::Key.eq(key))).await?;
    let Some(definition) = found.and_then(|row| ops::definition(&row).ok()) else { return Ok(()) };
    if let Some(at) = definition.next_change(tx.now()) {
        tx.enqueue_at(&Turn { flag: key.to_owned(), at }, Some(at));
    }
    Ok(())
}

async fn turn(service: Service, job: Turn) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        // One that was set for a schedule that is no more does no harm: modules are told only what differs.
        tx.enqueue(&FanOut { module: None, after: Uuid::nil() });
        schedule(tx, &job.flag).await
    };
    Ok(service.db.write_platform(&Ctx::system("flags"), work).await?)
}

/// Hears what changes a tenant's flags.
#[derive(Clone, Copy, Debug)]
pub struct FlagsChanged;

impl Subscriber for FlagsChanged {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        hear(tx, events).boxed_local()
    }
}

async fn hear(tx: &mut PlatformTx, events: &[outbox_event::Model]) -> Result<(), DbError> {
    let mut modules = None;
    for event in events {
        match (event.r#type.as_str(), event.tenant_id) {
            ("flag.changed", _) => {
                tx.enqueue(&FanOut { module: None, after: Uuid::nil() });
                if let Some(key) = event.data.get("key").and_then(Value::as_str) {
                    schedule(tx, key).await?;
                }
            }
            ("module.changed", _) => {
                let module =
                    event.data.get("moduleId").and_then(|id| serde_json::from_value(id.clone()).ok());
                tx.enqueue(&FanOut { module, after: Uuid::nil() });
            }
            (
                "tenant.activated" | "tenant.updated" | "tenant.resumed" | "flag.override_changed",
                Some(tenant),
            ) => {
                if modules.is_none() {
                    modules = Some(module_ids(tx, None).await?);
                }
                for module in modules.iter().flatten() {
                    tx.enqueue(&PushFlags { tenant, module: *module });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

async fn module_ids(tx: &PlatformTx, only: Option<Uuid>) -> Result<Vec<Uuid>, DbError> {
    let all = webhooks::modules(tx).await?;
    Ok(all.into_iter().map(|module| module.id).filter(|id| only.is_none_or(|only| only == *id)).collect())
}

/// Runs pushes and fan-outs.
pub fn handlers(service: &Service) -> Vec<Handler> {
    let backoff =
        Backoff { base: Duration::from_millis(service.config.webhooks.retry_base_ms), max: DELAY_MAX };
    let (pushes, fan_outs, turns) = (service.clone(), service.clone(), service.clone());
    vec![
        Handler::new(Backoff::default(), move |job: Turn, _| turn(turns.clone(), job)),
        Handler::new(backoff, move |job: PushFlags, run| push_flags(pushes.clone(), job, run)),
        Handler::new(Backoff::default(), move |job: FanOut, _| fan_out(fan_outs.clone(), job)),
    ]
}

async fn fan_out(service: Service, job: FanOut) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let modules = module_ids(tx, job.module).await?;
        let select = tx.across::<tenant::Entity>().select_only().column(tenant::Column::Id);
        let select = select
            .filter(tenant::Column::Status.is_in(["active", "suspended"]))
            .filter(tenant::Column::Id.gt(job.after));
        let tenants: Vec<Uuid> =
            tx.tuples(select.order_by_asc(tenant::Column::Id).limit(FANOUT_BATCH)).await?;
        for tenant in &tenants {
            for module in &modules {
                tx.enqueue(&PushFlags { tenant: *tenant, module: *module });
            }
        }
        if tenants.len() as u64 == FANOUT_BATCH
            && let Some(after) = tenants.last()
        {
            tx.enqueue(&FanOut { module: job.module, after: *after });
        }
        Ok::<_, DbError>(())
    };
    Ok(service.db.write_platform(&Ctx::system("flags"), work).await?)
}

/// What a module is to be told.
struct Snapshot {
    module: module::Model,
    version: i64,
    body: Value,
}

async fn push_flags(service: Service, job: PushFlags, _: JobRun) -> Result<(), JobError> {
    let ctx = Ctx::system("flags");
    let prepared = service.db.write(&ctx, job.tenant, async |tx| prepare(tx, job.module).await).await?;
    let Some(Snapshot { module, version, body }) = prepared else { return Ok(()) };
    let secret = webhooks::webhook_secret(&service, &module)?;
    let url = Url::parse(&format!("{}/api/internal/feature-flags/apply", module.base_url))
        .map_err(|_| JobError::Fail("the module's URL can't be read".to_owned()))?;
    // One id for one snapshot: a repeat after a lost answer is known as such.
    let id = format!("flags-{}-{}-{version}", module.id.simple(), job.tenant.simple());
    crash_point!("flags.before_push");
    webhooks::post(&service, &url, &secret, &id, body.to_string().into_bytes())
        .await
        .map_err(|(_, error)| error)?;
    crash_point!("flags.after_push");
    let confirm = async |tx: &mut Tx| {
        tx.housekeeping();
        let sql = "UPDATE flag_push SET confirmed_version = $3, confirmed_at = $4 \
                   WHERE tenant_id = $1 AND module_id = $2 AND confirmed_version < $3";
        tx.execute(sql, vec![job.module.into(), version.into(), tx.now().into()]).await
    };
    service.db.write(&ctx, job.tenant, confirm).await?;
    Ok(())
}

/// Compares what the module should have with what it was told; `None`: it knows.
async fn prepare(tx: &mut Tx, module: Uuid) -> Result<Option<Snapshot>, Problem> {
    tx.housekeeping();
    let tenant = tenancy::get(tx).await?;
    let module = tx.one(tx.platform::<module::Entity>().filter(module::Column::Id.eq(module))).await?;
    let Some(module) = module.filter(|_| tenant.status != "deleted") else { return Ok(None) };
    let flags = ops::evaluate_all(tx, &tenant).await?;
    let content = content(&module.profile, &tenant, &flags);
    let digest = sha256(content.to_string().as_bytes()).to_vec();
    let row = tx.lock(tx.select::<push::Entity>().filter(push::Column::ModuleId.eq(module.id))).await?;
    let version = match row {
        Some(row) if row.digest == digest && row.confirmed_version == row.version => return Ok(None),
        Some(row) if row.digest == digest => row.version,
        Some(row) => {
            let version = row.version + 1;
            tx.update(push::Model { version, digest, updated_at: tx.now(), ..row }).await?;
            version
        }
        None => {
            let row = push::Model {
                tenant_id: tenant.id,
                module_id: module.id,
                version: 1,
                digest,
                confirmed_version: 0,
                confirmed_at: None,
                updated_at: tx.now(),
            };
            tx.insert(row).await?;
            1
        }
    };
    let mut body = content;
    if let (Value::Object(body), "tenantry") = (&mut body, module.profile.as_str()) {
        body.insert("version".to_owned(), version.into());
        body.insert("sentAt".to_owned(), json!(tx.now()));
    }
    Ok(Some(Snapshot { module, version, body }))
}

/// The body, in the module's profile, without what differs from attempt to attempt.
fn content(profile: &str, tenant: &tenant::Model, flags: &[Evaluated]) -> Value {
    let map: Map<String, Value> = flags.iter().map(|flag| (flag.key.clone(), flag.value.clone())).collect();
    match profile {
        "kombify-list" => {
            let list = flags.iter().map(|flag| json!({"key": flag.key, "enabled": is_on(&flag.value)}));
            json!({"flags": list.collect::<Vec<_>>()})
        }
        "kombify-map" => json!({"sub": tenant.id, "flags": map}),
        _ => json!({"tenantId": tenant.id, "tenantSlug": tenant.slug, "flags": map}),
    }
}

fn is_on(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("off")
}
