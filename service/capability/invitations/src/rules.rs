//! Whether an admin may invite somebody by hand, and how often.

use chrono::TimeDelta;
use entity::invitations::invitation;
use entity::tenancy::tenant;
use platform::rules::{Allowance, Rule};
use platform::{Tx, View};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;
use web::{Code, Problem, Service};

/// The time in which invitations are counted.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Refuses a new seat while a payment is overdue.
///
/// # Errors
/// `billing.seat_blocked`.
pub(crate) fn require_paid(tenant: &tenant::Model) -> Result<(), Problem> {
    if tenant.billing_state == "grace" {
        return Err(Problem::new(Code::SeatBlocked).fact("resource", "users"));
    }
    Ok(())
}

/// Refuses where an identity provider keeps the directory: SCIM goes before sign-in, sign-in before invitations.
///
/// # Errors
/// `invitation.directory_managed`.
pub(crate) async fn require_by_hand(view: &View, organization: Uuid) -> Result<(), Problem> {
    if scim::owns_directory(view, organization).await? {
        let reason =
            "The organization's identity provider pushes its users by SCIM; assign the person there.";
        return Err(Problem::detailed(Code::InvitationDirectoryManaged, reason));
    }
    Ok(())
}

/// Refuses an address that has an active user.
///
/// # Errors
/// `invitation.member`.
pub(crate) async fn require_stranger(view: &View, organization: Uuid, email: &str) -> Result<(), Problem> {
    let by_name = directory::user_by_name(view, organization, email).await?;
    match by_name.filter(|user| user.active) {
        Some(user) => Err(Problem::new(Code::InvitationMember).fact("userId", user.id.to_string())),
        None => Ok(()),
    }
}

/// Whose allowance is used up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Per {
    Organization,
    Recipient,
    Tenant,
}

pub(crate) fn limited(per: Per, most: u64) -> Problem {
    let per = match per {
        Per::Organization => "organization",
        Per::Recipient => "recipient",
        Per::Tenant => "tenant",
    };
    Problem::new(Code::InvitationLimited).fact("per", per).fact("limit", most)
}

/// Who is behind an invitation: each has a day's allowance of its own, so that strangers at the door can't use up that of the admins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behind {
    /// Somebody of the organization.
    Admins,
    /// People who come by their domain's rule.
    Strangers,
}

/// How many more invitations may go out now. It stays true until the commit: the tenant's others wait.
pub(crate) async fn allowance(
    tx: &Tx,
    service: &Service,
    organization: Uuid,
    behind: Behind,
) -> Result<u64, Problem> {
    use invitation::Column;
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let recent = tx.select::<invitation::Entity>().filter(Column::OrganizationId.eq(organization));
    let recent = match behind {
        Behind::Admins => recent.filter(Column::Kind.eq("personal")),
        Behind::Strangers => recent.filter(Column::Kind.ne("personal")),
    };
    let recent = tx.count(recent.filter(Column::CreatedAt.gt(tx.now() - DAY))).await?;
    Ok(service.config.invitations.per_organization_per_day.saturating_sub(recent))
}

/// Refuses the invitation after the last one of a day.
///
/// # Errors
/// `invitation.limited`.
pub(crate) async fn require_allowance(
    tx: &Tx,
    service: &Service,
    organization: Uuid,
    behind: Behind,
) -> Result<(), Problem> {
    match allowance(tx, service, organization, behind).await? {
        0 => Err(limited(Per::Organization, service.config.invitations.per_organization_per_day)),
        _ => Ok(()),
    }
}

/// Refuses to write to the same person again and again, however their address is spelled. Asked last: it is spent.
///
/// # Errors
/// `invitation.limited`.
pub(crate) async fn require_patience(tx: &Tx, service: &Service, email: &str) -> Result<(), Problem> {
    let most = service.config.invitations.per_recipient_per_day;
    // First, as everybody takes it: what is spent is locked until the commit.
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let spent = tx.spend(Rule::InvitationMails, directory::fold(email), Allowance::a_day(most)).await?;
    if spent { Ok(()) } else { Err(limited(Per::Recipient, most)) }
}
