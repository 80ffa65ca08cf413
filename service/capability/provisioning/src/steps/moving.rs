//! A tenant goes to another instance: drained, copied, switched, checked; or stays where it was.

use chrono::TimeDelta;
use entity::provisioning::run;
use entity::tenancy::tenant;
use http::{Request, StatusCode};
use platform::{Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenancy::TenantEvent;
use uuid::Uuid;

use super::{Learnt, Step};
use crate::model::Stop;

impl Step<'_> {
    fn end(&self, name: &str) -> Result<Uuid, Stop> {
        let text = self.run.parameters.get(name).and_then(Value::as_str).unwrap_or_default();
        Uuid::try_parse(text).map_err(|_| Stop::Never { why: format!("the run doesn't say {name} where") })
    }

    /// Modules were told by the event `tenant.moving`; they get some time to come to rest.
    pub(super) async fn drain(&self) -> Result<Learnt, Stop> {
        let period = TimeDelta::from_std(self.service.config.provisioning.drain_period).unwrap_or_default();
        let left = self.run.created_at + period - self.outside.now();
        match left.to_std() {
            Ok(left) if !left.is_zero() => {
                Err(Stop::Wait { after: left, why: "modules to come to rest".to_owned() })
            }
            _ => Ok(Learnt::default()),
        }
    }

    /// Has the data copied, or the copy discarded. The same run asks with the same id, however often.
    pub(super) async fn copy(&self, tenant: &tenant::Model, action: &str) -> Result<Learnt, Stop> {
        let settings = &self.service.config.provisioning;
        if settings.copy_hook_url.is_empty() {
            return Ok(Learnt::default());
        }
        let (from, to) = (self.end("from")?, self.end("to")?);
        let both = async |view: &View| {
            Ok::<_, web::Problem>((
                tenancy::instance(view, from).await.ok(),
                tenancy::instance(view, to).await.ok(),
            ))
        };
        let (source, target) = self.service.db.read(tenant.id, both).await?;
        let endpoint = |row: Option<entity::tenancy::instance::Model>| row.and_then(|row| row.endpoint);
        let body = json!({
            "action": action, "runId": self.run.id, "tenantId": tenant.id, "tenantSlug": tenant.slug,
            "from": {"id": from, "endpoint": endpoint(source)}, "to": {"id": to, "endpoint": endpoint(target)},
        })
        .to_string()
        .into_bytes();
        let id = format!("{}-{action}", self.run.id);
        let at = self.outside.now().timestamp();
        let secret = settings.copy_hook_secret.expose_secret();
        let signature = webhooks::sign(secret, &id, at, &body).ok_or_else(|| Stop::Never {
            why: "provisioning.copy_hook_secret is not a webhook secret (whsec_…)".to_owned(),
        })?;
        let request = Request::post(&settings.copy_hook_url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .body(body);
        let request = request.map_err(|error| Stop::Never { why: error.to_string() })?;
        let answer = self.outside.send(request).await.map_err(platform::http::Failure::from)?;
        match answer.status() {
            StatusCode::ACCEPTED => {
                Err(Stop::Wait { after: self.pause(), why: "the copy hook, which is still at it".to_owned() })
            }
            status if status.is_success() => Ok(Learnt::default()),
            status => {
                Err(Stop::Again { after: None, why: format!("the copy hook answered {}", status.as_u16()) })
            }
        }
    }

    /// Asks the new instance whether it is well.
    pub(super) async fn verify(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let to = self.end("to")?;
        let row = self.service.db.read(tenant.id, async |view| tenancy::instance(view, to).await).await?;
        if let Some(endpoint) = &row.endpoint {
            crate::health::ask(self.service, &self.outside, endpoint).await.map_err(|why| Stop::Again {
                after: None,
                why: format!("the new instance is not well: {why}"),
            })?;
        }
        Ok(Learnt::default())
    }

    pub(super) async fn go(&self, tx: &mut Tx) -> Result<(), Stop> {
        match self.row.name.as_str() {
            "reserve" => {
                if self.mark(tx, "reserved", true).await? {
                    self.reserve(tx, self.end("to")?).await?;
                }
                Ok(())
            }
            "switch" => {
                tenancy::assign(tx, self.end("to")?).await?;
                let row = tenancy::get(tx).await?;
                tx.record("tenant.switch", Target::new("instance", self.end("to")?));
                tenancy::record_event(tx, &row, TenantEvent::Moved, "tenant.move");
                flags::push_all(tx);
                Ok(())
            }
            "release" => {
                if self.mark(tx, "released", true).await? {
                    tenancy::give_place(tx, self.end("from")?).await?;
                    tx.emit(&tenancy::InstanceAvailable { instance_id: self.end("from")? });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The old place is given up last, with the note that ends the run: it is there to go back to.
    pub(super) async fn go_back(&self, tx: &mut Tx) -> Result<(), Stop> {
        match self.row.name.as_str() {
            "reserve" => {
                if self.mark(tx, "reserved", false).await? {
                    tenancy::give_place(tx, self.end("to")?).await?;
                }
                Ok(())
            }
            "switch" => {
                tenancy::assign(tx, self.end("from")?).await?;
                tx.record("tenant.switch_back", Target::new("instance", self.end("from")?));
                flags::push_all(tx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Notes in the run that something was done, or undone; false: it was noted before.
    async fn mark(&self, tx: &Tx, what: &str, done: bool) -> Result<bool, Stop> {
        let select = tx.select::<run::Entity>().filter(run::Column::Id.eq(self.run.id));
        let Some(mut row) = tx.lock(select).await? else { return Ok(false) };
        let mut parameters = row.parameters.as_object().cloned().unwrap_or_default();
        let before = parameters.insert(what.to_owned(), done.into()) == Some(Value::Bool(true));
        row.parameters = Value::Object(parameters);
        tx.update(row).await?;
        Ok(before != done)
    }
}
