//! A tenant goes to another instance: drained, copied, switched, checked; or stays where it was.

use chrono::TimeDelta;
use entity::provisioning::run;
use entity::tenancy::tenant;
use http::{Request, StatusCode};
use platform::{Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenancy::{Place, TenantEvent};
use uuid::Uuid;

use super::{Learnt, Step};
use crate::deployments::{self, Own};
use crate::grow;
use crate::model::{Kind, Stop};
use crate::retire::Retire;

/// One end of a move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    From,
    To,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::From => "from",
            End::To => "to",
        }
    }
}

/// What the run keeps of having done, beside the ends.
const RESERVED: &str = "reserved";
const RELEASED: &str = "released";

impl Step<'_> {
    /// The run, if it is a move.
    pub(super) fn moves(&self) -> Option<Uuid> {
        (self.kind == Kind::Move).then_some(self.run.id)
    }

    fn end(&self, end: End, tenant: &tenant::Model) -> Result<Place, Stop> {
        let said = self.run.parameters.get(end.name()).cloned().unwrap_or_default();
        // Runs from before knew an instance only, of the same kind.
        let place = match said.as_str().map(Uuid::try_parse) {
            Some(id) => id.ok().map(|id| Place { instance: Some(id), ..Place::of(tenant) }),
            None => serde_json::from_value(said).ok(),
        };
        place.ok_or_else(|| Stop::Never { why: format!("the run doesn't say {} where", end.name()) })
    }

    /// The instance to which the tenant moves, which the first step found.
    fn target(&self, tenant: &tenant::Model) -> Result<Uuid, Stop> {
        let found = self.end(End::To, tenant)?.instance;
        found.ok_or_else(|| Stop::Never { why: "no place was taken".to_owned() })
    }

    /// Finds where the tenant goes, unless an instance was named.
    pub(super) async fn find_target(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let to = self.end(End::To, tenant)?;
        match to.instance {
            Some(_) => Ok(Learnt::default()),
            None => self.find_room(tenant, &to).await,
        }
    }

    /// Takes back what was made for the tenant to move to.
    pub(super) async fn remove_target(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let place = self.end(End::To, tenant)?;
        if place.is_own() {
            let own = Own { tenant: tenant.id, moves: self.moves(), place: &place };
            deployments::remove_own(self.service, &self.outside, &own).await?;
        }
        Ok(Learnt::default())
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
        let (from, to) = (self.end(End::From, tenant)?, self.end(End::To, tenant)?);
        let shown = async |view: &View, place: &Place| {
            let endpoint = match place.instance {
                Some(id) => tenancy::instance(view, id).await.ok().and_then(|row| row.endpoint),
                None => None,
            };
            json!({"id": place.instance, "endpoint": endpoint, "region": place.region, "isolation": place.isolation})
        };
        let both =
            async |view: &View| Ok::<_, web::Problem>((shown(view, &from).await, shown(view, &to).await));
        let (from, to) = self.service.db.read(tenant.id, both).await?;
        let body = json!({
            "action": action, "runId": self.run.id, "tenantId": tenant.id, "tenantSlug": tenant.slug,
            "from": from, "to": to,
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

    /// Asks the new instance whether it is well, before anybody is sent there.
    pub(super) async fn verify(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let to = self.target(tenant)?;
        let row = self.service.db.read(tenant.id, async |view| tenancy::instance(view, to).await).await?;
        if let Some(endpoint) = &row.endpoint {
            crate::health::ask(self.service, &self.outside, endpoint).await.map_err(|why| Stop::Again {
                after: None,
                why: format!("the new instance is not well: {why}"),
            })?;
        }
        Ok(Learnt::default())
    }

    pub(super) async fn go(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        match self.row.name.as_str() {
            "reserve" => self.reserve(tx, &tenant, learnt).await,
            "switch" => {
                let to = self.target(&tenant)?;
                let row = tenancy::settle(tx, self.end(End::To, &tenant)?).await?;
                tx.record("tenant.switch", Target::new("instance", to));
                tenancy::record_event(tx, &row, TenantEvent::Moved, "tenant.move");
                flags::push_all(tx);
                Ok(())
            }
            "release" => self.leave(tx, &tenant).await,
            _ => Ok(()),
        }
    }

    /// Takes a place where the tenant goes, and says in the run where that is.
    async fn reserve(&self, tx: &mut Tx, tenant: &tenant::Model, learnt: &Learnt) -> Result<(), Stop> {
        let Some(mut run) = self.unless(tx, RESERVED, true).await? else { return Ok(()) };
        let place = self.end(End::To, tenant)?;
        let named = place.instance.or(learnt.instance);
        let taken = match named {
            Some(id) => tenancy::take_place(tx, id).await?.then_some(id),
            None => tenancy::take_room(tx, &place, tenant.instance_id).await?,
        };
        let id = match (taken, named) {
            (Some(id), _) => id,
            (None, Some(_)) => {
                return Err(Stop::Never { why: "the instance has no room, or isn't active".to_owned() });
            }
            // Somebody else took the last place meanwhile.
            (None, None) => return Err(self.no_room(&place)),
        };
        let place = Place { instance: Some(id), ..place };
        if let Some(parameters) = run.parameters.as_object_mut() {
            parameters.insert(End::To.name().to_owned(), json!(place));
        }
        tx.update(run).await?;
        tx.record("tenant.reserve_place", Target::new("instance", id));
        Ok(grow::ahead(tx, self.service, id).await?)
    }

    /// Gives the old place up: last, with the note that ends the run, so that it is there to go back to. An instance that only this tenant
    /// had is removed by a job of its own: from here on there is no way back.
    async fn leave(&self, tx: &mut Tx, tenant: &tenant::Model) -> Result<(), Stop> {
        let Some(run) = self.unless(tx, RELEASED, true).await? else { return Ok(()) };
        tx.update(run).await?;
        let from = self.end(End::From, tenant)?;
        let Some(id) = from.instance else { return Ok(()) };
        tenancy::give_place(tx, id).await?;
        if from.is_own() {
            tx.enqueue(&Retire { tenant: tenant.id, deployment: id });
        } else {
            tx.emit(&tenancy::InstanceAvailable { instance_id: id });
        }
        Ok(())
    }

    pub(super) async fn go_back(&self, tx: &mut Tx) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        match self.row.name.as_str() {
            "reserve" => {
                if let Some(run) = self.unless(tx, RESERVED, false).await? {
                    tx.update(run).await?;
                    tenancy::give_place(tx, self.target(&tenant)?).await?;
                }
                let own = format!("{}:{}", azure::tenant_purpose(tenant.id), self.run.id);
                self.forget_own(tx, own).await
            }
            "switch" => {
                let from = self.end(End::From, &tenant)?;
                tx.record("tenant.switch_back", Target::new("tenant", tenant.id));
                tenancy::settle(tx, from).await?;
                flags::push_all(tx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The run, locked, with the note that something was done, or undone; `None`: it was noted before.
    async fn unless(&self, tx: &Tx, what: &str, done: bool) -> Result<Option<run::Model>, Stop> {
        let select = tx.select::<run::Entity>().filter(run::Column::Id.eq(self.run.id));
        let Some(mut row) = tx.lock(select).await? else { return Ok(None) };
        let mut parameters = row.parameters.as_object().cloned().unwrap_or_default();
        let before = parameters.insert(what.to_owned(), done.into()) == Some(Value::Bool(true));
        row.parameters = Value::Object(parameters);
        Ok((before != done).then_some(row))
    }
}
