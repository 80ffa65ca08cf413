//! Operators: made, listed, disabled; their enrolment links and recovery codes.

use std::collections::HashMap;

use chrono::TimeDelta;
use entity::authz::operator::{Column, Entity, Model};
use platform::crypto::{hex, one_time_secret, readable_code, same, sha256};
use platform::tx::Event;
use platform::{DbError, PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;
use web::{Code, Problem};

use crate::sessions;

/// What an enrolment link's token begins with.
const ENROLLMENT_PREFIX: &str = "tnt_enroll_";
/// How long an enrolment link counts.
const ENROLLMENT_LIFETIME: TimeDelta = TimeDelta::days(2);
/// Codes that an operator gets.
const RECOVERY_CODES: usize = 10;
/// Operators at most.
const OPERATORS_MAX: u64 = 500;

/// Somebody came in by a recovery code: worth a look.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recovered {
    operator_id: Uuid,
    codes_left: usize,
}

impl Event for Recovered {
    const TYPE: &'static str = "operator.recovered";
}

/// An operator without a passkey yet, and the token of the link that makes one.
pub(crate) async fn create(
    tx: &mut PlatformTx,
    email: &str,
    name: &str,
    role: &str,
) -> Result<(Model, String), Problem> {
    if tx.count(tx.platform::<Entity>()).await? >= OPERATORS_MAX {
        return Err(Problem::invalid("", "there are 500 operators already"));
    }
    let (token, digest) = one_time_secret(ENROLLMENT_PREFIX);
    let row = Model {
        id: ids::new(),
        email: email.trim().to_lowercase(),
        name: name.to_owned(),
        role: role.to_owned(),
        enrollment_digest: Some(digest.to_vec()),
        enrollment_expires_at: Some(tx.now() + ENROLLMENT_LIFETIME),
        recovery_codes: json!([]),
        password_hash: None,
        password_failures: 0,
        disabled_at: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let taken = |error: DbError| match error {
        DbError::Conflict(_) => Problem::detailed(Code::Conflict, "An operator has this address."),
        other => other.into(),
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    tx.record("operator.create", Target::new("operator", row.id).with(json!({"role": role})));
    Ok((row, token.to_string()))
}

/// A new link for one who has lost their passkeys, or wants another.
pub(crate) async fn enroll_again(tx: &mut PlatformTx, id: Uuid) -> Result<(Model, String), Problem> {
    let (token, digest) = one_time_secret(ENROLLMENT_PREFIX);
    let row = find(tx, id).await?;
    let row = Model {
        enrollment_digest: Some(digest.to_vec()),
        enrollment_expires_at: Some(tx.now() + ENROLLMENT_LIFETIME),
        updated_at: tx.now(),
        version: row.version + 1,
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("operator.enroll", Target::new("operator", id));
    Ok((row, token.to_string()))
}

pub(crate) async fn find(view: &PlatformView, id: Uuid) -> Result<Model, Problem> {
    let found = view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

/// An operator who may come in.
pub(crate) async fn by_email(view: &PlatformView, email: &str) -> Result<Option<Model>, DbError> {
    let select = view.platform::<Entity>().filter(Column::Email.eq(email.trim().to_lowercase()));
    view.one(select.filter(Column::DisabledAt.is_null())).await
}

/// The operator whom an enrolment link names.
pub(crate) async fn by_enrollment(view: &PlatformView, token: &str) -> Result<Option<Model>, DbError> {
    let digest = sha256(token.as_bytes()).to_vec();
    let select = view.platform::<Entity>().filter(Column::EnrollmentDigest.eq(digest));
    let found = view.one(select.filter(Column::DisabledAt.is_null())).await?;
    Ok(found.filter(|row| row.enrollment_expires_at.is_some_and(|until| until > view.now())))
}

pub(crate) async fn list(view: &PlatformView) -> Result<Vec<Model>, DbError> {
    view.all(view.platform::<Entity>().order_by_asc(Column::Id).limit(OPERATORS_MAX)).await
}

/// Ends an operator's access, at once.
pub(crate) async fn disable(tx: &mut PlatformTx, id: Uuid) -> Result<(), Problem> {
    let row = find(tx, id).await?;
    let disabled_at = Some(row.disabled_at.unwrap_or(tx.now()));
    tx.update(Model {
        disabled_at,
        enrollment_digest: None,
        password_hash: None,
        version: row.version + 1,
        ..row
    })
    .await?;
    let sql = "UPDATE operator_session SET ended_at = $2 WHERE operator_id = $1 AND ended_at IS NULL";
    tx.execute(sql, vec![id.into(), tx.now().into()]).await?;
    tx.record("operator.disable", Target::new("operator", id));
    Ok(())
}

fn code_digest(operator: Uuid, code: &str) -> String {
    let letters: String = code.to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let digest = sha256(&[operator.as_bytes().as_slice(), letters.as_bytes()].concat());
    hex(&digest)
}

/// New recovery codes in place of all before, shown this once: 80 random bits each, kept as digests.
pub(crate) fn recovery_codes(operator: Uuid) -> (Vec<String>, serde_json::Value) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| readable_code::<4>()).collect();
    let digests = codes.iter().map(|code| code_digest(operator, code)).collect();
    (codes, digests)
}

/// Uses a recovery code up.
pub(crate) async fn recover(tx: &mut PlatformTx, email: &str, code: &str) -> Result<Option<Model>, Problem> {
    tx.housekeeping();
    let Some(found) = by_email(tx, email).await? else { return Ok(None) };
    let select = tx.platform::<Entity>().filter(Column::Id.eq(found.id));
    let Some(row) = tx.lock(select).await? else { return Ok(None) };
    let mut left: Vec<String> = serde_json::from_value(row.recovery_codes.clone()).unwrap_or_default();
    let wanted = code_digest(row.id, code);
    let before = left.len();
    left.retain(|one| !same(one.as_bytes(), wanted.as_bytes()));
    if left.len() == before {
        return Ok(None);
    }
    let codes_left = left.len();
    let row = Model { recovery_codes: json!(left), version: row.version + 1, ..row };
    tx.update(row.clone()).await?;
    tx.record("operator.recover", Target::new("operator", row.id).with(json!({"codesLeft": codes_left})));
    tx.emit(&Recovered { operator_id: row.id, codes_left });
    Ok(Some(row))
}

/// Sets an operator's password, or with `None` removes it.
pub(crate) async fn set_password(
    tx: &mut PlatformTx,
    id: Uuid,
    password_hash: Option<String>,
) -> Result<(), Problem> {
    let row = find(tx, id).await?;
    let action = if password_hash.is_some() { "operator.password_set" } else { "operator.password_removed" };
    let (updated_at, version) = (tx.now(), row.version + 1);
    tx.update(Model { password_hash, password_failures: 0, updated_at, version, ..row }).await?;
    tx.record(action, Target::new("operator", id));
    Ok(())
}

/// Opens a session by a password that was right a moment ago; `None` if the operator was disabled or changed it meanwhile.
pub(crate) async fn enter_by_password(
    tx: &mut PlatformTx,
    who: &Model,
) -> Result<Option<(String, i64)>, Problem> {
    let row = find(tx, who.id).await?;
    if row.disabled_at.is_some() || row.password_hash != who.password_hash {
        tx.housekeeping();
        return Ok(None);
    }
    tx.update(Model { password_failures: 0, version: row.version + 1, ..row }).await?;
    Ok(Some(sessions::open(tx, who.id, "password").await?))
}

/// Counts a wrong password.
pub(crate) async fn count_failure(tx: &mut PlatformTx, id: Uuid) -> Result<u64, DbError> {
    tx.housekeeping();
    let sql = "UPDATE operator SET password_failures = password_failures + 1 WHERE id = $1";
    tx.execute(sql, vec![id.into()]).await
}

/// How many sessions live, by operator.
pub(crate) async fn live_sessions(view: &PlatformView) -> Result<HashMap<Uuid, u64>, Problem> {
    let sql = "SELECT operator_id, COUNT(*) AS live FROM operator_session \
               WHERE ended_at IS NULL AND expires_at > $1 GROUP BY operator_id";
    let mut live = HashMap::new();
    for row in view.query(sql, vec![view.now().into()]).await? {
        let count: i64 = row.try_get("", "live").map_err(Problem::internal)?;
        live.insert(row.try_get("", "operator_id").map_err(Problem::internal)?, count.unsigned_abs());
    }
    Ok(live)
}
