//! What Stripe's events say about a subscription, and whose it is.

use entity::inbox::event;
use platform::http::Failure;
use platform::{Ctx, Tx};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;
use web::{Service, Tools};

use crate::billing;
use crate::error::Error;
use crate::processed::Processed;
use crate::settings::Settings;
use crate::subscription::Change;

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// An id, or the object that was put in its place.
fn id(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).or_else(|| text(value, &format!("{pointer}/id")))
}

/// Reads a subscription.
fn subscription(object: &Value, rank: u8) -> Option<Change> {
    let price = |name: &str| text(object, &format!("/items/data/0/price/{name}"));
    Some(Change {
        subscription: text(object, "/id")?,
        customer: id(object, "/customer"),
        status: text(object, "/status"),
        price: price("lookup_key").or_else(|| price("id")),
        plan: price("metadata/plan"),
        tenant: text(object, "/metadata/tenant_id"),
        rank,
    })
}

/// What an event says; `None`: nothing about a subscription.
pub(crate) fn change_of(kind: &str, payload: &Value) -> Option<Change> {
    let object = payload.pointer("/data/object")?;
    match kind {
        "customer.subscription.created" => subscription(object, 2),
        "customer.subscription.deleted" => {
            let change = subscription(object, 4)?;
            Some(Change { status: Some("canceled".to_owned()), ..change })
        }
        kind if kind.starts_with("customer.subscription.") => subscription(object, 3),
        "checkout.session.completed" => Some(Change {
            subscription: id(object, "/subscription")?,
            customer: id(object, "/customer"),
            status: None,
            price: None,
            plan: None,
            tenant: text(object, "/metadata/tenant_id").or_else(|| text(object, "/client_reference_id")),
            rank: 0,
        }),
        "invoice.paid" | "invoice.payment_failed" => {
            let named = ["/subscription", "/parent/subscription_details/subscription"];
            let metadata = "/parent/subscription_details/metadata/tenant_id";
            Some(Change {
                subscription: named.iter().find_map(|pointer| id(object, pointer))?,
                customer: id(object, "/customer"),
                status: Some(if kind == "invoice.paid" { "active" } else { "past_due" }.to_owned()),
                price: None,
                plan: None,
                tenant: text(object, metadata),
                rank: 1,
            })
        }
        _ => None,
    }
}

/// Does what an event means.
pub(crate) async fn process(service: &Service, event: &event::Model) -> Result<Processed, Error> {
    let Some(change) = change_of(&event.r#type, &event.payload) else {
        return Ok(Processed::new("not about a subscription"));
    };
    let (change, at) = match reread(service, &change).await {
        Ok(Some(now)) => {
            (Change { tenant: now.tenant.clone().or(change.tenant.clone()), ..now }, service.clock.now())
        }
        Ok(None) => (change, event.occurred_at),
        Err(failure) => return Ok(Processed::NotYet(failure.reason)),
    };
    let Some(tenant) = tenant_of(service, &change).await? else {
        return Ok(Processed::NotYet(format!("no tenant belongs to the customer {:?}", change.customer)));
    };
    let work = async |tx: &mut Tx| billing::apply(tx, service, &change, at, &event.id).await;
    let outcome = service.db.write(&Ctx::system("billing"), tenant, work).await?;
    Ok(Processed::As(outcome))
}

/// The tenant that the subscription's metadata name, else the customer's.
async fn tenant_of(service: &Service, change: &Change) -> Result<Option<Uuid>, Error> {
    if let Some(named) = &change.tenant
        && let Some(id) = web::tenant_named(service, named).await?
        && service.db.read(id, async |view| tenancy::find(view).await).await?.is_some()
    {
        return Ok(Some(id));
    }
    match &change.customer {
        Some(customer) => Ok(service.db.tenant_of(tenancy::by_customer(customer)).await?),
        None => Ok(None),
    }
}

/// The subscription as Stripe has it now, where we may ask: then no order of events matters.
async fn reread(tools: &Tools, change: &Change) -> Result<Option<Change>, Failure> {
    let billing = tools.config.section::<Settings>();
    let key = billing.stripe_api_key.expose_secret();
    if key.is_empty() || !change.subscription.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Ok(None);
    }
    let base = billing.stripe_url.trim_end_matches('/');
    let request = http::Request::get(format!("{base}/v1/subscriptions/{}", change.subscription));
    let request = request.header("authorization", format!("Bearer {key}"));
    let answer = tools.outside().json(request, None).await?;
    if answer.status() == http::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status().is_success() {
        return Err(Failure::of("Stripe", &answer, text(answer.body(), "/error/message")));
    }
    // Whatever was noted before is older.
    Ok(subscription(answer.body(), u8::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_tell_what_a_subscription_is() {
        let object = json!({
            "id": "sub_1", "customer": {"id": "cus_1"}, "status": "active", "metadata": {"tenant_id": "acme"},
            "items": {"data": [{"price": {"id": "price_1", "lookup_key": "pro_monthly", "metadata": {"plan": "pro"}}}]},
        });
        let payload = json!({"data": {"object": object}});
        let updated = change_of("customer.subscription.updated", &payload).unwrap();
        assert_eq!(updated.price.as_deref(), Some("pro_monthly"));
        assert_eq!((updated.customer.as_deref(), updated.plan.as_deref()), (Some("cus_1"), Some("pro")));
        let deleted = change_of("customer.subscription.deleted", &payload).unwrap();
        assert_eq!(deleted.status.as_deref(), Some("canceled"));
        let invoice = json!({"data": {"object": {"parent": {"subscription_details": {"subscription": "sub_1"}}, "customer": "cus_1"}}});
        assert_eq!(
            change_of("invoice.payment_failed", &invoice).unwrap().status.as_deref(),
            Some("past_due")
        );
        assert_eq!(change_of("customer.updated", &payload), None);
        assert_eq!(change_of("invoice.paid", &json!({"data": {"object": {}}})), None);
    }
}
