//! Whether an admin may invite somebody by hand, and how often.

use chrono::TimeDelta;
use entity::directory::states::UserVerb;
use entity::invitations::invitation;
use entity::invitations::states::InvitationKind;
use entity::tenancy::tenant;
use platform::rules::{Allowance, Rule};
use platform::{Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;
use web::{Code, Problem, Service};

/// The time in which invitations are counted.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Refuses to invite whom nobody may invite now, at whichever door they are to be invited.
///
/// # Errors
/// `billing.seat_blocked`, `invitation.directory_managed`, `invitation.member`.
pub(crate) async fn require_invitable(
    view: &View,
    tenant: &tenant::Model,
    organization: Uuid,
    email: &str,
) -> Result<(), Problem> {
    quota::require_free("users", tenant.billing_state)?;
    require_by_hand(view, organization).await?;
    require_stranger(view, organization, email).await
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

/// Refuses an address that has a user.
///
/// # Errors
/// `invitation.member`.
async fn require_stranger(view: &View, organization: Uuid, email: &str) -> Result<(), Problem> {
    let there = directory::users_of_address(view, organization, email).await?;
    match there.into_iter().find(|user| user.state().after(UserVerb::Invite).is_none()) {
        Some(user) => Err(Problem::new(Code::InvitationMember).fact("userId", user.id.to_string())),
        None => Ok(()),
    }
}

/// What there were too many of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TooMany {
    /// Of an organization.
    Invitations,
    /// To one address.
    Mails,
    /// Of a tenant.
    Batches,
}

impl TooMany {
    fn limited(self, refused: Problem) -> Problem {
        let (per, detail) = match self {
            Self::Invitations => {
                ("organization", "The organization has sent as many invitations as it may within 24 hours.")
            }
            Self::Mails => {
                ("recipient", "This address was sent as many invitations as it may get within 24 hours.")
            }
            Self::Batches => {
                ("tenant", "The tenant has sent as many batches of invitations as it may within 24 hours.")
            }
        };
        Problem { detail: detail.to_owned(), ..refused.fact("per", per) }
    }
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
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let recent = tx.count(recent(tx, organization, behind)).await?;
    Ok(service.config.invitations.per_organization_per_day.saturating_sub(recent))
}

/// The invitations that count.
fn recent(tx: &Tx, organization: Uuid, behind: Behind) -> Select<invitation::Entity> {
    use invitation::Column;
    let all = tx.select::<invitation::Entity>().filter(Column::OrganizationId.eq(organization));
    let all = match behind {
        Behind::Admins => all.filter(Column::Kind.eq(InvitationKind::Personal)),
        Behind::Strangers => all.filter(Column::Kind.ne(InvitationKind::Personal)),
    };
    all.filter(Column::CreatedAt.gt(tx.now() - DAY))
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
    if allowance(tx, service, organization, behind).await? > 0 {
        return Ok(());
    }
    // It is held; what follows counts as well.
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let most = service.config.invitations.per_organization_per_day;
    // There is room when the oldest of so many, counted from the newest, is older than a day.
    let newest = recent(tx, organization, behind).order_by_desc(invitation::Column::CreatedAt);
    let oldest = tx.one(newest.offset(most.saturating_sub(1)).limit(1)).await?;
    let since = oldest.map_or(tx.now(), |oldest| oldest.created_at);
    let refused = Problem::new(Code::InvitationLimited).fact("limit", most);
    let refused = Problem { retry_after: Some(tx.seconds_until(since + DAY)), ..refused };
    Err(TooMany::Invitations.limited(refused))
}

/// Refuses to write to the same person again and again, whoever asks and however the address is spelled: it is they whom it protects. Asked
/// last: it is spent.
///
/// # Errors
/// `invitation.limited`.
pub(crate) async fn require_patience(tx: &Tx, service: &Service, email: &str) -> Result<(), Problem> {
    let allowance = Allowance::a_day(service.config.invitations.per_recipient_per_day);
    // First, as everybody takes it: what is spent is locked until the commit.
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let key = directory::fold(email);
    if tx.spend(Rule::InvitationMails, &key, allowance).await? {
        return Ok(());
    }
    let used_up = tx.used_up(Rule::InvitationMails, key, allowance).await?;
    let refused = Problem::used_up(Code::InvitationLimited, used_up);
    Err(TooMany::Mails.limited(refused))
}

/// Refuses a batch after the last one of a day.
///
/// # Errors
/// `invitation.limited`.
pub(crate) async fn require_batch(tx: &Tx, most: u64) -> Result<(), Problem> {
    let allowance = Allowance::a_day(tx.by_plan(most).await?);
    if tx.spend(Rule::InvitationBatches, "", allowance).await? {
        return Ok(());
    }
    let used_up = tx.used_up(Rule::InvitationBatches, "", allowance).await?;
    let refused = Problem::used_up(Code::InvitationLimited, used_up);
    Err(TooMany::Batches.limited(refused))
}
