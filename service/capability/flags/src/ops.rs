//! Definitions and overrides are made, changed, removed.

use entity::by_name::ByName;
use entity::flags::{flag, override_};
use flags_core::{Definition, Rule as FlagRule};
use platform::refusal::{FieldError, Invalid};
use platform::rules::{Rule, check_limit};
use platform::{DbError, PlatformTx, PlatformView, Target, Tx, Work};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::{Value, json};
use web::IfMatch;

use crate::error::Error;

/// Flags of the platform.
pub(crate) const FLAGS_MAX: u64 = 1000;

// A flag also changes when its schedule turns.
platform::events! {
    /// A flag was created, changed or deleted.
    pub(crate) struct FlagChanged = "flag.changed" { pub(crate) key: String }
    /// A tenant's override of a flag was set or removed.
    pub(crate) struct OverrideChanged = "flag.override_changed" { key: String, variant: Option<String> }
}

/// The definition of a row.
pub(crate) fn definition(row: &flag::Model) -> Result<Definition, Error> {
    let corrupt = |what| Error::Corrupt { key: row.key.clone(), what };
    let kind = row.r#type.0;
    let variants =
        serde_json::from_value(row.variants.clone()).map_err(|_| corrupt("unreadable variants"))?;
    let rules = serde_json::from_value::<Vec<FlagRule>>(row.rules.clone())
        .map_err(|_| corrupt("unreadable rules"))?;
    let plans =
        row.plans.clone().map(serde_json::from_value).transpose().map_err(|_| corrupt("unreadable plans"))?;
    let default_variant = row.default_variant.clone();
    let prerequisites =
        serde_json::from_value(row.prerequisites.clone()).map_err(|_| corrupt("unreadable prerequisites"))?;
    let (key, enabled) = (row.key.clone(), row.enabled);
    Ok(Definition { key, kind, variants, default_variant, rules, plans, enabled, prerequisites })
}

/// Refuses a definition that contradicts itself, needs a flag or variant that isn't there, or needs itself.
async fn check(view: &PlatformView, definition: &Definition) -> Result<(), Error> {
    let field = |(pointer, detail)| FieldError { pointer, detail };
    let mut errors: Vec<FieldError> = definition.problems().into_iter().map(field).collect();
    if !definition.prerequisites.is_empty() {
        let rows = view.all(view.platform::<flag::Entity>().limit(FLAGS_MAX)).await?;
        let others = rows.iter().map(self::definition).collect::<Result<Vec<_>, _>>()?;
        let others: Vec<Definition> =
            others.into_iter().filter(|other| other.key != definition.key).collect();
        for (at, wanted) in definition.prerequisites.iter().enumerate() {
            let there = others.iter().find(|other| other.key == wanted.flag);
            if !there.is_some_and(|other| other.variants.contains_key(&wanted.variant)) {
                errors.push(field((
                    format!("/prerequisites/{at}"),
                    "must be another flag and one of its variants".to_owned(),
                )));
            }
        }
        if flags_core::needs_itself(&others, definition) {
            let text = "the flag would need itself, or the way is too long".to_owned();
            errors.push(field(("/prerequisites".to_owned(), text)));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors).into()) }
}

fn row(definition: Definition, now: platform::Timestamp) -> flag::Model {
    flag::Model {
        key: definition.key,
        r#type: ByName(definition.kind),
        variants: json!(definition.variants),
        default_variant: definition.default_variant,
        rules: json!(definition.rules),
        plans: definition.plans.map(|plans| json!(plans)),
        version: 1,
        created_at: now,
        updated_at: now,
        enabled: definition.enabled,
        prerequisites: json!(definition.prerequisites),
    }
}

/// What of a definition is kept in the audit trail: its history.
fn history(before: Option<&flag::Model>, after: &flag::Model) -> Value {
    let shown = |row: &flag::Model| {
        json!({
            "variants": row.variants, "defaultVariant": row.default_variant, "rules": row.rules, "plans": row.plans,
            "enabled": row.enabled, "prerequisites": row.prerequisites,
        })
    };
    json!({"from": before.map(shown), "to": shown(after)})
}

pub(crate) async fn create(tx: &mut PlatformTx, definition: Definition) -> Result<flag::Model, Error> {
    check_limit(tx, Rule::Flags, "", tx.platform::<flag::Entity>(), FLAGS_MAX).await?;
    check(tx, &definition).await?;
    let made = row(definition, tx.now());
    tx.insert(made.clone()).await.map_err(|error| match error {
        DbError::Conflict(_) => Error::Exists,
        other => other.into(),
    })?;
    tx.record("flag.create", Target::new("flag", &made.key).with(history(None, &made)));
    tx.emit(&FlagChanged { key: made.key.clone() });
    Ok(made)
}

pub(crate) async fn replace(
    tx: &mut PlatformTx,
    seen: &IfMatch,
    definition: Definition,
) -> Result<flag::Model, Error> {
    tx.exclusive(Rule::Flags, "").await?;
    check(tx, &definition).await?;
    let there = find_locked(tx, &definition.key).await?;
    seen.require(there.version)?;
    let made =
        flag::Model { version: there.version + 1, created_at: there.created_at, ..row(definition, tx.now()) };
    tx.update(made.clone()).await?;
    tx.record("flag.update", Target::new("flag", &made.key).with(history(Some(&there), &made)));
    tx.emit(&FlagChanged { key: made.key.clone() });
    Ok(made)
}

pub(crate) async fn delete(tx: &mut PlatformTx, key: &str) -> Result<(), Error> {
    tx.exclusive(Rule::Flags, "").await?;
    let there = find_locked(tx, key).await?;
    let rows = tx.all(tx.platform::<flag::Entity>().limit(FLAGS_MAX)).await?;
    for row in &rows {
        if definition(row)?.prerequisites.iter().any(|one| one.flag == key) {
            return Err(Error::InUse { by: row.key.clone() });
        }
    }
    tx.delete(there).await?;
    tx.record("flag.delete", Target::new("flag", key));
    tx.emit(&FlagChanged { key: key.to_owned() });
    Ok(())
}

async fn find_locked(tx: &PlatformTx, key: &str) -> Result<flag::Model, Error> {
    let found = tx.lock(tx.platform::<flag::Entity>().filter(flag::Column::Key.eq(key))).await?;
    found.ok_or(Error::NotFound)
}

pub(crate) async fn set_override(tx: &mut Tx, key: &str, variant: &str) -> Result<(), Error> {
    tenancy::undeleted(tx).await?;
    let found = tx.one(tx.shared::<flag::Entity>().filter(flag::Column::Key.eq(key))).await?;
    let definition = definition(&found.ok_or(Error::NotFound)?)?;
    if !definition.variants.contains_key(variant) {
        return Err(Invalid::at("/variant", "must be one of the flag's variants").into());
    }
    let mine = tx.select::<override_::Entity>().filter(override_::Column::FlagKey.eq(key));
    let before = tx.lock(mine).await?;
    let row = override_::Model {
        tenant_id: tx.tenant(),
        flag_key: key.to_owned(),
        variant: variant.to_owned(),
        version: before.as_ref().map_or(1, |row| row.version + 1),
        created_at: before.as_ref().map_or(tx.now(), |row| row.created_at),
        updated_at: tx.now(),
    };
    match before {
        Some(_) => tx.update(row.clone()).await?,
        None => tx.insert(row.clone()).await?,
    }
    let target = Target::new("flag", key).with(json!({"variant": variant}));
    tx.record("flag.override", target.changed(before.as_ref(), &row));
    tx.emit(&OverrideChanged { key: key.to_owned(), variant: Some(variant.to_owned()) });
    Ok(())
}

pub(crate) async fn clear_override(tx: &mut Tx, key: &str) -> Result<(), Error> {
    let mine = tx.remove::<override_::Entity>().filter(override_::Column::FlagKey.eq(key));
    if tx.purge(mine).await? == 0 {
        return Err(Error::NotFound);
    }
    tx.record("flag.override_clear", Target::new("flag", key));
    tx.emit(&OverrideChanged { key: key.to_owned(), variant: None });
    Ok(())
}
