//! Queries over users.

use entity::directory::{identity, user, user_email};
use platform::{DbError, Tx, View};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::model::fold;

/// One term of a conjunction that finds users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserTerm {
    /// By id.
    Id(Option<Uuid>),
    /// By `userName`, without case.
    UserName(String),
    /// By `externalId`, with case.
    ExternalId(String),
    /// By an e-mail address, of a type if given, without case.
    Email(Option<String>, String),
    /// By `active`.
    Active(bool),
}

/// One term of a conjunction that finds groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupTerm {
    /// By id.
    Id(Option<Uuid>),
    /// By `displayName`, without case.
    DisplayName(String),
    /// By `externalId`, with case.
    ExternalId(String),
    /// By a member.
    Member(Option<Uuid>),
}

fn of_organization(view: &View, organization: Uuid) -> Select<user::Entity> {
    view.select::<user::Entity>().filter(user::Column::OrganizationId.eq(organization))
}

/// The user of this id.
///
/// # Errors
/// [`DbError`].
pub async fn user(view: &View, organization: Uuid, id: Uuid) -> Result<Option<user::Model>, DbError> {
    view.one(of_organization(view, organization).filter(user::Column::Id.eq(id))).await
}

/// The user of this id, locked.
///
/// # Errors
/// [`DbError`].
pub async fn user_locked(tx: &Tx, organization: Uuid, id: Uuid) -> Result<Option<user::Model>, DbError> {
    tx.lock(of_organization(tx, organization).filter(user::Column::Id.eq(id))).await
}

/// The user of this id, in whatever organization of the tenant.
///
/// # Errors
/// [`DbError`].
pub async fn user_any_organization(view: &View, id: Uuid) -> Result<Option<user::Model>, DbError> {
    view.one(view.select::<user::Entity>().filter(user::Column::Id.eq(id))).await
}

/// The user of this name, without case.
///
/// # Errors
/// [`DbError`].
pub async fn user_by_name(
    view: &View,
    organization: Uuid,
    name: &str,
) -> Result<Option<user::Model>, DbError> {
    view.one(of_organization(view, organization).filter(user::Column::UserNameKey.eq(fold(name)))).await
}

pub(crate) async fn user_by_external_id(
    view: &View,
    organization: Uuid,
    id: &str,
) -> Result<Option<user::Model>, DbError> {
    view.one(of_organization(view, organization).filter(user::Column::ExternalId.eq(id))).await
}

pub(crate) async fn find_identity(
    view: &View,
    issuer: &str,
    subject: &str,
) -> Result<Option<identity::Model>, DbError> {
    let select = view.select::<identity::Entity>().filter(identity::Column::Issuer.eq(issuer));
    view.one(select.filter(identity::Column::Subject.eq(subject))).await
}

pub(crate) async fn has_identity(view: &View, user: Uuid, issuer: &str) -> Result<bool, DbError> {
    let select = view.select::<identity::Entity>().filter(identity::Column::UserId.eq(user));
    Ok(view.one(select.filter(identity::Column::Issuer.eq(issuer))).await?.is_some())
}

/// Users that all terms find, by id: a page and the total. `limit` 0 reads none of them.
///
/// # Errors
/// [`DbError`].
pub async fn list_users(
    view: &View,
    organization: Uuid,
    terms: &[UserTerm],
    offset: u64,
    limit: u64,
) -> Result<(Vec<user::Model>, u64), DbError> {
    let mut condition = Condition::all();
    for term in terms {
        condition = condition.add(match term {
            UserTerm::Id(Some(id)) => user::Column::Id.eq(*id),
            UserTerm::Id(None) => Expr::val(1).eq(0),
            UserTerm::UserName(name) => user::Column::UserNameKey.eq(fold(name)),
            UserTerm::ExternalId(id) => user::Column::ExternalId.eq(id),
            UserTerm::Active(active) => user::Column::Active.eq(*active),
            UserTerm::Email(kind, value) => {
                let mut emails = Query::select();
                emails
                    .column(user_email::Column::UserId)
                    .from(user_email::Entity)
                    .and_where(user_email::Column::TenantId.eq(view.tenant()))
                    .and_where(user_email::Column::OrganizationId.eq(organization))
                    .and_where(user_email::Column::ValueKey.eq(fold(value)));
                if let Some(kind) = kind {
                    emails.and_where(user_email::Column::TypeKey.eq(fold(kind)));
                }
                user::Column::Id.in_subquery(emails)
            }
        });
    }
    let select = of_organization(view, organization).filter(condition);
    let total = view.count(select.clone()).await?;
    if limit == 0 || offset >= total {
        return Ok((Vec::new(), total));
    }
    let page = view.all(select.order_by_asc(user::Column::Id).offset(offset).limit(limit)).await?;
    Ok((page, total))
}

/// Writes the user's addresses anew.
pub(crate) async fn set_emails(
    tx: &Tx,
    row: &user::Model,
    emails: Vec<(Option<String>, String)>,
    fresh: bool,
) -> Result<(), DbError> {
    if !fresh {
        let old = tx
            .remove::<user_email::Entity>()
            .filter(user_email::Column::OrganizationId.eq(row.organization_id));
        tx.purge(old.filter(user_email::Column::UserId.eq(row.id))).await?;
    }
    let rows = emails.into_iter().zip(0..).map(|((type_key, value_key), ordinal)| user_email::Model {
        tenant_id: row.tenant_id,
        organization_id: row.organization_id,
        user_id: row.id,
        ordinal,
        type_key,
        value_key,
    });
    tx.insert_all(rows.collect()).await
}
