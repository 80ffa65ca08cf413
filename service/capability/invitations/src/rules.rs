//! Whether an admin may invite somebody by hand, and how often.

use chrono::TimeDelta;
use entity::directory::states::UserVerb;
use entity::invitations::invitation;
use entity::invitations::states::InvitationKind;
use entity::tenancy::tenant;
use platform::rules::{Allowance, Rule, UsedUp};
use platform::{Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;
use web::Tools;

use crate::error::{Error, TooMany};
use crate::settings::Settings;

/// The time in which invitations are counted.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Refuses to invite whom nobody may invite now, at whichever door they are to be invited.
///
/// # Errors
/// [`Error::Quota`] while a payment is overdue, [`Error::DirectoryManaged`], [`Error::Member`]
pub(crate) async fn require_invitable(
    view: &View,
    tenant: &tenant::Model,
    organization: Uuid,
    email: &str,
) -> Result<(), Error> {
    quota::require_free("users", tenant.billing_state)?;
    require_by_hand(view, organization).await?;
    require_stranger(view, organization, email).await
}

/// Refuses where an identity provider keeps the directory: SCIM goes before sign-in, sign-in before invitations.
///
/// # Errors
/// [`Error::DirectoryManaged`]
pub(crate) async fn require_by_hand(view: &View, organization: Uuid) -> Result<(), Error> {
    if scim::owns_directory(view, organization).await? {
        return Err(Error::DirectoryManaged);
    }
    Ok(())
}

/// Refuses an address that has a user.
///
/// # Errors
/// [`Error::Member`]
async fn require_stranger(view: &View, organization: Uuid, email: &str) -> Result<(), Error> {
    let there = directory::users_of_address(view, organization, email).await?;
    match there.into_iter().find(|user| user.state().after(UserVerb::Invite).is_none()) {
        Some(user) => Err(Error::Member { user: user.id }),
        None => Ok(()),
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
    tools: &Tools,
    organization: Uuid,
    behind: Behind,
) -> Result<u64, Error> {
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let recent = tx.count(recent(tx, organization, behind)).await?;
    Ok(tools.config.section::<Settings>().per_organization_per_day.saturating_sub(recent))
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
/// [`Error::Limited`]
pub(crate) async fn require_allowance(
    tx: &Tx,
    tools: &Tools,
    organization: Uuid,
    behind: Behind,
) -> Result<(), Error> {
    if allowance(tx, tools, organization, behind).await? > 0 {
        return Ok(());
    }
    // It is held; what follows counts as well.
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let most = tools.config.section::<Settings>().per_organization_per_day;
    // There is room when the oldest of so many, counted from the newest, is older than a day.
    let newest = recent(tx, organization, behind).order_by_desc(invitation::Column::CreatedAt);
    let oldest = tx.one(newest.offset(most.saturating_sub(1)).limit(1)).await?;
    let since = oldest.map_or(tx.now(), |oldest| oldest.created_at);
    let used_up = UsedUp { limit: most, renewed_in: tx.seconds_until(since + DAY) };
    Err(Error::Limited { of: TooMany::Invitations, used_up })
}

/// Refuses to write to the same person again and again, whoever asks and however the address is spelled: it is they whom it protects. Asked
/// last: it is spent.
///
/// # Errors
/// [`Error::Limited`]
pub(crate) async fn require_patience(tx: &Tx, tools: &Tools, email: &str) -> Result<(), Error> {
    let allowance = Allowance::a_day(tools.config.section::<Settings>().per_recipient_per_day);
    // First, as everybody takes it: what is spent is locked until the commit.
    tx.exclusive(Rule::Invitations, tx.tenant()).await?;
    let key = directory::fold(email);
    if tx.spend(Rule::InvitationMails, &key, allowance).await? {
        return Ok(());
    }
    let used_up = tx.used_up(Rule::InvitationMails, key, allowance).await?;
    Err(Error::Limited { of: TooMany::Mails, used_up })
}

/// Refuses a batch after the last one of a day.
///
/// # Errors
/// [`Error::Limited`]
pub(crate) async fn require_batch(tx: &Tx, most: u64) -> Result<(), Error> {
    let allowance = Allowance::a_day(tx.by_plan(most).await?);
    if tx.spend(Rule::InvitationBatches, "", allowance).await? {
        return Ok(());
    }
    let used_up = tx.used_up(Rule::InvitationBatches, "", allowance).await?;
    Err(Error::Limited { of: TooMany::Batches, used_up })
}
