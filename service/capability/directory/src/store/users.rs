//! Queries over users.

use entity::by_name::ByName;
use entity::directory::states::DeactivatedBy;
use entity::directory::{identity, user, user_email};
use entity::ids::OrganizationId;
use entity::tenancy::tenant;
use identity_core::fold;
use platform::{CrossTenantStatement, DbError, PlatformView, Statement, Timestamp, Tx, View};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryResult, QuerySelect, Select};
use uuid::Uuid;

use crate::model::mailbox;

/// Identities of one user that are kept when the user is removed.
const IDENTITIES_MAX: u64 = 100;
/// Admins who are notified at most.
const NOTIFIED_ADMINS_MAX: u64 = 20;

fn of_organization(view: &View, organization: Uuid) -> Select<user::Entity> {
    view.select::<user::Entity>().filter(user::Column::OrganizationId.eq(organization))
}

/// The user of this id.
pub async fn user(
    view: &View,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<user::Model>, DbError> {
    view.one(of_organization(view, organization.0).filter(user::Column::Id.eq(id))).await
}

/// The user of this id, locked.
pub async fn user_locked(
    tx: &Tx,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<user::Model>, DbError> {
    tx.lock(of_organization(tx, organization.0).filter(user::Column::Id.eq(id))).await
}

/// The user of this id, in whatever organization of the tenant.
pub async fn user_any_organization(view: &View, id: Uuid) -> Result<Option<user::Model>, DbError> {
    view.one(view.select::<user::Entity>().filter(user::Column::Id.eq(id))).await
}

/// The user of this name, without case.
pub async fn user_by_name(
    view: &View,
    organization: Uuid,
    name: &str,
) -> Result<Option<user::Model>, DbError> {
    view.one(of_organization(view, organization).filter(user::Column::UserNameKey.eq(fold(name)))).await
}

/// Users that have one address.
pub(crate) const NAMESAKES_MAX: u64 = 50;

/// Users of the organization whose name or e-mail is this address.
pub async fn users_of_address(
    view: &View,
    organization: Uuid,
    address: &str,
) -> Result<Vec<user::Model>, DbError> {
    let sql = format!(
        "SELECT u.* FROM directory_user u WHERE u.tenant_id = $1 AND u.organization_id = $2 AND (u.user_name_key = $3 OR u.id IN \
         (SELECT e.user_id FROM directory_user_email e WHERE e.tenant_id = $1 AND e.organization_id = $2 AND e.value_key = $3)) \
         LIMIT {NAMESAKES_MAX}"
    );
    let rows = view.query(&Statement::built(sql)?, vec![organization.into(), fold(address).into()]).await?;
    let users = rows.iter().map(|row| user::Model::from_query_result(row, ""));
    Ok(users.collect::<Result<_, sea_orm::DbErr>>()?)
}

/// How many users of the organization are active.
pub(crate) async fn count_active(view: &View, organization: Uuid) -> Result<i64, DbError> {
    const COUNT: Statement = Statement::of_tenant(
        "SELECT COUNT(*) AS n FROM directory_user WHERE tenant_id = $1 AND organization_id = $2 AND active = $3",
    );
    let rows = view.query(&COUNT, vec![organization.into(), true.into()]).await?;
    Ok(rows.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0))
}

pub(crate) async fn find_identity(
    view: &View,
    issuer: &str,
    subject: &str,
) -> Result<Option<identity::Model>, DbError> {
    let select = view.select::<identity::Entity>().filter(identity::Column::Issuer.eq(issuer));
    view.one(select.filter(identity::Column::Subject.eq(subject))).await
}

/// The person who comes in as (issuer, subject).
pub async fn by_identity(view: &View, issuer: &str, subject: &str) -> Result<Option<user::Model>, DbError> {
    const BY_IDENTITY: Statement = Statement::of_tenant(
        "SELECT u.* FROM user_identity i \
         JOIN directory_user u ON u.tenant_id = i.tenant_id AND u.organization_id = i.organization_id AND u.id = i.user_id \
         WHERE i.tenant_id = $1 AND i.issuer = $2 AND i.subject = $3",
    );
    let rows = view.query(&BY_IDENTITY, vec![issuer.into(), subject.into()]).await?;
    Ok(rows.first().map(|row| user::Model::from_query_result(row, "")).transpose()?)
}

/// The (issuer, subject) pairs of a user.
pub async fn identities(view: &View, of: &user::Model) -> Result<Vec<identity::Model>, DbError> {
    let select = view.select::<identity::Entity>();
    let select = select.filter(identity::Column::OrganizationId.eq(of.organization_id));
    view.all(select.filter(identity::Column::UserId.eq(of.id)).limit(IDENTITIES_MAX)).await
}

/// Takes a link away.
pub(crate) async fn unlink(tx: &Tx, issuer: &str, subject: &str) -> Result<(), DbError> {
    let one = tx.remove::<identity::Entity>().filter(identity::Column::Issuer.eq(issuer));
    tx.purge(one.filter(identity::Column::Subject.eq(subject))).await.map(drop)
}

/// Addresses of the tenant's admins, and of its owner.
pub async fn admin_addresses(tx: &Tx, tenant: &tenant::Model) -> Result<Vec<String>, DbError> {
    let admins = tx
        .select::<user::Entity>()
        .filter(user::Column::Role.eq(ByName(TenantRole::Admin)))
        .filter(user::Column::Active.eq(true));
    let admins = tx.all(admins.limit(NOTIFIED_ADMINS_MAX)).await?;
    let mut all: Vec<String> =
        admins.into_iter().filter_map(|row| mailbox(row.email, row.user_name)).collect();
    all.extend(tenant.owner_email.clone());
    // One mail to one mailbox, however its address was written.
    all.sort_by_cached_key(|address| fold(address));
    all.dedup_by_key(|address| fold(address));
    Ok(all)
}

/// A user or group whose name is another, older one's since names are folded by today's rules: found by its id, no more by its name.
#[derive(Debug)]
pub struct Twin {
    /// The tenant's slug.
    pub tenant: String,
    /// `user` or `group`.
    pub kind: String,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name or address, as it was sent; of the platform's, with the mark that sets it apart.
    pub name: String,
}

/// Everything that shares its name or address with an older one, at most 100 of it: users, groups, invitations, requests to join, and of the
/// platform operators and addresses that get no mail.
pub async fn twins(view: &PlatformView) -> Result<Vec<Twin>, DbError> {
    const TWINS: CrossTenantStatement = CrossTenantStatement::new(
        "SELECT t.slug, r.kind, r.id, r.name FROM (\
           SELECT tenant_id, 'user' AS kind, id, user_name AS name, user_name_key AS name_key FROM directory_user \
           UNION ALL SELECT tenant_id, 'group', id, display_name, display_name_key FROM directory_group \
           UNION ALL SELECT tenant_id, 'invitation', id, email, email_key FROM invitation \
           UNION ALL SELECT tenant_id, 'request to join', id, email, email_key FROM join_request \
           UNION ALL SELECT NULL, 'operator', id, email, email FROM operator \
           UNION ALL SELECT NULL, 'suppressed address', NULL, address_key, address_key FROM mail_suppression) r \
         LEFT JOIN tenant t ON t.id = r.tenant_id \
         WHERE t.rehearses IS NULL AND r.name_key LIKE '%' || $1 || '%' ORDER BY t.slug, r.kind, r.id LIMIT 100",
    );
    let rows = view.query(&TWINS, vec![identity_core::SHADOW.to_string().into()]).await?;
    let twin = |row: &QueryResult| {
        Ok(Twin {
            tenant: row.try_get::<Option<String>>("", "slug")?.unwrap_or_else(|| "platform".to_owned()),
            kind: row.try_get("", "kind")?,
            id: row.try_get("", "id")?,
            name: row.try_get("", "name")?,
        })
    };
    Ok(rows.iter().map(twin).collect::<Result<_, sea_orm::DbErr>>()?)
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

/// The identities of users at these issuers.
pub async fn identities_of_issuers(view: &View, issuers: &[String]) -> Result<Vec<identity::Model>, DbError> {
    view.all(view.select::<identity::Entity>().filter(identity::Column::Issuer.is_in(issuers))).await
}

/// Users who are switched off: who they are, by whom, and when their row was changed last.
pub async fn switched_off(view: &View) -> Result<Vec<(Uuid, Option<DeactivatedBy>, Timestamp)>, DbError> {
    let off = view.select::<user::Entity>().filter(user::Column::Active.eq(false)).select_only();
    let off = off.column(user::Column::Id).column(user::Column::DeactivatedBy);
    view.tuples(off.column(user::Column::UpdatedAt)).await
}
