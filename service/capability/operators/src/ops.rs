//! Operators: made, listed, disabled; their enrolment links and recovery codes.

use chrono::TimeDelta;
use entity::operators::operator::{Column, Entity, Model};
use entity::operators::states::OperatorRole;
use entity::operators::states::SignInMethod;
use platform::crypto::{hex, one_time_secret, readable_code, same, sha256};
use platform::rules::{Rule, check_limit};
use platform::{DbError, PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use crate::error::Error;
use crate::{sessions, store};

/// What an enrolment link's token begins with.
const ENROLLMENT_PREFIX: &str = "tnt_enroll_";
/// How long an enrolment link counts.
const ENROLLMENT_LIFETIME: TimeDelta = TimeDelta::days(2);
/// Codes that an operator gets.
const RECOVERY_CODES: usize = 10;
/// Operators at most.
const OPERATORS_MAX: u64 = 500;
/// NIST SP 800-63B-4, section 3.2.2: after a hundred wrong ones in a row a password counts no more, until it is set anew.
const FAILURES_MAX: i64 = 100;

platform::events! {
    /// An operator signed in with a recovery code.
    pub(crate) struct OperatorRecovered = "operator.recovered" { operator_id: Uuid, codes_left: usize }
}

/// An operator without a passkey yet, and the token of the link that makes one.
pub(crate) async fn create(
    tx: &mut PlatformTx,
    email: &str,
    name: &str,
    role: OperatorRole,
) -> Result<(Model, String), Error> {
    check_limit(tx, Rule::Operators, "", tx.platform::<Entity>(), OPERATORS_MAX).await?;
    let (token, digest) = one_time_secret(ENROLLMENT_PREFIX);
    let row = Model {
        id: ids::new(),
        email: identity_core::fold(email),
        name: name.to_owned(),
        role,
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
        DbError::Conflict(_) => Error::AddressTaken,
        other => other.into(),
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    tx.record("operator.create", Target::new("operator", row.id).with(json!({"role": role})));
    Ok((row, token.to_string()))
}

/// A new link for one who has lost their passkeys, or wants another.
pub(crate) async fn enroll_again(tx: &mut PlatformTx, id: Uuid) -> Result<(Model, String), Error> {
    let (token, digest) = one_time_secret(ENROLLMENT_PREFIX);
    let row = locked(tx, id).await?;
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

pub(crate) async fn find(view: &PlatformView, id: Uuid) -> Result<Option<Model>, DbError> {
    view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await
}

/// One whose row is written as a whole: nobody else writes it meanwhile.
async fn locked(tx: &PlatformTx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// An operator who may come in.
pub(crate) async fn by_email(view: &PlatformView, email: &str) -> Result<Option<Model>, DbError> {
    let select = view.platform::<Entity>().filter(Column::Email.eq(identity_core::fold(email)));
    view.one(select.filter(Column::DisabledAt.is_null())).await
}

/// The operator whom an enrolment link names.
pub(crate) async fn by_enrollment(view: &PlatformView, token: &str) -> Result<Option<Model>, DbError> {
    let digest = sha256(token.as_bytes()).to_vec();
    let select = view.platform::<Entity>().filter(Column::EnrollmentDigest.eq(digest));
    let found = view.one(select.filter(Column::DisabledAt.is_null())).await?;
    Ok(found.filter(|row| row.enrollment_expires_at.is_some_and(|until| until > view.now())))
}

/// The operator whom an enrolment link names, locked: of two who use it at once, the second finds it used.
pub(crate) async fn enrolling(tx: &PlatformTx, token: &str) -> Result<Option<Model>, Error> {
    let Some(found) = by_enrollment(tx, token).await? else { return Ok(None) };
    let row = locked(tx, found.id).await?;
    let same = row.enrollment_digest == found.enrollment_digest && row.disabled_at.is_none();
    Ok(same.then_some(row))
}

pub(crate) async fn list(view: &PlatformView) -> Result<Vec<Model>, DbError> {
    view.all(view.platform::<Entity>().order_by_asc(Column::Id).limit(OPERATORS_MAX)).await
}

/// Ends an operator's access, at once.
pub(crate) async fn disable(tx: &mut PlatformTx, id: Uuid) -> Result<(), Error> {
    let row = locked(tx, id).await?;
    let disabled_at = Some(row.disabled_at.unwrap_or(tx.now()));
    tx.update(Model {
        disabled_at,
        enrollment_digest: None,
        password_hash: None,
        version: row.version + 1,
        ..row
    })
    .await?;
    store::end_sessions(tx, id).await?;
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
pub(crate) async fn recover(tx: &mut PlatformTx, email: &str, code: &str) -> Result<Option<Model>, Error> {
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
    tx.emit(&OperatorRecovered { operator_id: row.id, codes_left });
    Ok(Some(row))
}

/// Sets an operator's password, or with `None` removes it.
pub(crate) async fn set_password(
    tx: &mut PlatformTx,
    id: Uuid,
    password_hash: Option<String>,
) -> Result<(), Error> {
    let row = locked(tx, id).await?;
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
) -> Result<Option<(String, i64)>, Error> {
    if !store::reset_password_failures(tx, who).await? {
        tx.housekeeping();
        return Ok(None);
    }
    Ok(Some(sessions::open(tx, who.id, SignInMethod::Password).await?))
}

/// Counts a password as wrong before it is compared: of many that come at once, none is compared that wasn't counted. The
/// right one sets the count back. `None`: nobody, no password, or too many wrong ones in a row.
pub(crate) async fn attempt(tx: &mut PlatformTx, email: &str) -> Result<Option<Model>, DbError> {
    tx.housekeeping();
    let Some(who) = by_email(tx, email).await? else { return Ok(None) };
    Ok(store::count_password_failure(tx, &who, FAILURES_MAX).await?.then_some(who))
}

/// Takes back an attempt whose password was not compared.
pub(crate) async fn take_back_attempt(tx: &mut PlatformTx, id: Uuid) -> Result<(), DbError> {
    tx.housekeeping();
    store::take_back_password_failure(tx, id).await
}
