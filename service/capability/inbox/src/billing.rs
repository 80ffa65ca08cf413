//! What a subscription means for its tenant: plan, grace, suspension, by the tables in `[billing]`.

use entity::inbox::effect::Effect;
use entity::inbox::subscription::{Column, Entity, Model};
use entity::tenancy::states::{BillingState, SuspendedBy};
use entity::tenancy::tenant;
use platform::{Target, Timestamp, Tx, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use tenancy::Status;
use web::Tools;

use crate::error::Error;
use crate::settings::Settings;
use crate::subscription::{Change, is_later, mark};

platform::events! {
    /// The payment provider reported a change of a tenant's subscription.
    pub(crate) struct BillingUpdated = "billing.updated" {
        subscription: String,
        status: String,
        effect: String,
        plan: String,
    }
    /// A subscription has a price that belongs to no plan; the tenant keeps its plan.
    pub(crate) struct PriceUnknown = "billing.price_unknown" {
        subscription: String,
        price: String,
        current_plan: String,
    }
}

/// Stores what was reported, if it is later than what is stored, and does what it means. Answers what became of it, in words.
pub(crate) async fn apply(
    tx: &mut Tx,
    tools: &Tools,
    change: &Change,
    at: Timestamp,
    event: &str,
) -> Result<String, Error> {
    let tenant = tenancy::locked(tx).await?;
    if matches!(tenant.status, Status::Deleted | Status::Deprovisioning) {
        tx.housekeeping();
        return Ok(format!("the tenant is {}", tenant.status));
    }
    let tenant = bind(tx, tenant, change).await?;
    let stored = tx.one(tx.select::<Entity>().filter(Column::Id.eq(&change.subscription))).await?;
    let Some(status) = &change.status else {
        tx.record("billing.bind", Target::new("subscription", &change.subscription));
        return Ok("the customer is known now".to_owned());
    };
    if stored.as_ref().is_some_and(|stored| stored.reported_by == mark(change.rank, event)) {
        // Stored together with what it meant; only the event itself was not.
        tx.housekeeping();
        return Ok("done before".to_owned());
    }
    if let Some(stored) = &stored
        && !is_later(at, change.rank, stored.reported_at, &stored.reported_by)
    {
        tx.housekeeping();
        return Ok(format!("older than {}", stored.reported_by));
    }
    let price = change.plan.as_ref().map(|plan| format!("plan:{plan}")).or_else(|| change.price.clone());
    let row = Model {
        tenant_id: tx.tenant(),
        id: change.subscription.clone(),
        customer: change.customer.clone(),
        status: status.clone(),
        // An invoice doesn't say for what.
        price: price.or_else(|| stored.as_ref()?.price.clone()),
        reported_at: at,
        reported_by: mark(change.rank, event),
        updated_at: tx.now(),
    };
    match stored {
        Some(_) => tx.update(row).await?,
        None => tx.insert(row).await?,
    }
    take_effect(tx, tools, tenant).await
}

/// Remembers the customer, unless the tenant has one.
async fn bind(tx: &mut Tx, mut tenant: tenant::Model, change: &Change) -> Result<tenant::Model, Error> {
    if tenant.billing_customer.is_none()
        && let Some(customer) = &change.customer
    {
        tenant.billing_customer = Some(customer.clone());
        tx.update(tenant.clone()).await?;
        tx.record("billing.customer", Target::new("tenant", tenant.id).with(json!({"customer": customer})));
    }
    Ok(tenant)
}

/// The plan that a price buys: the price says itself, or the table does.
fn plan_of<'a>(tools: &'a Tools, price: &'a str) -> Option<&'a str> {
    price.strip_prefix("plan:").or_else(|| tools.config.section::<Settings>().plan_of(price))
}

/// Makes the tenant what its subscriptions, taken together, say.
async fn take_effect(tx: &mut Tx, tools: &Tools, tenant: tenant::Model) -> Result<String, Error> {
    let billing = tools.config.section::<Settings>();
    let rows = tx.all(tx.select::<Entity>()).await?;
    let known = rows.iter().filter_map(|row| Some((billing.effect_of(&row.status)?, row)));
    // Of several subscriptions of a tenant the kindest counts.
    let Some((effect, row)) =
        known.min_by_key(|(effect, _)| Effect::ALL.iter().position(|one| one == effect))
    else {
        tx.record("billing.ignore", Target::new("tenant", tenant.id));
        return Ok("no status that the table knows".to_owned());
    };
    let mut plan = tenant.plan.clone();
    if effect == Effect::Free {
        "free".clone_into(&mut plan);
    } else if let Some(price) = &row.price {
        let found = plan_of(tools, price);
        let there = match found {
            Some(found) => match tenancy::plan(tx, found).await {
                Ok(_) => Some(found),
                Err(tenancy::Error::PlanUnknown { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        match there {
            Some(found) => found.clone_into(&mut plan),
            None => {
                tracing::warn!(tenant = %tenant.id, price, "unknown price: the tenant keeps its current plan");
                tx.record("billing.price_unknown", Target::new("subscription", &row.id));
                let (price, current_plan) = (price.to_owned(), tenant.plan.clone());
                tx.emit(&PriceUnknown { subscription: row.id.clone(), price, current_plan });
            }
        }
    }
    let state = match effect {
        Effect::Grace => BillingState::Grace,
        Effect::Suspend => BillingState::Suspended,
        Effect::Full | Effect::Free => BillingState::Full,
    };
    let (before, effect) = (tenant.clone(), effect.as_str());
    let mut tenant = tenancy::set_plan(tx, tenant, &plan).await?;
    tenant.billing_state = state;
    tx.update(tenant.clone()).await?;
    match (state, tenant.status) {
        (BillingState::Suspended, Status::Active) => {
            tenancy::suspend(tx, SuspendedBy::Billing).await?;
        }
        (BillingState::Full | BillingState::Grace, Status::Suspended) => {
            tenancy::lift(tx, SuspendedBy::Billing).await?;
        }
        _ => {}
    }
    let details = json!({"subscription": row.id, "status": row.status, "effect": effect, "plan": plan});
    tx.record("billing.update", Target::new("tenant", tenant.id).with(details).changed(&before, &tenant));
    let outcome = format!("{effect}, plan {plan}");
    let (subscription, status) = (row.id.clone(), row.status.clone());
    tx.emit(&BillingUpdated { subscription, status, effect: effect.to_owned(), plan });
    Ok(outcome)
}
