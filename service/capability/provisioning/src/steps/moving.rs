//! A tenant goes to another instance: drained, copied, switched, checked; or stays where it was.

use chrono::TimeDelta;
use entity::provisioning::run;
use entity::tenancy::tenant;
use http::{Request, StatusCode};
use platform::{PlatformStatement, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenancy::{Place, TenantEvent};
use uuid::Uuid;

use super::realm::keep;
use super::{Learnt, Step};
use crate::deployments::{self, Own};
use crate::grow;
use crate::model::{Kind, Stop};
use crate::retire::Retire;

/// One end of a move.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    From,
    To,
}

impl End {
    /// Under which name the run keeps the place.
    pub(crate) fn place(self) -> &'static str {
        match self {
            End::From => "from",
            End::To => "to",
        }
    }

    /// Under which name it keeps the realm or org.
    pub(crate) fn realm(self) -> &'static str {
        match self {
            End::From => "fromRealm",
            End::To => "toRealm",
        }
    }
}

/// An instance that only the tenant had takes nobody any more.
const CLOSE_INSTANCE: PlatformStatement =
    PlatformStatement::new("UPDATE instance SET status = 'offline' WHERE id = $1");
/// What the run keeps of having done, beside the ends.
const RESERVED: &str = "reserved";
const RELEASED: &str = "released";

impl Step<'_> {
    /// The run, if it is a move.
    pub(super) fn moves(&self) -> Option<Uuid> {
        (self.kind == Kind::Move).then_some(self.run.id)
    }

    /// From where to where, if the move is one between places.
    fn places(&self, tenant: &tenant::Model) -> Result<Option<(Place, Place)>, Stop> {
        if self.run.parameters.get(End::To.place()).is_none() {
            return Ok(None);
        }
        Ok(Some((self.end(End::From, tenant)?, self.end(End::To, tenant)?)))
    }

    fn end(&self, end: End, tenant: &tenant::Model) -> Result<Place, Stop> {
        let said = self.run.parameters.get(end.place()).cloned().unwrap_or_default();
        // Runs from before knew an instance only, of the same kind.
        let place = match said.as_str().map(Uuid::try_parse) {
            Some(id) => id.ok().map(|id| Place { instance: Some(id), ..Place::of(tenant) }),
            None => serde_json::from_value(said).ok(),
        };
        place.ok_or_else(|| Stop::Never { why: format!("the run doesn't say {} where", end.place()) })
    }

    /// Where the tenant moves, on the instance that the first step found.
    fn target(&self, tenant: &tenant::Model) -> Result<Option<(Place, Uuid)>, Stop> {
        let Some((_, to)) = self.places(tenant)? else { return Ok(None) };
        match to.instance {
            Some(id) => Ok(Some((to, id))),
            None => Err(Stop::Never { why: "no place was taken".to_owned() }),
        }
    }

    /// Finds where the tenant goes, unless an instance was named.
    pub(super) async fn find_target(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        match self.places(tenant)? {
            Some((_, to)) if to.instance.is_none() => self.find_room(tenant, &to).await,
            _ => Ok(Learnt::default()),
        }
    }

    /// Takes back what was made for the tenant to move to.
    pub(super) async fn remove_target(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        if let Some((_, place)) = self.places(tenant)?.filter(|(_, place)| place.is_own()) {
            let own = Own { tenant: tenant.id, moves: self.moves(), place: &place };
            deployments::remove_own(self.service, &self.outside, &own).await?;
        }
        Ok(Learnt::default())
    }

    /// Modules were told by the event `tenant.moving`; they get some time to come to rest.
    pub(super) async fn drain(&self) -> Result<Learnt, Stop> {
        let period = TimeDelta::from_std(self.service.config.provisioning.drain_period).unwrap_or_default();
        // From when they were told: the step before told them.
        let since = self.row.started_at.unwrap_or(self.outside.now());
        let left = since + period - self.outside.now();
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
        let here = Place::of(tenant);
        let (from, to) = self.places(tenant)?.unwrap_or_else(|| (here.clone(), here));
        let realms =
            [End::From, End::To].map(|end| self.run.parameters.get(end.realm()).cloned().unwrap_or_default());
        let shown = async |view: &View, place: &Place| {
            let endpoint = match place.instance {
                Some(id) => tenancy::instance(view, id).await.ok().and_then(|row| row.endpoint),
                None => None,
            };
            json!({"id": place.instance, "endpoint": endpoint, "region": place.region, "isolation": place.isolation})
        };
        let both =
            async |view: &View| Ok::<_, web::Problem>((shown(view, &from).await, shown(view, &to).await));
        let (mut from, mut to) = self.service.db.read(tenant.id, both).await?;
        for (end, realm) in [&mut from, &mut to].into_iter().zip(realms) {
            if let Some(end) = end.as_object_mut().filter(|_| !realm.is_null()) {
                end.insert("identity".to_owned(), realm);
            }
        }
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
        let Some((_, to)) = self.target(tenant)? else { return Ok(Learnt::default()) };
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
            "realm" => {
                self.note_realm(tx, learnt).await?;
                tenancy::record_event(tx, &tenant, TenantEvent::Moving, "tenant.moving");
                Ok(())
            }
            "switch" => {
                self.switch_realm(tx, End::To).await?;
                if let Some((place, to)) = self.target(&tenant)? {
                    tenancy::settle(tx, place).await?;
                    tx.record("tenant.switch", Target::new("instance", to));
                }
                let row = tenancy::get(tx).await?;
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
        let Some((_, place)) = self.places(tenant)? else { return Ok(()) };
        let Some(mut run) = self.unless(tx, RESERVED, true).await? else { return Ok(()) };
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
        keep(&mut run, End::To.place(), &place);
        tx.update(run).await?;
        tx.record("tenant.reserve_place", Target::new("instance", id));
        Ok(grow::ahead(tx, self.service, id).await?)
    }

    /// Gives the old place up: last, with the note that ends the run, so that it is there to go back to. An instance that only this tenant
    /// had is removed by a job of its own: from here on there is no way back.
    async fn leave(&self, tx: &mut Tx, tenant: &tenant::Model) -> Result<(), Stop> {
        let Some(run) = self.unless(tx, RELEASED, true).await? else { return Ok(()) };
        tx.update(run).await?;
        self.leave_realm(tx);
        let Some((from, _)) = self.places(tenant)? else { return Ok(()) };
        let Some(id) = from.instance else { return Ok(()) };
        tenancy::give_place(tx, id).await?;
        if from.is_own() {
            // Nobody else is placed there while it goes.
            tx.as_platform(CLOSE_INSTANCE, vec![id.into()]).await?;
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
                if let Some((_, to)) = self.places(&tenant)?
                    && let Some(run) = self.unless(tx, RESERVED, false).await?
                    && let Some(id) = to.instance
                {
                    tx.update(run).await?;
                    tenancy::give_place(tx, id).await?;
                }
                let own = format!("{}:{}", azure::tenant_purpose(tenant.id), self.run.id);
                self.forget_own(tx, own).await
            }
            "realm" => self.forget_realm(tx).await,
            "switch" => {
                tx.record("tenant.switch_back", Target::new("tenant", tenant.id));
                self.switch_realm(tx, End::From).await?;
                if let Some((from, _)) = self.places(&tenant)? {
                    tenancy::settle(tx, from).await?;
                }
                flags::push_all(tx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn locked_run(&self, tx: &Tx) -> Result<Option<run::Model>, Stop> {
        let select = tx.select::<run::Entity>().filter(run::Column::Id.eq(self.run.id));
        Ok(tx.lock(select).await?)
    }

    /// The run, locked, with the note that something was done, or undone; `None`: it was noted before.
    async fn unless(&self, tx: &Tx, what: &str, done: bool) -> Result<Option<run::Model>, Stop> {
        let Some(mut row) = self.locked_run(tx).await? else { return Ok(None) };
        let before = row.parameters.get(what) == Some(&Value::Bool(true));
        keep(&mut row, what, &done);
        Ok((before != done).then_some(row))
    }
}
