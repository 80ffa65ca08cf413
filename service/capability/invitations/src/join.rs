//! Who has an address at a proven domain joins, or asks to. They show that they read the address' mail: the link in it is an invitation like
//! any other, so that there is one way in.

use directory::{Applicant, Made, Outcome, fold};
use entity::by_name::ByName;
use entity::invitations::states::{JoinMode, JoinRequestStatus, JoinRequestVerb};
use entity::invitations::{invitation, join_request, join_rule};
use entity::tenancy::tenant;
use identity_core::{Grant, Source};
use mail::NewMail;
use platform::refusal::Invalid;
use platform::rules::{LimitReached, Rule, check_limit};
use platform::{Target, Tx, View, Work, ids};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;
use web::Tools;

use crate::error::Error;

/// Rules of one organization.
pub(crate) const RULES_MAX: u64 = 100;

platform::facts! {
    /// What is told of a request to join.
    pub(crate) struct RequestFacts {
        join_request_id: Uuid,
        organization_id: Uuid,
        email: String,
        role: ByName<TenantRole>,
    }
}

platform::events! {
    /// A person with a verified e-mail address asked to join.
    pub(crate) struct JoinRequestCreated = "join_request.created" (RequestFacts)
    /// A request to join was approved or declined.
    pub(crate) struct JoinRequestDecided = "join_request.decided" (RequestFacts)
}

fn facts(row: &join_request::Model) -> RequestFacts {
    RequestFacts {
        join_request_id: row.id,
        organization_id: row.organization_id,
        email: row.email.clone(),
        role: row.role,
    }
}

/// Writes the rule of a domain, which the organization must have proven.
///
/// # Errors
/// [`Error::Invalid`] for a public mail domain; [`Error::DomainUnverified`].
pub(crate) async fn put_rule(
    tx: &mut Tx,
    organization: Uuid,
    domain: &str,
    mode: JoinMode,
    role: TenantRole,
) -> Result<join_rule::Model, Error> {
    let invalid =
        || Invalid::at("/domain", "must be a domain of the organization, not one of a public mail provider");
    let domain = connections::domain(domain).ok_or_else(invalid)?;
    if connections::organization_of_domain(tx, &domain).await? != Some(organization) {
        return Err(Error::DomainUnverified { domain });
    }
    let before = rule(tx, &domain).await?;
    let row = join_rule::Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        domain: domain.clone(),
        mode,
        role: ByName(role),
        created_at: before.as_ref().map_or(tx.now(), |row| row.created_at),
        updated_at: tx.now(),
    };
    match before {
        Some(_) => tx.update(row.clone()).await?,
        None => {
            require_below_limit(tx, organization).await?;
            tx.insert(row.clone()).await?;
        }
    }
    let details = json!({"domain": domain, "mode": mode, "role": role.name()});
    let target = Target::new("organization", organization).with(details);
    tx.record("join_rule.update", target.changed(before.as_ref(), &row));
    Ok(row)
}

async fn require_below_limit(tx: &Tx, organization: Uuid) -> Result<(), LimitReached> {
    let there = tx.select::<join_rule::Entity>();
    let there = there.filter(join_rule::Column::OrganizationId.eq(organization));
    check_limit(tx, Rule::JoinRules, organization, there, RULES_MAX).await
}

async fn rule(view: &View, domain: &str) -> Result<Option<join_rule::Model>, platform::DbError> {
    view.one(view.select::<join_rule::Entity>().filter(join_rule::Column::Domain.eq(domain))).await
}

pub(crate) async fn delete_rule(tx: &mut Tx, organization: Uuid, domain: &str) -> Result<(), Error> {
    let mine = tx.remove::<join_rule::Entity>().filter(join_rule::Column::OrganizationId.eq(organization));
    if tx.purge(mine.filter(join_rule::Column::Domain.eq(domain))).await? == 0 {
        return Err(Error::NotFound);
    }
    tx.record("join_rule.delete", Target::new("organization", organization).with(json!({"domain": domain})));
    Ok(())
}

/// The rule under which the people of an address come in.
pub(crate) async fn rule_of(view: &View, email: &str) -> Result<Option<join_rule::Model>, Error> {
    let Some(domain) = connections::domain_of(email) else { return Ok(None) };
    let Some(rule) = rule(view, &domain).await? else { return Ok(None) };
    // A proof may have lapsed since the rule was made.
    let proven = connections::organization_of_domain(view, &domain).await?;
    Ok(Some(rule).filter(|rule| proven == Some(rule.organization_id)))
}

/// The address is proven: now somebody decides.
pub(crate) async fn ask(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    invitation: &invitation::Model,
    display_name: Option<String>,
) -> Result<(), Error> {
    let organization = invitation.organization_id;
    let open = tx.select::<join_request::Entity>();
    let open = open
        .filter(join_request::Column::OrganizationId.eq(organization))
        .filter(join_request::Column::EmailKey.eq(fold(&invitation.email)))
        .filter(join_request::Column::Status.eq(JoinRequestStatus::Pending));
    if tx.one(open).await?.is_some() {
        return Ok(());
    }
    let row = join_request::Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        id: ids::new(),
        email: invitation.email.clone(),
        email_key: fold(&invitation.email),
        display_name,
        role: invitation.role,
        status: JoinRequestStatus::Pending,
        user_id: None,
        version: 1,
        created_at: tx.now(),
        decided_at: None,
    };
    tx.insert(row.clone()).await?;
    tx.record("join_request.create", Target::new("join_request", row.id));
    tx.emit(&JoinRequestCreated(facts(&row)));
    let url =
        format!("{}/api/v1/tenants/{}/join-requests/{}", tools.config.public_url(), tenant.slug, row.id);
    let domain = connections::domain_of(&row.email).unwrap_or_default();
    let values = json!({"person": row.email, "domain": domain, "role": row.role, "url": url});
    for address in directory::admin_addresses(tx, tenant).await? {
        let mail = NewMail::new("join-request", &address, row.id.to_string(), values.clone());
        mail::notify(tx, tools, NewMail { organization: Some(organization), ..mail }).await?;
    }
    Ok(())
}

pub(crate) async fn request(view: &View, id: Uuid) -> Result<join_request::Model, Error> {
    let found = view.select::<join_request::Entity>().filter(join_request::Column::Id.eq(id));
    view.one(found).await?.ok_or(Error::NotFound)
}

/// Lets somebody in who asked, or not.
///
/// # Errors
/// [`Error::JoinDecided`]; [`Error::Directory`] where there is no seat; [`Error::DirectoryManaged`] if their directory keeps the organization's people by now.
pub(crate) async fn decide(
    tx: &mut Tx,
    id: Uuid,
    verb: JoinRequestVerb,
    role: Option<TenantRole>,
) -> Result<join_request::Model, Error> {
    tenancy::active(tx).await?;
    let found = tx.select::<join_request::Entity>().filter(join_request::Column::Id.eq(id));
    let row = tx.lock(found).await?.ok_or(Error::NotFound)?;
    let status = row.status.after(verb).ok_or(Error::JoinDecided { status: row.status })?;
    let role = role.unwrap_or(row.role.0);
    let mut user = None;
    if verb == JoinRequestVerb::Approve {
        crate::rules::require_by_hand(tx, row.organization_id).await?;
        let applicant = Applicant {
            address: Some(&row.email),
            organization: Some(row.organization_id),
            grant: Some(Grant { invitation: None, role, signed_in: None }),
            made: Made::Named(row.display_name.as_deref()),
            ..Applicant::new(Source::Approval)
        };
        match directory::admit(tx, applicant).await? {
            Outcome::In(admitted) => user = Some(admitted.user.id),
            Outcome::MustProve(..) => return Err(Error::MustProve),
        }
    }
    let row = join_request::Model {
        status,
        role: ByName(role),
        user_id: user,
        version: row.version + 1,
        decided_at: Some(tx.now()),
        ..row
    };
    tx.update(row.clone()).await?;
    let action = match verb {
        JoinRequestVerb::Approve => "join_request.approve",
        JoinRequestVerb::Decline => "join_request.decline",
    };
    tx.record(action, Target::new("join_request", id));
    tx.emit(&JoinRequestDecided(facts(&row)));
    Ok(row)
}
