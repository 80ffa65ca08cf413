//! What a tenant, or somebody of it, gets.

use std::collections::{BTreeMap, HashMap};

use entity::flags::{flag, override_};
use entity::tenancy::tenant;
use flags_core::{Context, Definition, Evaluation, Flags, Set, Step};
use platform::{PlatformView, Timestamp, View, tx::Reads};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::ops::{FLAGS_MAX, definition};

/// A tenant's own variants: flag → variant.
pub(crate) type Own = BTreeMap<String, String>;

/// One flag as a tenant has it.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) variant: String,
    pub(crate) reason: &'static str,
    pub(crate) rule: Option<usize>,
    pub(crate) overridden: bool,
}

impl Evaluated {
    fn of(key: &str, found: &Evaluation<'_>, own: &Own) -> Self {
        Self {
            key: key.to_owned(),
            value: found.value.clone(),
            variant: found.variant.to_owned(),
            reason: found.reason.name(),
            rule: found.rule,
            overridden: own.contains_key(key),
        }
    }
}

/// What the tenant is, which can't be said by who asks, and what the person is.
pub(crate) fn context(tenant: &tenant::Model, person: &Context) -> Context {
    let mut context = Context::from([
        // Without a person in sight the tenant itself is put into shares.
        ("targetingKey".to_owned(), tenant.id.to_string()),
        ("plan".to_owned(), tenant.plan.clone()),
        ("tenant".to_owned(), tenant.slug.clone()),
        ("tenantId".to_owned(), tenant.id.to_string()),
        ("isolation".to_owned(), tenant.isolation.to_string()),
    ]);
    if let Some(region) = &tenant.region {
        context.insert("region".to_owned(), region.clone());
    }
    for (name, value) in person {
        if name == "targetingKey" || !context.contains_key(name) {
            context.insert(name.clone(), value.clone());
        }
    }
    context
}

/// All flags for a context, by key.
pub(crate) fn evaluate(
    flags: &Flags,
    own: &Own,
    context: &Context,
    now: Timestamp,
) -> Result<Vec<Evaluated>, Error> {
    let set = Set::new(flags, own, context, now);
    let of = |(flag, found): (&Definition, Option<Evaluation<'_>>)| {
        let found = found.ok_or_else(|| Error::Corrupt { key: flag.key.clone(), what: "no variant" })?;
        Ok(Evaluated::of(&flag.key, &found, own))
    };
    set.evaluate_all().map(of).collect()
}

/// One flag for a context; `None`: there is no such flag.
pub(crate) fn evaluate_one(
    flags: &Flags,
    own: &Own,
    context: &Context,
    now: Timestamp,
    key: &str,
) -> Option<Evaluated> {
    let found = Set::new(flags, own, context, now).evaluate(key)?;
    Some(Evaluated::of(key, &found, own))
}

/// All definitions.
pub(crate) async fn definitions(view: &Reads) -> Result<Flags, Error> {
    let rows = view.all(view.shared::<flag::Entity>().limit(FLAGS_MAX)).await?;
    Ok(Flags::new(rows.iter().map(definition).collect::<Result<_, _>>()?))
}

/// The tenant's own variants.
pub(crate) async fn own(view: &View) -> Result<Own, Error> {
    let own = view.all(view.select::<override_::Entity>().limit(FLAGS_MAX)).await?;
    Ok(own.into_iter().map(|row| (row.flag_key, row.variant)).collect())
}

/// The own variants of many tenants, in one query.
pub(crate) async fn own_of(view: &PlatformView, tenants: &[Uuid]) -> Result<HashMap<Uuid, Own>, Error> {
    let rows = view.across::<override_::Entity>();
    let rows = rows.filter(override_::Column::TenantId.is_in(tenants.iter().copied()));
    let mut all: HashMap<Uuid, Own> = HashMap::new();
    for row in view.all(rows).await? {
        all.entry(row.tenant_id).or_default().insert(row.flag_key, row.variant);
    }
    Ok(all)
}

/// All flags as the tenant has them, by key, read from the store.
pub(crate) async fn of_tenant(view: &View, tenant: &tenant::Model) -> Result<Vec<Evaluated>, Error> {
    let (flags, own) = (definitions(view).await?, own(view).await?);
    evaluate(&flags, &own, &context(tenant, &Context::new()), view.now())
}

/// One flag as the tenant has it, and why.
pub(crate) async fn explain(
    view: &View,
    tenant: &tenant::Model,
    key: &str,
) -> Result<(Evaluated, Vec<Step>, Context), Error> {
    let (flags, own) = (definitions(view).await?, own(view).await?);
    let context = context(tenant, &Context::new());
    let set = Set::new(&flags, &own, &context, view.now());
    let (found, steps) = set.explain(key).ok_or(Error::NotFound)?;
    Ok((Evaluated::of(key, &found, &own), steps, context.clone()))
}
